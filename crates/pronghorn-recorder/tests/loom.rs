//! Every interleaving of two recording threads, a flip and a serialize, over the recorder as it is shipped. Run by loom.sh.
//!
//! Loom runs a closure once for every order in which its threads' atomic operations can happen, and for every value that a
//! relaxed load may see. It fails if two threads can be inside a slot at a time or if one can be inside without having
//! seen what the other wrote there; the assertions below fail if a sample is lost or counted twice.

#![cfg(loom)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering::SeqCst};
use loom::thread;
use pronghorn_recorder::{
    Frame, Marker, NoSymbols, ProfileInfo, ProfileTime, Recorder, Sample, ThreadLabel, Values,
};
use pronghorn_sync::{Alone, Guarded, Parking, Sleep};

/// Runs `body` once for every interleaving, on a stack of 1 MiB: on loom's own of 32 KiB the compressor does not fit.
fn model(body: impl Fn() + Send + Sync + Copy + 'static) {
    loom::model(move || {
        thread::Builder::new()
            // In words.
            .stack_size(1 << 17)
            .spawn(body)
            .expect("a thread")
            .join()
            .expect("the model");
    });
}

fn time(nanos: u64) -> ProfileTime {
    ProfileTime::from_nanos_since_epoch(nanos)
}

/// Records one sample of its own stack; whether a slot was free.
fn record_one(recorder: &Recorder, id: u32) -> bool {
    let thread = ThreadLabel {
        id,
        name: Arc::from("recording"),
    };
    let frames = [
        Frame::Native {
            address: u64::from(id),
        },
        Frame::Marker(Marker::Idle),
    ];
    let sample = Sample {
        thread: &thread,
        frames: &frames,
        labels: None,
        values: Values {
            count: 1,
            cpu_ns: 10,
            wall_ns: 100,
        },
    };
    recorder.record([sample]).is_ok()
}

/// Ends the period, serializes it, and returns what was in it.
fn rotate(recorder: &Arc<Recorder>, now: u64) -> Values {
    let period = recorder
        .flip(recorder.prepare(), time(now))
        .expect("no other rotation");
    let before = period.totals();
    let profile = period
        .serialize(&mut NoSymbols, &ProfileInfo::default())
        .expect("a profile");
    assert_eq!(
        profile.totals, before,
        "a period changed while it was serialized"
    );
    profile.totals
}

/// What is recorded by that many successful calls of [`record_one`].
fn values_of(recorded: u64) -> Values {
    Values {
        count: recorded,
        cpu_ns: 10 * recorded,
        wall_ns: 100 * recorded,
    }
}

#[test]
fn two_threads_record_while_one_flips_and_serializes() {
    model(|| {
        let recorder = Recorder::new(time(1));
        let writers = [1, 2].map(|id| {
            let recorder = Arc::clone(&recorder);
            thread::spawn(move || u64::from(record_one(&recorder, id)))
        });
        let mut totals = rotate(&recorder, 2);
        let recorded: u64 = writers
            .into_iter()
            .map(|writer| writer.join().expect("a recording thread"))
            .sum();
        totals.add(rotate(&recorder, 3));
        assert_eq!(totals, values_of(recorded));
        assert_eq!(recorder.statistics().recorded, recorded);
    });
}

#[test]
fn one_thread_records_twice_while_the_slots_are_flipped_in_both_directions() {
    model(|| {
        let recorder = Recorder::new(time(1));
        let writer = {
            let recorder = Arc::clone(&recorder);
            thread::spawn(move || {
                u64::from(record_one(&recorder, 1)) + u64::from(record_one(&recorder, 1))
            })
        };
        let mut totals = rotate(&recorder, 2);
        totals.add(rotate(&recorder, 3));
        let recorded = writer.join().expect("the recording thread");
        totals.add(rotate(&recorder, 4));
        assert_eq!(totals, values_of(recorded));
    });
}

/// In one of the two directions this needs the second round of tries: slot one is still closed when it is tried, then the
/// flip opens it and closes slot two, and slot two is tried.
fn record_during_a_flip_after(earlier_flips: u64) {
    let recorder = Recorder::new(time(1));
    for _ in 0..earlier_flips {
        rotate(&recorder, 1);
    }
    let writer = {
        let recorder = Arc::clone(&recorder);
        thread::spawn(move || record_one(&recorder, 1))
    };
    let mut totals = rotate(&recorder, 2);
    let found = writer.join().expect("the recording thread");
    assert!(found, "one flip closes only one slot at a time");
    totals.add(rotate(&recorder, 3));
    assert_eq!(totals, values_of(1));
}

#[test]
fn a_thread_that_records_alone_finds_a_slot_while_slot_one_is_closed() {
    model(|| record_during_a_flip_after(0));
}

#[test]
fn a_thread_that_records_alone_finds_a_slot_while_slot_two_is_closed() {
    model(|| record_during_a_flip_after(1));
}

#[test]
fn of_two_rotations_at_a_time_one_is_refused_and_nothing_is_lost() {
    model(|| {
        let recorder = Recorder::new(time(1));
        assert!(record_one(&recorder, 1));
        let other = {
            let recorder = Arc::clone(&recorder);
            thread::spawn(move || {
                recorder
                    .flip(recorder.prepare(), time(2))
                    .map_or(Values::default(), |period| period.totals())
            })
        };
        let mut totals = recorder
            .flip(recorder.prepare(), time(2))
            .map_or(Values::default(), |period| period.totals());
        totals.add(other.join().expect("the other rotation"));
        totals.add(rotate(&recorder, 3));
        assert_eq!(totals, values_of(1));
    });
}

/// The proof for a reset, before a model makes its threads.
fn alone() -> Alone {
    // SAFETY: the thread that asks is the only one of the model so far.
    unsafe { Alone::vouch() }
}

/// Loom knows no forks: a guard that is forgotten stands for the thread that is gone.
#[test]
fn a_lock_taken_back_from_a_dead_owner_excludes_and_publishes_like_a_new_one() {
    model(|| {
        let cell = Arc::new(Guarded::new(1_u64));
        std::mem::forget(cell.try_lock());
        assert!(cell.try_lock().is_none());
        cell.reset(&alone(), 10);
        let threads = [1, 2].map(|number| {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                if number == 1 {
                    cell.lock().with(|value| *value += 1);
                    return 1;
                }
                let guard = cell.try_lock();
                guard.map_or(0, |mut guard| {
                    guard.with(|value| *value += 1);
                    1
                })
            })
        });
        let entered: u64 = threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread"))
            .sum();
        assert_eq!(cell.lock().with(|value| *value), 10 + entered);
    });
}

#[test]
fn a_recorder_that_was_reset_records_and_flips_like_a_new_one() {
    model(|| {
        let recorder = Recorder::new(time(1));
        assert!(record_one(&recorder, 1));
        rotate(&recorder, 2);
        assert!(record_one(&recorder, 1));
        recorder.reset_after_fork(&alone(), time(10));
        let writer = {
            let recorder = Arc::clone(&recorder);
            thread::spawn(move || u64::from(record_one(&recorder, 2)))
        };
        let mut totals = rotate(&recorder, 11);
        let recorded = writer.join().expect("the recording thread");
        totals.add(rotate(&recorder, 12));
        assert_eq!(totals, values_of(recorded));
        assert_eq!(recorder.statistics().recorded, recorded);
    });
}

/// The agreement between forks and native threads (`pronghorn_sync::fork::gate`), which the reset stands on.
#[test]
fn a_fork_that_was_told_that_nobody_is_inside_finds_nobody() {
    use pronghorn_sync::fork::{Forks, Inside};

    loom::model(|| {
        let all = Arc::new((Forks::new(), Inside::new(), AtomicBool::new(false)));
        let native = {
            let all = Arc::clone(&all);
            thread::spawn(move || {
                let (forks, inside, at_work) = &*all;
                inside.enter(forks);
                at_work.store(true, SeqCst);
                at_work.store(false, SeqCst);
                inside.leave();
            })
        };
        let (forks, inside, at_work) = &*all;
        let clear = forks.hold(inside, || {
            thread::yield_now();
            true
        });
        assert!(clear);
        assert!(!at_work.load(SeqCst), "forked with a thread inside");
        forks.release();
        native.join().expect("the native thread");
        assert!(!inside.any());
    });
}

/// A fork that gives up waiting goes on whatever the thread does, and the thread gets in once it is over.
#[test]
fn a_fork_that_gives_up_waiting_blocks_nobody_for_ever() {
    use pronghorn_sync::fork::{Forks, Inside};

    loom::model(|| {
        let both = Arc::new((Forks::new(), Inside::new()));
        let native = {
            let both = Arc::clone(&both);
            thread::spawn(move || {
                let (forks, inside) = &*both;
                inside.enter(forks);
                inside.leave();
            })
        };
        let (forks, inside) = &*both;
        let _clear = forks.hold(inside, || false);
        forks.release();
        native.join().expect("the native thread");
        assert!(!inside.any());
    });
}

/// What the sleeper does, until it sees that there is work.
fn sleep_until_there_is_work(parking: &Parking, work: &AtomicBool, asks_again: bool) {
    loop {
        parking.look();
        if work.load(SeqCst) {
            return;
        }
        parking.announce(Sleep::Parked);
        let begun = parking.was_stirred() || (asks_again && work.load(SeqCst));
        if begun {
            parking.withdraw();
        } else {
            parking.wait(Sleep::Parked, None);
        }
    }
}

/// The ticker's parking (`pronghorn_sync::park`): loom fails if it can sleep for ever.
#[test]
fn one_who_parks_is_woken_by_whoever_has_work() {
    loom::model(|| {
        let both = Arc::new((Parking::new(), AtomicBool::new(false)));
        let waker = {
            let both = Arc::clone(&both);
            thread::spawn(move || {
                let (parking, work) = &*both;
                work.store(true, SeqCst);
                parking.wake();
            })
        };
        let (parking, work) = &*both;
        sleep_until_there_is_work(parking, work, true);
        waker.join().expect("the waker");
    });
}

/// A thread that runs publishes nothing but its CPU clock, at which the sleeper looks before it announces itself, and not again.
#[test]
fn one_who_parks_is_woken_by_a_thread_that_runs() {
    loom::model(|| {
        let both = Arc::new((Parking::new(), AtomicBool::new(false)));
        let running = {
            let both = Arc::clone(&both);
            thread::spawn(move || {
                let (parking, clock) = &*both;
                clock.store(true, SeqCst);
                parking.unpark(false);
            })
        };
        let (parking, clock) = &*both;
        sleep_until_there_is_work(parking, clock, false);
        running.join().expect("the running thread");
    });
}
