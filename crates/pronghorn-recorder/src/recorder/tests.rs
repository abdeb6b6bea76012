//! What can only be seen from inside: the state of the locks, and whose memory a slot holds.

#![cfg(not(loom))]

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::slot::injected;
use crate::{Frame, ThreadLabel, Values};

fn time(nanos: u64) -> ProfileTime {
    ProfileTime::from_nanos_since_epoch(nanos)
}

fn main_thread() -> ThreadLabel {
    ThreadLabel {
        id: 1,
        name: Arc::from("main"),
    }
}

fn one_sample<'a>(thread: &'a ThreadLabel, frames: &'a [Frame]) -> Sample<'a> {
    Sample {
        thread,
        frames,
        labels: None,
        values: Values {
            count: 1,
            cpu_ns: 10,
            wall_ns: 100,
        },
    }
}

fn native(address: u64) -> [Frame; 1] {
    [Frame::Native { address }]
}

fn locked(recorder: &Recorder) -> [bool; 2] {
    [0, 1].map(|slot| recorder.slots[slot].is_locked())
}

fn flip_count(recorder: &Arc<Recorder>, now: u64) -> u64 {
    recorder
        .flip(recorder.prepare(), time(now))
        .expect("no other rotation")
        .totals()
        .count
}

#[test]
fn exactly_the_inactive_slot_is_locked_from_flip_to_flip() {
    let recorder = Recorder::new(time(1));
    assert_eq!(locked(&recorder), [false, true]);
    for now in 2..6 {
        let period = recorder
            .flip(recorder.prepare(), time(now))
            .expect("no other rotation");
        let expected = [now % 2 == 0, now % 2 == 1];
        assert_eq!(locked(&recorder), expected);
        drop(period);
        assert_eq!(
            locked(&recorder),
            expected,
            "it stays locked after the serialize too"
        );
    }
}

#[test]
fn the_inactive_slot_is_replaced_by_the_prepared_data_and_never_cleared_in_place() {
    let recorder = Recorder::new(time(1));
    // All kept alive, so that no two can have the same address by chance. The limit marks each one besides: an allocator
    // may give memory just freed to the next who asks.
    let mut kept = Vec::new();
    let mut prepared = None;
    for now in 2..8 {
        let fresh = recorder.prepare().with_room_for(1_000 + now as usize);
        let identity = fresh.identity();
        let period = recorder.flip(fresh, time(now)).expect("no other rotation");
        let data = period.into_data();
        if let Some(earlier) = prepared {
            assert_eq!(
                data.identity(),
                earlier,
                "the tables handed in at the flip before"
            );
        }
        assert!(
            kept.iter()
                .all(|old: &SlotData| old.identity() != data.identity())
        );
        kept.push(data);
        prepared = Some(identity);
        let thread = main_thread();
        let frames = native(now);
        recorder
            .record([one_sample(&thread, &frames)])
            .expect("a free slot");
    }
    // What was taken out first is as it was: later periods were written elsewhere.
    assert_eq!(kept[0].totals(), Values::default());
    for data in &kept[1..] {
        assert_eq!(data.totals().count, 1);
    }
}

#[test]
fn a_panic_inside_a_slot_leaves_no_slot_locked_and_what_was_recorded_stays() {
    let recorder = Recorder::new(time(1));
    let thread = main_thread();
    let frames = [native(1), native(2), native(3), native(4)];
    for direction in [[false, true], [true, false]] {
        injected::panic_after(2);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            recorder.record(frames.iter().map(|frames| one_sample(&thread, frames)))
        }));
        assert!(outcome.is_err());
        assert_eq!(locked(&recorder), direction);
        recorder
            .record([one_sample(&thread, &frames[3])])
            .expect("a free slot");
        assert_eq!(flip_count(&recorder, 2), 3);
    }
    assert_eq!(recorder.statistics().recorded, 6);
}

#[test]
fn a_full_slot_is_an_error_that_says_what_was_recorded_and_the_next_period_works() {
    let recorder = Recorder::new(time(1));
    drop(recorder.flip(recorder.prepare().with_room_for(3), time(2)));
    let thread = main_thread();
    let frames: Vec<_> = (0..5).map(native).collect();
    let samples = || frames.iter().map(|frames| one_sample(&thread, frames));
    assert_eq!(
        recorder.record(samples()),
        Err(RecordError::SlotFull { recorded: 3 })
    );
    assert_eq!(locked(&recorder), [true, false]);
    // A stack that is there already needs no room.
    assert_eq!(recorder.record(samples().take(3)), Ok(()));
    assert_eq!(flip_count(&recorder, 3), 6);
    assert_eq!(recorder.record(samples().skip(3)), Ok(()));
    assert_eq!(flip_count(&recorder, 4), 2);
}

#[test]
fn with_both_slots_taken_a_thread_keeps_its_samples_and_records_them_later() {
    let recorder = Recorder::new(time(1));
    let thread = main_thread();
    let frames = native(1);
    let taken = recorder.slots[0].try_lock();
    assert_eq!(locked(&recorder), [true, true]);
    assert_eq!(
        recorder.record([one_sample(&thread, &frames)]),
        Err(RecordError::NoSlotFree { recorded: 0 })
    );
    drop(taken);
    assert_eq!(recorder.record([one_sample(&thread, &frames)]), Ok(()));
    assert_eq!(flip_count(&recorder, 2), 1);
    assert_eq!(recorder.statistics().dropped, 0, "keeping is not dropping");
}

#[test]
fn an_interrupted_call_says_how_many_samples_are_recorded_and_takes_samples_with_no_slot_held() {
    let recorder = Recorder::new(time(1));
    let thread = main_thread();
    let frames = native(1);
    let mut taken = None;
    let samples = (0..100).map(|number| {
        assert_eq!(
            locked(&recorder),
            [taken.is_some(), true],
            "the caller's iterator runs with no slot held"
        );
        // Asked for while the second batch is gathered.
        if number == BATCH + 3 {
            taken = recorder.slots[0].try_lock();
        }
        one_sample(&thread, &frames)
    });
    assert_eq!(
        recorder.record(samples),
        Err(RecordError::NoSlotFree { recorded: BATCH })
    );
    drop(taken);
    assert_eq!(flip_count(&recorder, 2), BATCH as u64);
}

#[test]
fn a_flip_waits_for_the_thread_inside_and_gets_its_samples() {
    let recorder = Recorder::new(time(1));
    let mut inside = recorder.slots[0].try_lock().expect("a free slot");
    let flipping = {
        let recorder = Arc::clone(&recorder);
        std::thread::spawn(move || flip_count(&recorder, 2))
    };
    // The flip opens slot two before it waits for slot one.
    while recorder.slots[1].is_locked() {
        std::thread::yield_now();
    }
    assert!(!flipping.is_finished());
    let (thread, frames) = (main_thread(), native(1));
    // Meanwhile others use the new slot ...
    recorder
        .record([one_sample(&thread, &frames)])
        .expect("slot two is open");
    // ... and the one inside finishes its batch.
    inside.with(|period| {
        for _ in 0..5 {
            let sample = HashedSample::new(one_sample(&thread, &frames));
            period.data.record(&sample).expect("room");
        }
    });
    drop(inside);
    assert_eq!(flipping.join().expect("the flip"), 5);
    assert_eq!(flip_count(&recorder, 3), 1);
}

#[test]
fn the_next_slot_is_prepared_as_large_as_the_last_period_was() {
    let recorder = Recorder::new(time(1));
    assert_eq!(recorder.capacity.get().get(), Capacity::DEFAULT);
    let thread = main_thread();
    let frames: Vec<_> = (0..4_000).map(native).collect();
    recorder
        .record(frames.iter().map(|frames| one_sample(&thread, frames)))
        .expect("a free slot");
    assert_eq!(flip_count(&recorder, 2), 4_000);
    let prepared = recorder.capacity.get().get();
    assert_eq!((prepared.frames, prepared.stacks), (5_000, 5_000));
    assert_eq!(prepared.stored_frames, Capacity::DEFAULT.stored_frames);
    flip_count(&recorder, 3);
    assert_eq!(
        recorder.capacity.get().get(),
        Capacity::DEFAULT,
        "it shrinks again"
    );
}
