//! What a fork makes of a recorder: a new one, in the place of the parent's.
//!
//! # What is reset
//! All of it. The one struct is taken apart without `..`, and each of its fields replaced whole by what [`Recorder::new`]
//! puts there, so a field that is added does not compile until somebody has decided about it.
//!
//! # What becomes of the old
//! It is abandoned. The parent's periods, wherever they were at the instant of the fork (in a slot, half moved by a flip, in a
//! [`FinishedPeriod`](crate::FinishedPeriod) on its way through the encoder), lie in mappings that are found by a table and
//! unmapped without being looked into. No destructor of theirs runs, then or later: guards, periods and prepared data know
//! which generation they belong to.
//!
//! # Threads
//! One, by the proof that it takes. Nobody records, flips or serializes; those who did are gone.

use std::sync::atomic::Ordering;

use pronghorn_sync::mapping::{Kind, unmap_inherited};
use pronghorn_sync::{Alone, fork};

use super::{Period, PreparedCapacity, Recorder, Rotation};
use crate::Moment;
use crate::slot::SlotData;
use crate::statistics::Statistics;

impl Recorder {
    /// After a fork, in the child, before anything records: slot one open and active, slot two closed, both with fresh periods that
    /// start at `reading`, no rotation in progress, nothing counted. A call into the recorder that a handler interrupted
    /// with a fork must have returned.
    ///
    /// May be repeated, when a later step of the reset has failed: then what the earlier call put there is given back. The
    /// parents' slots are unmapped for all recorders of the process, so none of them may be used without a reset of its own.
    pub fn reset_after_fork(&self, alone: &Alone, reading: impl Into<Moment>) {
        let reading = reading.into();
        self.give_back();
        unmap_inherited(Kind::Slot, alone);
        let Self {
            slots: [one, two],
            rotation,
            capacity,
            statistics,
            generation,
        } = self;
        one.reset(alone, Period::first(reading.real()));
        let inactive = two.reset_locked(alone, Period::closed(reading.real()));
        rotation.reset(alone, Rotation::first(inactive, reading));
        capacity.reset(alone, PreparedCapacity::new());
        statistics.reset(alone, Statistics::new());
        generation.store(fork::generation(), Ordering::Relaxed);
    }

    /// Gives the memory of an open slot back, if it is this process's own: nothing is to be recorded any more, and what is finds the
    /// slot full. For a recorder that may never be dropped: after a fork those of the parent's owners who were abandoned
    /// still count as its owners.
    pub fn give_back(&self) {
        if self.generation.load(Ordering::Relaxed) != fork::generation() {
            return;
        }
        for slot in &self.slots {
            if let Some(mut guard) = slot.try_lock() {
                guard.with(|period| period.data = SlotData::placeholder());
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // A guard that a reset abandoned still counts as an owner of its slot, which so would never be freed.
        self.give_back();
    }
}
