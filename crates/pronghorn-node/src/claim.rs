//! One rotation at a time: whoever ends a period claims it first, until its profile is there or lost.
//!
//! Threads: claimed on JavaScript threads and on the watcher of signals, given back on the thread that makes the profile. Acquire and release, so that a claim
//! sees what the rotation before it has done. Fork: a rotation of the parent's does not go on in the child; the reset replaces the word, and the parent's
//! claim, which may be dropped in the child, does not give the child's back.

use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::time::Duration;

use pronghorn_sampler::clock;
use pronghorn_sampler::settle::{self, Extent};
use pronghorn_sync::{Alone, Resettable};

use crate::error::{Code, Failure};
use crate::fork::OwnProcess;
use crate::source_maps;

static TAKEN: Resettable<AtomicBool> = Resettable::new(AtomicBool::new(false));

/// The right to rotate, for as long as this lives.
pub(crate) struct Claim {
    pub(crate) process: OwnProcess,
}

impl Claim {
    /// Fails where a rotation, or the flush of a stop, is under way.
    pub(crate) fn new(process: OwnProcess) -> Result<Self, Failure> {
        if TAKEN.get().swap(true, Acquire) {
            return Err(Failure::new(
                Code::RotationInProgress,
                "a rotation is in progress",
            ));
        }
        Ok(Self { process })
    }

    /// [`Claim::new_by`] on a JavaScript thread: what a rotation under way still waits for of its own is resolved first.
    pub(crate) fn new_here_by(process: OwnProcess, deadline: u64) -> Result<Self, Failure> {
        process.check()?;
        if !settle::has_all() {
            settle::go_on(Extent::Whole);
        }
        Self::new_by(process, deadline)
    }

    /// Waits for a rotation that is under way, which then waits for no source map, until `deadline` (monotonic).
    pub(crate) fn new_by(process: OwnProcess, deadline: u64) -> Result<Self, Failure> {
        let claimed = loop {
            process.check()?;
            match Self::new(process) {
                Err(failure) if clock::monotonic_ns() > deadline => break Err(failure),
                Err(_) => {
                    source_maps::set_hurry(true);
                    std::thread::sleep(Duration::from_millis(1));
                }
                claimed => break claimed,
            }
        };
        source_maps::set_hurry(false);
        claimed
    }

    /// Never gives it back: nothing shall come after it.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Claim {
    /// The rotation's profile is there, or lost. In a child it was the parent's, and the child's own is not given up.
    fn drop(&mut self) {
        if self.process.is_here() {
            TAKEN.get().store(false, Release);
        }
    }
}

/// Whether a rotation is under way.
pub(crate) fn is_taken() -> bool {
    TAKEN.get().load(Acquire)
}

/// In a forked process: none is.
pub(crate) fn reset_after_fork(alone: &Alone) {
    TAKEN.reset(alone, AtomicBool::new(false));
}
