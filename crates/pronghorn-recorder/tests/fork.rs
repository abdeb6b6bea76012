//! What a reset makes of a recorder after a fork, and what is left of the parent's: fields, periods, memory.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

#[path = "support/forked.rs"]
mod forked;
#[path = "../../pronghorn-sync/tests/support/mod.rs"]
mod forks;
mod support;

use std::process::ExitCode;
use std::sync::Arc;

use forked::{READING, flip, record, reset_and_use, rotate, with_active};
use forks::{Fork, alone, limit_child_for, run};
use pronghorn_recorder::{
    Frame, Inspection, NoSymbols, ProfileInfo, RecordError, Recorder, SerializeError,
};
use pronghorn_sync::mapping::{Kind, live_bytes, live_mappings};
use pronghorn_sync::{Mapping, fork};
use support::{sample, thread, time, values};

fn main() -> ExitCode {
    run(&tests![
        every_field_is_reset,
        a_period_of_the_parents_is_nothing_in_the_child,
        a_reset_that_is_repeated_keeps_no_more_memory,
        fifty_generations_keep_no_more_memory_than_one,
        a_recorder_whose_owners_were_abandoned_gives_its_memory_back,
        without_memory_samples_stay_with_the_caller_and_come_later,
    ])
}

fn every_field_is_reset() {
    let recorder = Recorder::new(time(1));
    record(&recorder, "parentOnly", 4_000);
    rotate(&recorder, 2);
    record(&recorder, "parentOnly", 5_000);
    drop(flip(&recorder, 3));
    record(&recorder, "parentOnly", 6_000);
    rotate(&recorder, 4);
    record(&recorder, "parentOnly", 30);
    recorder.note_dropped(3);
    let before = recorder.inspect();
    let kept = flip(&recorder, 5);
    for how in Fork::ALL {
        how.child(|| {
            let inherited = recorder.inspect();
            recorder.reset_after_fork(&alone(), time(READING));
            let after = recorder.inspect();
            assert_eq!(after, Recorder::new(time(READING)).inspect());
            // Each field had something in it, or the comparison above would say nothing about it.
            let Inspection {
                locked,
                slots,
                rotating,
                active,
                start,
                capacity,
                statistics,
                is_own,
            } = before.clone();
            assert_ne!(locked, after.locked);
            assert_ne!(active, after.active);
            assert_ne!(start, after.start);
            assert_ne!(capacity[0], after.capacity[0]);
            assert_ne!(capacity[1], after.capacity[1]);
            assert_ne!(statistics.serialize_min_ns, 0);
            assert_ne!(statistics.recorded * statistics.dropped, 0);
            assert_ne!(statistics.serializations * statistics.failures, 0);
            for (slot, after) in slots.iter().zip(&after.slots) {
                let (slot, after) = (slot.as_ref().expect("nobody inside"), after.as_ref());
                assert_ne!(slot.start, after.expect("nobody inside").start);
            }
            assert_eq!(
                slots.iter().flatten().map(|slot| slot.samples).sum::<u64>(),
                30
            );
            assert!(is_own && !rotating);
            assert!(inherited.rotating && !inherited.is_own);
            assert!(after.is_own);
        });
    }
    drop(kept);
}

fn a_period_of_the_parents_is_nothing_in_the_child() {
    let recorder = with_active(0);
    record(&recorder, "parentOnly", 100);
    let prepared = recorder.prepare();
    let (mut early, mut late) = (Some(flip(&recorder, 2)), None);
    // A second recorder, since a recorder has one such period at a time.
    let other = with_active(1);
    record(&other, "parentOnly", 100);
    late.replace(flip(&other, 3));
    let mut prepared = Some(prepared);
    for how in Fork::ALL {
        how.child(|| {
            drop(early.take());
            assert!(
                recorder.inspect().rotating,
                "it opened a lock of the parent's"
            );
            for recorder in [&recorder, &other] {
                recorder.reset_after_fork(&alone(), time(READING));
            }
            fork::acknowledge();
            let own = flip(&other, READING + 1);
            record(&other, "childOnly", 10);
            let period = late.take().expect("the parent's");
            assert_eq!((period.totals().count, period.stack_count()), (0, 0));
            let refused = period.serialize(&mut NoSymbols, &ProfileInfo::default());
            assert!(matches!(refused, Err(SerializeError::Forked)));
            assert!(
                other.inspect().rotating,
                "it ended the child's own rotation"
            );
            assert_eq!(other.statistics().failures, 0);
            drop(own);
            // Data that the parent prepared is not used.
            let fresh = prepared.take().expect("the parent's");
            let period = recorder
                .flip(fresh, time(READING + 1))
                .expect("no other rotation");
            drop(period);
            record(&recorder, "childOnly", 10);
            assert_eq!(rotate(&recorder, READING + 2).totals().count, 10);
            assert_eq!(rotate(&other, READING + 2).totals().count, 10);
        });
    }
    drop((early, late, prepared));
}

fn a_reset_that_is_repeated_keeps_no_more_memory() {
    let recorder = with_active(1);
    record(&recorder, "parentOnly", 100);
    Fork::Handlers.child(|| {
        recorder.reset_after_fork(&alone(), time(READING));
        let before = (live_mappings(), live_bytes());
        for repeated in 1..100 {
            recorder.reset_after_fork(&alone(), time(READING + repeated));
            assert_eq!((live_mappings(), live_bytes()), before);
        }
        recorder.reset_after_fork(&alone(), time(READING));
        reset_and_use(&recorder);
    });
}

fn fifty_generations_keep_no_more_memory_than_one() {
    /// Both slots full, one of them taken out, and forked like that.
    fn generation(recorder: &Arc<Recorder>, left: u32, expected: Option<(usize, usize)>) {
        if left == 0 {
            return;
        }
        let how = Fork::ALL[left as usize % 2];
        how.child(|| {
            // It lives as long as all that come after it.
            limit_child_for(left);
            recorder.reset_after_fork(&alone(), time(READING));
            fork::acknowledge();
            record(recorder, "someFunction", 3_000);
            let period = flip(recorder, READING + 1);
            record(recorder, "someFunction", 3_000);
            let sums = (live_mappings(), live_bytes());
            if let Some(expected) = expected {
                assert_eq!(sums, expected);
            }
            generation(recorder, left - 1, Some(sums));
            assert_eq!(period.totals().count, 3_000);
            drop(period);
            assert_eq!(rotate(recorder, READING + 2).totals().count, 3_000);
        });
    }
    generation(&with_active(0), 50, None);
}

fn a_recorder_whose_owners_were_abandoned_gives_its_memory_back() {
    let recorder = with_active(0);
    record(&recorder, "parentOnly", 100);
    Fork::Handlers.child(|| {
        // As the reset abandons them.
        std::mem::forget(Arc::clone(&recorder));
        recorder.reset_after_fork(&alone(), time(READING));
        fork::acknowledge();
        record(&recorder, "childOnly", 100);
        let profile = rotate(&recorder, READING + 1);
        assert_eq!(profile.totals().count, 100);
        recorder.give_back();
        let label = thread(7, "main");
        let frames = [Frame::Native { address: 16 }];
        assert_eq!(
            recorder.record([sample(&label, &frames, values(1, 10, 100))]),
            Err(RecordError::SlotFull { recorded: 0 })
        );
        let mut sums = Vec::new();
        for _ in 0..10 {
            // What was given back serves the next.
            let next = Recorder::new(time(READING));
            std::mem::forget(Arc::clone(&next));
            record(&next, "childOnly", 100);
            assert_eq!(rotate(&next, READING + 1).totals().count, 100);
            next.give_back();
            sums.push((live_mappings(), live_bytes()));
        }
        // The first few fill up what is kept for the next.
        assert!(sums[3..].iter().all(|sum| *sum == sums[3]), "{sums:?}");
    });
}

fn without_memory_samples_stay_with_the_caller_and_come_later() {
    // In a child, since nothing can be mapped in it for a while.
    Fork::Handlers.child(|| {
        let recorder = Recorder::new(time(1));
        let label = thread(7, "main");
        let stacks: Vec<_> = (0..40_000)
            .map(|address| [Frame::Native { address }, Frame::Native { address: 7 }])
            .collect();
        let samples = || {
            stacks
                .iter()
                .map(|stack| sample(&label, stack, values(1, 10, 100)))
        };
        let mut all = Vec::new();
        while let Ok(mapping) = Mapping::new(1, Kind::Buffer) {
            all.push(mapping);
        }
        // A slot that was prepared before holds what fits, and each of those samples is whole.
        let Err(RecordError::SlotFull { recorded }) = recorder.record(samples()) else {
            panic!("the tables grew without memory");
        };
        assert!((1_000..40_000).contains(&recorded), "{recorded}");
        let profile = rotate(&recorder, 2);
        assert_eq!(profile.totals().count, recorded as u64);
        assert!(profile.samples.iter().all(|sample| sample.stack.len() == 2));
        // What that period gave back may be used, and nothing else: the first slot that gets none has no room at all.
        let mut kept = vec![recorder.prepare(), recorder.prepare(), recorder.prepare()];
        let fresh = kept.pop().expect("the last");
        drop(recorder.flip(fresh, time(3)));
        assert_eq!(
            recorder.record(samples()),
            Err(RecordError::SlotFull { recorded: 0 })
        );
        // With memory the same slot grows.
        drop(all);
        assert_eq!(recorder.record(samples()), Ok(()));
        assert_eq!(rotate(&recorder, 4).totals().count, 40_000);
    });
}
