//! Periods follow one another: flips in both directions, their times, and what is recorded when.

#![cfg(not(loom))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use pronghorn_recorder::{
    Frame, Marker, Moment, NoSymbols, ProfileInfo, ProfileTime, Recorder, RotationInProgress,
    Values,
};
use support::{decode, sample, thread, time, values};

fn record_count(recorder: &Recorder, count: u64) {
    let main = thread(1, "main");
    let frames = [Frame::Marker(Marker::Idle)];
    recorder
        .record([sample(
            &main,
            &frames,
            values(count, 10 * count, 100 * count),
        )])
        .expect("a free slot");
}

/// Flips at `now` and returns the period's times and the number of its samples.
fn flip(recorder: &Arc<Recorder>, now: u64) -> (ProfileTime, ProfileTime, u64) {
    let period = recorder
        .flip(recorder.prepare(), time(now))
        .expect("no other rotation");
    (period.start(), period.finish(), period.totals().count)
}

#[test]
fn flips_in_both_directions_and_each_period_has_its_own_samples() {
    let recorder = Recorder::new(time(100));
    for period in 1..=6 {
        record_count(&recorder, period);
        record_count(&recorder, 10 * period);
        let (_, _, count) = flip(&recorder, 100 + period);
        assert_eq!(count, 11 * period);
    }
    let (_, _, rest) = flip(&recorder, 200);
    assert_eq!(rest, 0, "nothing shows up twice");
}

#[test]
fn a_period_starts_when_its_slot_becomes_active_and_ends_at_the_next_flip() {
    let recorder = Recorder::new(time(100));
    assert_eq!(flip(&recorder, 150), (time(100), time(150), 0));
    assert_eq!(flip(&recorder, 180), (time(150), time(180), 0));
    assert_eq!(flip(&recorder, 280), (time(180), time(280), 0));
}

#[test]
fn the_time_until_a_period_is_serialized_belongs_to_the_next_one_only() {
    let recorder = Recorder::new(time(100));
    let first = recorder
        .flip(recorder.prepare(), time(150))
        .expect("a flip");
    // Serialized long after: its duration must not grow, and the second one must not start late.
    std::thread::sleep(Duration::from_millis(2));
    // On another thread: the finished period moves to whoever serializes it.
    let first = std::thread::spawn(|| first.serialize(&mut NoSymbols, &ProfileInfo::default()))
        .join()
        .expect("the serializing thread")
        .expect("a profile");
    let decoded = decode(&first.data);
    assert_eq!((decoded.time_nanos, decoded.duration_nanos), (100, 50));
    assert_eq!((first.start, first.finish), (time(100), time(150)));
    assert_eq!(flip(&recorder, 190), (time(150), time(190), 0));
}

/// Ends a period while the real-time clock and the monotonic one stand there, in milliseconds; when it began and ended.
fn flip_at(recorder: &Arc<Recorder>, real: u64, monotonic: u64) -> (u64, u64) {
    let now = Moment::new(time(real * 1_000_000), monotonic * 1_000_000);
    let period = recorder.flip(recorder.prepare(), now).expect("no other");
    let millis = |time: ProfileTime| time.nanos_since_epoch() / 1_000_000;
    (millis(period.start()), millis(period.finish()))
}

#[test]
fn a_period_is_as_long_as_it_was_whatever_happens_to_the_clock() {
    const HOUR: u64 = 3_600_000;
    const NOON: u64 = 12 * HOUR;
    let recorder = Recorder::new(Moment::new(time(NOON * 1_000_000), 5_000_000));
    assert_eq!(flip_at(&recorder, NOON + 100, 105), (NOON, NOON + 100));
    // Slewed a little: no gap, no overlap.
    let start = NOON + 100;
    assert_eq!(flip_at(&recorder, NOON + 350, 305), (start, start + 200));
    // Set back by an hour in the middle of a period, and then left alone.
    let start = NOON + 300;
    assert_eq!(flip_at(&recorder, NOON - HOUR, 605), (start, start + 300));
    let start = NOON - HOUR;
    assert_eq!(flip_at(&recorder, start + 301, 905), (start, start + 300));
    assert_eq!(
        flip_at(&recorder, start + 600, 1_205),
        (start + 300, start + 600)
    );
    // Set forward again, or asleep for an hour, in which the monotonic clock stands still.
    let start = start + 600;
    assert_eq!(flip_at(&recorder, NOON, 1_505), (start, start + 300));
    assert_eq!(flip_at(&recorder, NOON + 50, 1_555), (NOON, NOON + 50));
}

#[test]
fn a_monotonic_clock_that_goes_back_a_little_makes_no_period_negative() {
    let recorder = Recorder::new(time(1_000));
    assert_eq!(flip(&recorder, 400), (time(1_000), time(1_000), 0));
    assert_eq!(flip(&recorder, 500), (time(1_000), time(1_000), 0));
    assert_eq!(flip(&recorder, 1_200), (time(1_000), time(1_200), 0));
    assert_eq!(flip(&recorder, 1_100), (time(1_200), time(1_200), 0));
    assert_eq!(flip(&recorder, 1_300), (time(1_200), time(1_300), 0));
}

#[test]
fn a_second_rotation_is_refused_until_the_first_is_over_and_changes_nothing() {
    let recorder = Recorder::new(time(100));
    record_count(&recorder, 1);
    let first = recorder
        .flip(recorder.prepare(), time(200))
        .expect("a flip");
    record_count(&recorder, 2);
    let refused = recorder.flip(recorder.prepare(), time(300));
    assert_eq!(refused.err(), Some(RotationInProgress));
    record_count(&recorder, 4);
    assert_eq!(first.totals().count, 1);
    first
        .serialize(&mut NoSymbols, &ProfileInfo::default())
        .expect("a profile");
    assert_eq!(flip(&recorder, 400), (time(200), time(400), 6));
}

#[test]
fn a_period_is_flipped_and_serialized_off_the_thread_that_records() {
    let recorder = Recorder::new(time(100));
    let (send, receive) = mpsc::channel();
    let rotating = {
        let recorder = Arc::clone(&recorder);
        std::thread::spawn(move || {
            let mut totals = Values::default();
            for now in 0..50 {
                receive.recv().expect("the recording thread");
                let period = recorder
                    .flip(recorder.prepare(), time(200 + now))
                    .expect("no other rotation");
                let profile = period
                    .serialize(&mut NoSymbols, &ProfileInfo::default())
                    .expect("a profile");
                totals.add(decode(&profile.data).totals());
            }
            totals
        })
    };
    for _ in 0..50 {
        record_count(&recorder, 1);
        send.send(()).expect("the rotating thread");
    }
    let mut totals = rotating.join().expect("the rotating thread");
    totals.count += flip(&recorder, 300).2;
    assert_eq!(totals.count, 50);
}

#[test]
fn a_period_given_up_counts_as_a_failure() {
    let recorder = Recorder::new(time(100));
    record_count(&recorder, 3);
    drop(recorder.flip(recorder.prepare(), time(200)));
    record_count(&recorder, 4);
    let period = recorder
        .flip(recorder.prepare(), time(300))
        .expect("a flip");
    assert_eq!(period.totals().count, 4);
    period
        .serialize(&mut NoSymbols, &ProfileInfo::default())
        .expect("a profile");
    let statistics = recorder.statistics();
    assert_eq!((statistics.failures, statistics.serializations), (1, 1));
}
