//! What a fork must know of the work that we give to libuv's thread pool through Node.
//!
//! Before a pool thread begins the first such work of a process, Node asks V8 whether anybody traces it, under a lock of V8's, and keeps the answer
//! (`ThreadPoolWork::ScheduleWork` in src/threadpoolwork-inl.h; Node 20 to 26). A child of a fork in that moment has the lock with nobody to release
//! it: all that Node gives its pool there waits for ever. Whoever else had work in the pool before is not known, so until the first of ours
//! has begun a fork waits for it, as for a native thread; past the bound the child does without the pool.
//!
//! # Threads
//! [`Work`] is made on a JavaScript thread, begins on one of the pool's, and is dropped on either. The prepare handler reads, on whichever thread forks.
//!
//! # Orderings
//! The handler has to see the end of what Node does before [`Work::begins`]: release there, acquire here.
//!
//! # Fork
//! The child handler looks at what it finds, and remembers it for good: the lock stays as it is, in the child's children too. Work of the parent's never
//! begins there, and must not be dropped.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};

// Fork: kept; what Node knows the child's Node knows.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
// Fork: zero, by the child handler.
static WAITING: AtomicU32 = AtomicU32::new(0);
// Fork: set by the child handler.
static CAUGHT: AtomicBool = AtomicBool::new(false);

/// Work on its way to the pool, until it begins or is given up.
#[must_use = "it is on its way until this is dropped"]
#[derive(Debug)]
pub struct Work(());

/// Work is about to be given to the pool.
pub fn give() -> Work {
    WAITING.fetch_add(1, Relaxed);
    Work(())
}

impl Work {
    /// On the pool's thread: first of all.
    pub fn begins(self) {
        HAS_BEGUN.store(true, Release);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Release);
    }
}

/// Whether a thread of the pool may hold a lock that a child needs.
pub(super) fn may_hold_a_lock() -> bool {
    !HAS_BEGUN.load(Acquire) && WAITING.load(Acquire) != 0
}

/// In the child handler.
pub(super) fn note_in_child() {
    if may_hold_a_lock() {
        CAUGHT.store(true, Relaxed);
    }
    WAITING.store(0, Relaxed);
}

/// Whether a fork on the way to this process may have caught a thread of the pool with that lock.
#[must_use]
pub fn was_caught() -> bool {
    CAUGHT.load(Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_has_not_begun_is_in_the_way_until_some_has() {
        let caught = give();
        note_in_child();
        assert!(was_caught() && !may_hold_a_lock());
        std::mem::forget(caught);
        assert!(!may_hold_a_lock());
        let given_up = give();
        assert!(may_hold_a_lock());
        drop(given_up);
        assert!(!may_hold_a_lock());
        let (first, second) = (give(), give());
        assert!(may_hold_a_lock());
        first.begins();
        // Whatever waits now finds the answer.
        assert!(!may_hold_a_lock());
        drop(second);
        assert_eq!(WAITING.load(Relaxed), 0);
    }
}
