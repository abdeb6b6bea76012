//! What is counted from a start to a stop but not in passing: bad loads, whose counter lives as long as the process, and what a stop has left in the buffers.
//!
//! Threads: the controlling one writes, any reads; the lock is held for a copy. Fork: a child counts bad loads from the reset on, and nothing was left behind in it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pronghorn_sync::{Alone, Guarded, Resettable};

use super::LeftBehind;

/// What is set at a session's ends only.
pub(super) struct Ends {
    /// What the process had counted of bad loads when this began: that counter lives as long as the process.
    pub(super) faults_before: AtomicU64,
    /// What the last stop left in the buffers. Its lock is held for a copy.
    pub(super) left_behind: Guarded<Vec<LeftBehind>>,
}

impl Ends {
    const fn new() -> Self {
        Self {
            faults_before: AtomicU64::new(0),
            left_behind: Guarded::new(Vec::new()),
        }
    }

    /// What a child starts with: bad loads are counted from here.
    fn inherited(&self) -> Self {
        let Self {
            faults_before: _,
            left_behind: _,
        } = self;
        Self {
            faults_before: AtomicU64::new(pronghorn_v8::fault::fixups()),
            ..Self::new()
        }
    }

    fn clear(&self) {
        let Self {
            faults_before,
            left_behind,
        } = self;
        faults_before.store(pronghorn_v8::fault::fixups(), Relaxed);
        left_behind.lock().with(Vec::clear);
    }
}

pub(super) static ENDS: Resettable<Ends> = Resettable::new(Ends::new());

/// Keeps what a stop could not resolve, for `snapshot`.
pub(crate) fn set_left_behind(left: &[LeftBehind]) {
    ENDS.get()
        .left_behind
        .lock()
        .with(|place| *place = left.to_vec());
}

/// For a start.
pub(super) fn clear() {
    ENDS.get().clear();
}

/// In a forked process, step two.
pub(super) fn reset_after_fork(alone: &Alone) {
    let fresh = ENDS.get().inherited();
    ENDS.reset(alone, fresh);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_leaves_nothing_of_a_sessions_ends() {
        let ends = Ends::new();
        ends.faults_before.store(u64::MAX, Relaxed);
        let left = LeftBehind {
            thread_id: 7,
            thread_name: "main".to_owned(),
            samples: 7,
        };
        ends.left_behind.lock().with(|all| all.push(left));
        // Held by a thread that is gone.
        std::mem::forget(ends.left_behind.lock());

        let Ends {
            faults_before,
            left_behind,
        } = ends.inherited();
        // The counter that goes on is counted from here.
        assert_eq!(faults_before.load(Relaxed), pronghorn_v8::fault::fixups());
        assert!(left_behind.lock().with(|all| all.is_empty()));
    }
}
