//! What tests see of a recorder from outside: its locks, its slots, its figures. Not in a build that is shipped.

use std::sync::atomic::Ordering;

use pronghorn_sync::fork;

use super::{Period, Recorder, Rotation};
use crate::{ProfileTime, StatisticsSnapshot};

/// The whole state of a recorder. What somebody holds at this moment is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Which slots are locked.
    pub locked: [bool; 2],
    /// What the slots hold; `None` if somebody is inside.
    pub slots: [Option<SlotInspection>; 2],
    /// Whether a rotation is in progress.
    pub rotating: bool,
    /// The slot that is active; `None` during a rotation.
    pub active: Option<usize>,
    /// When the active slot's period began; `None` during a rotation.
    pub start: Option<ProfileTime>,
    /// Frames, stacks and stored frames that the next slot is prepared for.
    pub capacity: [usize; 3],
    /// What was counted.
    pub statistics: StatisticsSnapshot,
    /// Whether the content belongs to this process, and not to one that it was forked off from.
    pub is_own: bool,
}

/// What one slot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotInspection {
    /// When its period began; for the closed slot, when the last one ended.
    pub start: ProfileTime,
    /// Threads that have samples in it.
    pub threads: usize,
    /// Distinct frames.
    pub frames: usize,
    /// Distinct stacks.
    pub stacks: usize,
    /// The samples' count.
    pub samples: u64,
}

impl SlotInspection {
    fn of(period: &mut Period) -> Self {
        let Period { start, data } = period;
        Self {
            start: *start,
            threads: data.threads().len(),
            frames: data.frames().len(),
            stacks: data.stacks().count(),
            samples: data.totals().count,
        }
    }
}

impl Recorder {
    /// Looks at everything without waiting. For tests; in a process that was forked off and not reset it takes locks of the
    /// parent's that are free, for the moment.
    #[must_use]
    pub fn inspect(&self) -> Inspection {
        let Self {
            slots,
            rotation,
            capacity,
            statistics,
            generation,
        } = self;
        let locked = [0, 1].map(|slot| slots[slot].is_locked());
        let rotating = rotation.is_locked();
        let mut contents =
            [0, 1].map(|slot| Some(slots[slot].try_lock()?.with(SlotInspection::of)));
        let (mut active, mut start) = (None, None);
        if let Some(mut guard) = rotation.try_lock() {
            guard.with(|rotation| {
                let Rotation {
                    inactive,
                    active: open,
                    start: began,
                } = rotation;
                (active, start) = (Some(*open), Some(began.real()));
                contents[1 - *open] = Some(inactive.with(SlotInspection::of));
            });
        }
        let prepared = capacity.get().get();
        Inspection {
            locked,
            slots: contents,
            rotating,
            active,
            start,
            capacity: [prepared.frames, prepared.stacks, prepared.stored_frames],
            statistics: statistics.get().snapshot(),
            is_own: generation.load(Ordering::Relaxed) == fork::generation(),
        }
    }
}
