//! When a thread is asked to resolve what it has sampled.
//!
//! Samples wait in the thread's buffer until it comes to a safe point. The ticker has V8 interrupt one that comes to none.
//!
//! Threads: the ticker. Fork: the ticker's own, whose thread does not exist in the child.

use std::sync::atomic::Ordering::Relaxed;

use crate::slot::ThreadSlot;
use crate::{buffer, interrupt, statistics};
use pronghorn_sync::fork;

/// Samples are not left unresolved for longer than this while their thread runs.
///
/// Less than from one look to the next at a thread that is left to its alarm, so that each of those asks.
const RESOLVE_AFTER_NS: u64 = 85_000_000;
/// The same while sets of labels are forgotten: samples know theirs by a number, until it is another's.
const RESOLVE_BEFORE_FORGOTTEN_NS: u64 = 20_000_000;
/// What a safe point had no time for is asked for again after this.
const NEXT_SLICE_NS: u64 = 5_000_000;
/// A thread that has left something of a slice, and has more bytes of samples than these waiting, is looked at after every interval.
const MUCH_UNFINISHED: u32 = buffer::CAPACITY / 8;

/// What the ticker knows of what one thread has to resolve.
#[derive(Default)]
pub(super) struct Resolving {
    /// Since when it has had samples to resolve, was last asked to, or was at a safe point by itself.
    unresolved_since: u64,
    /// The safe points that it had come to by itself, when it was last looked at.
    safe_points: u32,
    /// Sets of labels that had been forgotten when the thread was last asked to resolve its samples.
    forgotten: u64,
}

impl Resolving {
    /// Asks the thread to resolve what it has sampled, if it is time. Only while it runs: elsewhere it comes by itself. Whether it is to be looked at after every
    /// interval, since what it has left cannot wait.
    pub(super) fn ask(&mut self, index: usize, slot: &'static ThreadSlot, now: u64) -> bool {
        let forgotten = forgotten_sets();
        let forgets = forgotten != self.forgotten;
        if self.has_to_resolve(slot, forgotten, now) {
            let _section = fork::enter();
            self.forgotten = forgotten;
            if interrupt::request_drain(index, slot) {
                self.unresolved_since = now;
            }
        }
        self.forgotten != forgotten_sets() || Self::must_hurry(slot, forgets)
    }

    /// Whether the thread is to be looked at after every interval, for what it has left of a slice. `forgets`: sets of labels had been forgotten before it was asked.
    fn must_hurry(slot: &ThreadSlot, forgets: bool) -> bool {
        let waits = slot.buffer.used() > MUCH_UNFINISHED || slot.kept.load(Relaxed) > 0;
        slot.unfinished.load(Relaxed) && (forgets || waits)
    }

    /// Whether it is time.
    fn has_to_resolve(&mut self, slot: &ThreadSlot, forgotten: u64, now: u64) -> bool {
        let safe_points = slot.safe_points.load(Relaxed);
        let has_been_there = safe_points != self.safe_points;
        self.safe_points = safe_points;
        let used = slot.buffer.used();
        let unfinished = slot.unfinished.load(Relaxed);
        if used == 0 && !unfinished {
            self.unresolved_since = 0;
            return false;
        }
        // It comes by itself, if it has just been at one: asked as well, it would have two slices in one turn of its loop.
        if self.unresolved_since == 0 || has_been_there {
            self.unresolved_since = now;
        }
        let patience = if unfinished {
            NEXT_SLICE_NS
        } else if forgotten != self.forgotten {
            RESOLVE_BEFORE_FORGOTTEN_NS
        } else {
            RESOLVE_AFTER_NS
        };
        used > buffer::CAPACITY / 2 || now - self.unresolved_since > patience
    }
}

/// Sets of labels that have been forgotten.
fn forgotten_sets() -> u64 {
    statistics::shared().forgotten_label_sets.load(Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_a_slice_has_left_is_urgent_if_much_waits_or_v8_holds_scripts_for_it() {
        let slot = ThreadSlot::new();
        assert!(slot.map());
        slot.unfinished.store(true, Relaxed);
        assert!(!Resolving::must_hurry(&slot, false));
        assert!(Resolving::must_hurry(&slot, true), "labels are forgotten");
        slot.kept.store(1, Relaxed);
        assert!(Resolving::must_hurry(&slot, false));
        slot.unfinished.store(false, Relaxed);
        assert!(!Resolving::must_hurry(&slot, true), "nothing is left");
    }

    #[test]
    fn a_thread_is_asked_for_the_rest_of_a_slice_when_it_has_come_to_no_other_by_itself_for_5_ms() {
        let slot = ThreadSlot::new();
        assert!(slot.map());
        let mut resolving = Resolving::default();
        slot.unfinished.store(true, Relaxed);
        let mut asked = |ms: u64| {
            let asks = resolving.has_to_resolve(&slot, 0, ms * MS);
            if asks {
                resolving.unresolved_since = ms * MS;
            }
            asks
        };
        assert_eq!(
            [100, 103, 105, 106, 111, 112].map(&mut asked),
            [false, false, false, true, false, true]
        );
        // Looks further apart than that: at each.
        assert_eq!([120, 130, 140].map(&mut asked), [true; 3]);
        // It comes round by itself.
        for ms in 141..160 {
            slot.safe_points.fetch_add(1, Relaxed);
            assert!(!asked(ms), "{ms}");
        }
        assert_eq!([163, 164, 165].map(asked), [false, false, true]);
    }
}
