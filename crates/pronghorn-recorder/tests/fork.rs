//! What a fork leaves of a recorder, and what the reset makes of it: with every lock held that can be held, by threads that are
//! gone in the child, and with the thread that forks itself in the middle.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

#[path = "../../pronghorn-sync/tests/support/mod.rs"]
mod forks;
mod support;

use std::cell::Cell;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use forks::{Fork, alone, await_child, end_child, limit_child, run, wait_until};
use pronghorn_recorder::{
    FinishedPeriod, Frame, Function, Inspection, NoSymbols, ProfileInfo, RecordError, Recorder,
    SerializeError,
};
use pronghorn_sync::failpoint::control::{
    arm_call, arm_hold, disarm_all, gave_up, is_held, release,
};
use pronghorn_sync::mapping::{Kind, live_bytes, live_mappings};
use pronghorn_sync::{Mapping, fork};
use support::{Decoded, decode, function, sample, script, thread, time, values};

fn main() -> ExitCode {
    run(&tests![
        every_field_is_reset,
        nothing_of_the_parents_is_in_the_childs_profiles_whichever_slot_was_active,
        locks_held_in_every_combination_by_threads_that_are_gone,
        a_thread_that_forks_in_the_middle_goes_on_in_the_child_and_can_reset,
        a_period_of_the_parents_is_nothing_in_the_child,
        a_reset_that_is_repeated_keeps_no_more_memory,
        fifty_generations_keep_no_more_memory_than_one,
        without_memory_samples_stay_with_the_caller_and_come_later,
        forks_at_any_instant_while_threads_record_and_rotate,
    ])
}

/// The reset's clock reading.
const READING: u64 = 5_000;

/// Records `count` samples of as many stacks of the process's own functions.
fn record(recorder: &Recorder, of: &str, count: u32) {
    record_stacks(recorder, of, &function(of, "app.js", 1), count);
}

/// The same with a function that the caller has, so that the stacks are those of the call before; however often it has to come back. Gives up
/// when a fork has made this process another one.
fn record_stacks(recorder: &Recorder, of: &str, function: &Arc<Function>, count: u32) {
    let label = thread(7, of);
    let stacks: Vec<_> = (0..count)
        .map(|line| [script(function, line), Frame::Native { address: 16 }])
        .collect();
    let samples = || {
        stacks
            .iter()
            .map(|stack| sample(&label, stack, values(1, 10, 100)))
    };
    let generation = fork::generation();
    let done = Cell::new(0);
    wait_until("a free slot", || {
        match recorder.record(samples().skip(done.get())) {
            Ok(()) => true,
            Err(RecordError::NoSlotFree { recorded }) => {
                done.set(done.get() + recorded);
                fork::generation() != generation
            }
            Err(full @ RecordError::SlotFull { .. }) => panic!("{full}"),
        }
    });
}

fn flip(recorder: &Arc<Recorder>, now: u64) -> FinishedPeriod {
    recorder
        .flip(recorder.prepare(), time(now))
        .expect("no other rotation")
}

fn rotate(recorder: &Arc<Recorder>, now: u64) -> Decoded {
    let profile = flip(recorder, now)
        .serialize(&mut NoSymbols, &ProfileInfo::default())
        .expect("a profile");
    decode(&profile.data)
}

/// A recorder with that slot active.
fn with_active(slot: usize) -> Arc<Recorder> {
    let recorder = Recorder::new(time(1));
    for number in 0..slot {
        drop(flip(&recorder, 2 + number as u64));
    }
    assert_eq!(recorder.inspect().active, Some(slot));
    recorder
}

/// In the child: resets, finds a recorder like a new one, and uses it.
fn reset_and_use(recorder: &Arc<Recorder>) {
    recorder.reset_after_fork(&alone(), time(READING));
    fork::acknowledge();
    assert_eq!(recorder.inspect(), Recorder::new(time(READING)).inspect());
    for now in [READING + 1, READING + 2] {
        let profile = rotate(recorder, now);
        assert_eq!((profile.samples.len(), profile.functions.len()), (0, 0));
        assert_eq!((profile.time_nanos, profile.duration_nanos), (now - 1, 1));
    }
    let recording: Vec<_> = (0..2)
        .map(|_| {
            let recorder = Arc::clone(recorder);
            std::thread::spawn(move || record(&recorder, "childOnly", 100))
        })
        .collect();
    for thread in recording {
        thread.join().expect("a thread of the child's");
    }
    let profile = rotate(recorder, READING + 3);
    assert_eq!(profile.totals(), values(200, 2_000, 20_000));
    assert!(
        profile
            .functions
            .iter()
            .all(|(name, ..)| name != "parentOnly")
    );
    let statistics = recorder.statistics();
    assert_eq!((statistics.recorded, statistics.dropped), (200, 0));
    assert_eq!((statistics.serializations, statistics.failures), (3, 0));
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

/// A thread that is held at a place, or in a wait, while the main thread forks.
struct Held {
    place: Option<&'static str>,
    thread: JoinHandle<()>,
}

impl Held {
    fn at(place: &'static str, action: impl FnOnce() + Send + 'static) -> Self {
        arm_hold(place).expect("a known place");
        let thread = std::thread::spawn(action);
        wait_until(place, || is_held(place).expect("a known place"));
        Self {
            place: Some(place),
            thread,
        }
    }

    fn go_on(self) {
        if let Some(place) = self.place {
            release(place).expect("a known place");
        }
        self.thread.join().expect("the thread that was held");
        assert_eq!(gave_up(), 0);
    }
}

fn nothing_of_the_parents_is_in_the_childs_profiles_whichever_slot_was_active() {
    for active in [0, 1] {
        let recorder = with_active(active);
        record(&recorder, "parentOnly", 50);
        // Both are open: what is recorded now goes into slot one, the old or the new.
        let flipping = {
            let recorder = Arc::clone(&recorder);
            Held::at("mid-flip", move || drop(flip(&recorder, 10)))
        };
        record(&recorder, "parentOnly", 20);
        // And with somebody inside slot one, into slot two.
        let inside = {
            let recorder = Arc::clone(&recorder);
            Held::at("recorder-lock", move || record(&recorder, "parentOnly", 1))
        };
        record(&recorder, "parentOnly", 7);
        inside.go_on();
        let in_slots = recorder
            .inspect()
            .slots
            .map(|slot| slot.expect("nobody inside").samples);
        assert_eq!(in_slots, [[50 + 20 + 1, 7], [20 + 1, 50 + 7]][active]);
        for how in Fork::ALL {
            how.child(|| reset_and_use(&recorder));
        }
        flipping.go_on();
        let left = rotate(&recorder, 20).totals().count;
        assert_eq!(left, [7, 20 + 1][active], "the parent lost nothing");
    }
}

/// How far a rotation on another thread has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rotating {
    No,
    At(&'static str),
    /// It waits for the thread that is inside the active slot.
    Waits,
}

fn locks_held_in_every_combination_by_threads_that_are_gone() {
    let stages = [
        Rotating::No,
        Rotating::At("mid-ready"),
        Rotating::At("mid-flip"),
        Rotating::At("mid-serialize"),
        Rotating::Waits,
    ];
    for (active, stage, somebody_inside) in [0, 1]
        .into_iter()
        .flat_map(|active| stages.map(|stage| (active, stage)))
        .flat_map(|(active, stage)| [false, true].map(|inside| (active, stage, inside)))
    {
        if stage == Rotating::Waits && !somebody_inside {
            continue;
        }
        let recorder = with_active(active);
        record(&recorder, "parentOnly", 500);
        let rotation = {
            let recorder = Arc::clone(&recorder);
            move || assert!(rotate(&recorder, 10).totals().count >= 500)
        };
        // Serializing comes when nobody is inside the old slot any more; whoever is inside then is in the new one.
        let mut rotating = None;
        if let Rotating::At(place @ ("mid-flip" | "mid-serialize")) = stage {
            rotating = Some(Held::at(place, rotation.clone()));
        }
        let inside = somebody_inside.then(|| {
            let recorder = Arc::clone(&recorder);
            Held::at("recorder-lock", move || record(&recorder, "parentOnly", 1))
        });
        match stage {
            Rotating::At("mid-ready") => rotating = Some(Held::at("mid-ready", rotation)),
            Rotating::Waits => {
                rotating = Some(Held {
                    place: None,
                    thread: std::thread::spawn(rotation),
                });
                wait_until("the wait", || !recorder.inspect().locked[1 - active]);
            }
            Rotating::No | Rotating::At(_) => {}
        }
        let expected = match stage {
            Rotating::No | Rotating::At("mid-ready") => [active != 0, active != 1],
            Rotating::At("mid-serialize") => [active == 0, active == 1],
            Rotating::At(_) | Rotating::Waits => [false, false],
        };
        let inside_of = match stage {
            Rotating::At("mid-serialize") => 1 - active,
            // Both are open, and slot one is tried first.
            Rotating::At("mid-flip") => 0,
            _ => active,
        };
        let found = recorder.inspect();
        assert_eq!(found.rotating, stage != Rotating::No);
        let held = [0, 1].map(|slot| expected[slot] || somebody_inside && slot == inside_of);
        assert_eq!(found.locked, held, "{stage:?} {active} {somebody_inside}");
        for how in Fork::ALL {
            how.child(|| reset_and_use(&recorder));
        }
        for held in [inside, rotating].into_iter().flatten() {
            held.go_on();
        }
        rotate(&recorder, 20);
        let statistics = recorder.statistics();
        assert_eq!(statistics.recorded, 500 + u64::from(somebody_inside));
    }
}

static FORKED: AtomicI32 = AtomicI32::new(-1);

extern "C" fn fork_here() {
    // SAFETY: fork has no preconditions; the child goes on where its parent was.
    let child = unsafe { libc::fork() };
    if child == 0 {
        limit_child();
    }
    FORKED.store(child, Ordering::Relaxed);
}

fn a_thread_that_forks_in_the_middle_goes_on_in_the_child_and_can_reset() {
    for active in [0, 1] {
        for place in ["recorder-lock", "mid-ready", "mid-flip", "mid-serialize"] {
            let recorder = with_active(active);
            record(&recorder, "parentOnly", 300);
            FORKED.store(-1, Ordering::Relaxed);
            arm_call(place, fork_here).expect("a known place");
            record(&recorder, "parentOnly", 40);
            // With somebody inside, the child must not wait for them.
            let inside = (place == "mid-flip").then(|| {
                let recorder = Arc::clone(&recorder);
                Held::at("recorder-lock", move || record(&recorder, "parentOnly", 1))
            });
            let releasing = inside.map(|inside| {
                std::thread::spawn(move || {
                    wait_until("the fork", || FORKED.load(Ordering::Relaxed) > 0);
                    inside.go_on();
                })
            });
            let in_child = || FORKED.load(Ordering::Relaxed) == 0;
            let mut serialized = Err(SerializeError::Forked);
            if place != "recorder-lock" {
                let period = flip(&recorder, 10);
                assert_eq!(
                    period.is_inherited(),
                    in_child() && place != "mid-serialize"
                );
                serialized = period.serialize(&mut NoSymbols, &ProfileInfo::default());
            }
            if in_child() {
                end_child(|| {
                    assert!(matches!(serialized, Err(SerializeError::Forked)));
                    reset_and_use(&recorder);
                });
            }
            await_child(FORKED.load(Ordering::Relaxed));
            if let Some(thread) = releasing {
                thread.join().expect("the thread that releases");
            }
            assert_eq!(serialized.is_ok(), place != "recorder-lock");
        }
    }
    disarm_all();
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

fn forks_at_any_instant_while_threads_record_and_rotate() {
    let forks = if std::env::var_os("PRONGHORN_TEST_LONG").is_some() {
        1_000
    } else {
        40
    };
    let recorder = Recorder::new(time(1));
    let end = Arc::new(AtomicBool::new(false));
    let recording = (0..2_u32).map(|number| {
        let (recorder, end) = (Arc::clone(&recorder), Arc::clone(&end));
        std::thread::spawn(move || {
            let (mut recorded, mut size) = (0, number);
            let function = function("parentOnly", "app.js", number);
            while !end.load(Ordering::Relaxed) {
                // Few stacks, and many: tables that stand still and tables that grow.
                size = (size * 7 + 13) % 1_500;
                record_stacks(&recorder, "parentOnly", &function, size);
                recorded += u64::from(size);
            }
            recorded
        })
    });
    let recording: Vec<_> = recording.collect();
    let rotating = {
        let (recorder, end) = (Arc::clone(&recorder), Arc::clone(&end));
        std::thread::spawn(move || {
            let (mut serialized, mut now) = (0, 2);
            while !end.load(Ordering::Relaxed) {
                now += 1;
                serialized += rotate(&recorder, now).totals().count;
            }
            serialized
        })
    };
    for number in 0..forks {
        // Not in step with the threads.
        std::thread::sleep(Duration::from_micros(number * 97 % 1_000));
        // With handlers: without, the allocator's locks may be held by a thread that is gone.
        Fork::Handlers.child(|| reset_and_use(&recorder));
    }
    end.store(true, Ordering::Relaxed);
    let recorded: u64 = recording
        .into_iter()
        .map(|thread| thread.join().expect("a recording thread"))
        .sum();
    let serialized = rotating.join().expect("the rotating thread");
    let left = rotate(&recorder, u64::MAX).totals().count;
    assert_eq!(serialized + left, recorded, "the parent lost nothing");
}
