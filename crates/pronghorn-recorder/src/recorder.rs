//! The recorder: two slots, each behind its own lock, and the protocol between them, from top to bottom.
//!
//! # The slots
//! ```text
//!               slot one           slot two
//!  at first     open, active       closed, empty
//!  recording    try one, then two, then both once more; never wait
//!  flip         open, active  ──►  gets fresh data prepared before, and is opened      (both are open now)
//!               is closed, waiting for whoever is inside; its data is taken out
//!               closed, empty      open, active
//!  next flip    the same, the other way round
//! ```
//!
//! # Invariants
//! 1. Whoever touches a slot holds its lock ([`Guarded`] sees to it). A recording thread holds one for the
//!    few microseconds of a batch; a rotation holds the inactive one from flip to flip.
//! 2. An open slot always holds a period that has begun: data are put in before the lock is opened, taken out after it is
//!    closed. So a sample is recorded into exactly one period, in whole, and no period that is being read is written to.
//! 3. Data is replaced, never cleared in place: a period's tables are allocated before any lock is taken, moved out when
//!    the period ends, and freed by whoever serialized them.
//! 4. There is one rotation at a time, from its flip until its [`FinishedPeriod`] is gone.
//!
//! # The moment when both are open
//! Between opening the new slot and closing the old one, recording threads may use either. A sample recorded into the
//! old one then belongs to the period that is about to finish, since its data is not taken before the lock is held. A
//! recording thread can find both slots taken only if others are inside; trying twice makes that rarer, because a flip may
//! have opened slot one after it was tried. If it finds none it keeps its samples: nothing is lost, they come later.
//!
//! # Times
//! A flip has one boundary: the finish of the old period and the start of the new one, so profiles neither overlap
//! nor leave a gap. A period's length is that of the monotonic clock, so its finish is its start and that; only where the real-time clock has jumped
//! meanwhile the new period starts at the caller's reading of it instead ([`Moment`]). A slot gets its start when it becomes active and not when the one before
//! is serialized.
//!
//! # Locks and their order
//! `rotation`, then a slot; never two slots at once. Recording threads take one slot and nothing else. Only
//! [`Recorder::flip`] waits, for a thread inside a batch, and it is next in line.
//!
//! # Orderings
//! All in [`RawLock`](pronghorn_sync::RawLock): unlocking publishes what was recorded, locking sees it. tests/loom.rs
//! runs this code through every interleaving of two recording threads, a flip and a serialize.
//!
//! # Fork
//! In the child a slot may be locked by a thread that is gone, and its tables be torn. [`Recorder::reset_after_fork`]
//! (recorder/reset.rs) makes the recorder a new one in place, and abandons what was there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use pronghorn_sync::{Guard, Guarded, OwnedGuard, Resettable, failpoint, fork};

use crate::finished_period::FinishedPeriod;
use crate::slot::{Capacity, HashedSample, SlotData};
use crate::statistics::Statistics;
use crate::{Moment, ProfileTime, RecordError, RotationInProgress, Sample, StatisticsSnapshot};

/// How many samples are recorded each time a slot is taken: it bounds the time the lock is held.
const BATCH: usize = 16;

#[cfg(feature = "failpoints")]
mod inspection;
mod reset;

#[cfg(feature = "failpoints")]
pub use inspection::{Inspection, SlotInspection};

/// Collects samples of any number of threads in one of two slots, and hands over one period after the other.
///
/// A fork resets all of it, field by field, each one whole: reset.rs.
pub struct Recorder {
    slots: [Arc<Guarded<Period>>; 2],
    rotation: Arc<Guarded<Rotation>>,
    capacity: Resettable<PreparedCapacity>,
    statistics: Resettable<Statistics>,
    /// The process that the content belongs to.
    generation: AtomicU32,
}

/// What a slot holds.
struct Period {
    start: ProfileTime,
    data: SlotData,
}

/// The state of the flips, and the hold on the inactive slot.
pub(crate) struct Rotation {
    inactive: OwnedGuard<Period>,
    /// The slot that is open.
    active: usize,
    /// When the active slot's period began.
    start: Moment,
}

/// How large the last period was, for preparing the next. Only a hint: a wrong number costs time, nothing else.
struct PreparedCapacity {
    frames: AtomicUsize,
    stacks: AtomicUsize,
    stored_frames: AtomicUsize,
}

impl Recorder {
    /// A recorder whose first period starts `now`: slot one open and active, slot two closed.
    #[must_use]
    pub fn new(now: impl Into<Moment>) -> Arc<Self> {
        let now = now.into();
        let first = Guarded::new(Period::first(now.real()));
        let (second, inactive) = Guarded::new_locked(Period::closed(now.real()));
        Arc::new(Self {
            slots: [Arc::new(first), second],
            rotation: Arc::new(Guarded::new(Rotation::first(inactive, now))),
            capacity: Resettable::new(PreparedCapacity::new()),
            statistics: Resettable::new(Statistics::new()),
            generation: AtomicU32::new(fork::generation()),
        })
    }

    /// Records samples, in their order, 16 each time it takes a slot. Never waits; from any thread.
    ///
    /// `samples` is only asked for the next one while no slot is held. Not for signal handlers: it may allocate.
    ///
    /// # Errors
    /// The error says how many samples from the first are recorded; the rest is not, and stays with the caller.
    pub fn record<'s>(
        &self,
        samples: impl IntoIterator<Item = Sample<'s>>,
    ) -> Result<(), RecordError> {
        let statistics = self.counters();
        let mut samples = samples.into_iter().map(HashedSample::new);
        let mut recorded = 0;
        loop {
            let mut batch = [None; BATCH];
            for (place, sample) in batch.iter_mut().zip(&mut samples) {
                *place = Some(sample);
            }
            if batch[0].is_none() {
                return Ok(());
            }
            let Some(mut slot) = self.free_slot() else {
                return Err(RecordError::NoSlotFree { recorded });
            };
            slot.with(|period| {
                failpoint!("recorder-lock");
                for sample in batch.iter().flatten() {
                    period
                        .data
                        .record(sample)
                        .map_err(|_full| RecordError::SlotFull { recorded })?;
                    recorded += 1;
                    statistics.note_recorded(sample.sample.values.count);
                }
                Ok(())
            })?;
        }
    }

    /// Takes whichever slot is free: one, then two, then both once more, since a flip may lie in between.
    fn free_slot(&self) -> Option<Guard<'_, Period>> {
        let [one, two] = &self.slots;
        [one, two, one, two]
            .into_iter()
            .find_map(|slot| slot.try_lock())
    }

    /// Counts samples that a caller gave up, because its own buffer was full.
    pub fn note_dropped(&self, samples: u64) {
        self.counters().note_dropped(samples);
    }

    /// Allocates a slot's data for the next [`Recorder::flip`], about as large as the last period's was.
    #[must_use]
    pub fn prepare(&self) -> SlotData {
        SlotData::with_capacity(self.capacity.get().get())
    }

    /// Ends the current period and begins the next one, off the main thread.
    ///
    /// `fresh` comes from [`Recorder::prepare`]; `now` are the clocks, read just before. Waits for a thread that is
    /// recording a batch: microseconds, unless it is preempted.
    ///
    /// # Errors
    /// [`RotationInProgress`] if the [`FinishedPeriod`] of another flip still exists; nothing has changed then.
    pub fn flip(
        self: &Arc<Self>,
        fresh: SlotData,
        now: impl Into<Moment>,
    ) -> Result<FinishedPeriod, RotationInProgress> {
        let mut rotation = self.rotation.try_lock_owned().ok_or(RotationInProgress)?;
        let fresh = if fresh.is_inherited() {
            self.prepare()
        } else {
            fresh
        };
        let now = now.into();
        let (finished, finish) = rotation.with(|rotation| {
            let (finish, next) = rotation.start.period_until(now);
            // 1. The inactive slot is closed, and ours. What is left in it is the placeholder of an earlier flip.
            let opened = Period {
                start: next.real(),
                data: fresh,
            };
            rotation.inactive.with(|period| *period = opened);
            failpoint!("mid-ready");
            // 2. It is opened, and both are; 3. the active one is closed, once nobody is inside.
            rotation.inactive.move_to(&self.slots[rotation.active]);
            // 4. What it collected is taken out; it stays closed until the next flip.
            let finished = rotation
                .inactive
                .with(|period| std::mem::replace(period, Period::closed(next.real())));
            rotation.active = 1 - rotation.active;
            rotation.start = next;
            (finished, finish)
        });
        self.capacity.get().set(finished.data.used());
        Ok(FinishedPeriod::new(
            Arc::clone(self),
            rotation,
            finished.data,
            finished.start,
            finish,
        ))
    }

    /// What was counted since this recorder was made.
    #[must_use]
    pub fn statistics(&self) -> StatisticsSnapshot {
        self.counters().snapshot()
    }

    /// Where it is counted.
    pub(crate) fn counters(&self) -> &Statistics {
        self.statistics.get()
    }
}

impl Period {
    /// What the active slot begins with.
    fn first(start: ProfileTime) -> Self {
        Self {
            start,
            data: SlotData::with_capacity(Capacity::DEFAULT),
        }
    }

    /// What stands in the slot that is closed.
    fn closed(start: ProfileTime) -> Self {
        Self {
            start,
            data: SlotData::placeholder(),
        }
    }
}

impl Rotation {
    /// Slot one is active; `inactive` holds slot two.
    fn first(inactive: OwnedGuard<Period>, start: Moment) -> Self {
        Self {
            inactive,
            active: 0,
            start,
        }
    }
}

impl PreparedCapacity {
    fn new() -> Self {
        let Capacity {
            frames,
            stacks,
            stored_frames,
        } = Capacity::DEFAULT;
        Self {
            frames: AtomicUsize::new(frames),
            stacks: AtomicUsize::new(stacks),
            stored_frames: AtomicUsize::new(stored_frames),
        }
    }

    fn get(&self) -> Capacity {
        Capacity {
            frames: self.frames.load(Ordering::Relaxed),
            stacks: self.stacks.load(Ordering::Relaxed),
            stored_frames: self.stored_frames.load(Ordering::Relaxed),
        }
    }

    /// A quarter more than was used, and never less than the default.
    fn set(&self, used: Capacity) {
        let room = |used: usize, least: usize| (used + used / 4).max(least);
        self.frames.store(
            room(used.frames, Capacity::DEFAULT.frames),
            Ordering::Relaxed,
        );
        self.stacks.store(
            room(used.stacks, Capacity::DEFAULT.stacks),
            Ordering::Relaxed,
        );
        self.stored_frames.store(
            room(used.stored_frames, Capacity::DEFAULT.stored_frames),
            Ordering::Relaxed,
        );
    }
}

#[cfg(test)]
mod tests;
