//! Shared by the tests that fork: what they record, and what a child does after its fork.

#![allow(dead_code, reason = "not every test file uses every helper")]

use std::cell::Cell;
use std::sync::Arc;

use pronghorn_recorder::{
    FinishedPeriod, Frame, Function, NoSymbols, ProfileInfo, RecordError, Recorder,
};
use pronghorn_sync::fork;

use crate::forks::{alone, wait_until};
use crate::support::{Decoded, decode, function, sample, script, thread, time, values};

/// The reset's clock reading.
pub(crate) const READING: u64 = 5_000;

/// Records `count` samples of as many stacks of the process's own functions.
pub(crate) fn record(recorder: &Recorder, of: &str, count: u32) {
    record_stacks(recorder, of, &function(of, "app.js", 1), count);
}

/// The same with a function that the caller has, so that the stacks are those of the call before; however often it has to come back. Gives up
/// when a fork has made this process another one.
pub(crate) fn record_stacks(recorder: &Recorder, of: &str, function: &Arc<Function>, count: u32) {
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

pub(crate) fn flip(recorder: &Arc<Recorder>, now: u64) -> FinishedPeriod {
    recorder
        .flip(recorder.prepare(), time(now))
        .expect("no other rotation")
}

pub(crate) fn rotate(recorder: &Arc<Recorder>, now: u64) -> Decoded {
    let profile = flip(recorder, now)
        .serialize(&mut NoSymbols, &ProfileInfo::default())
        .expect("a profile");
    decode(&profile.data)
}

/// A recorder with that slot active.
pub(crate) fn with_active(slot: usize) -> Arc<Recorder> {
    let recorder = Recorder::new(time(1));
    for number in 0..slot {
        drop(flip(&recorder, 2 + number as u64));
    }
    assert_eq!(recorder.inspect().active, Some(slot));
    recorder
}

/// In the child: resets, finds a recorder like a new one, and uses it.
pub(crate) fn reset_and_use(recorder: &Arc<Recorder>) {
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
