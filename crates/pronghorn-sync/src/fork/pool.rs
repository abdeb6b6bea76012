//! What a fork must know of the work that we give to libuv's thread pool through Node.
//!
//! Before and after the first such work of a process, Node asks V8 on the pool's thread whether anybody traces it, under a lock of V8's, and keeps both
//! answers (`ThreadPoolWork::ScheduleWork` in src/threadpoolwork-inl.h; Node 20 to 26). A child of a fork in such a moment has the lock with nobody to
//! release it: all that Node gives its pool there waits for ever. Whoever else had work in the pool before is not known, so until the first of ours has come
//! back a fork waits while any of ours is on its way there or back, as for a native thread; past the bound the child does without the pool.
//!
//! # Threads
//! [`Work`] is made on a JavaScript thread, begins and ends on one of the pool's, and is dropped on the JavaScript thread again. The prepare handler
//! reads, on whichever thread forks.
//!
//! # Orderings
//! The handler has to see what Node has done before a count goes down: release there, acquire here.
//!
//! # Fork
//! The child handler looks at what it finds, and remembers it for good: the lock stays as it is, in the child's children too. Work of the parent's goes on
//! nowhere in the child, and must not be dropped there.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};

// Fork: kept; what Node knows the child's Node knows.
static IS_BACK: AtomicBool = AtomicBool::new(false);
// Fork: zero, by the child handler.
static ON_ITS_WAY: AtomicU32 = AtomicU32::new(0);
// Fork: set by the child handler.
static CAUGHT: AtomicBool = AtomicBool::new(false);

/// Work for the pool, until it is back, or is given up.
#[must_use = "it is on its way until this is dropped"]
#[derive(Debug)]
pub struct Work {
    is_on_its_way: bool,
    has_ended: bool,
}

/// Work is about to be given to the pool.
pub fn give() -> Work {
    ON_ITS_WAY.fetch_add(1, Relaxed);
    Work {
        is_on_its_way: true,
        has_ended: false,
    }
}

impl Work {
    /// On the pool's thread: first of all.
    pub fn begins(&mut self) {
        self.is_on_its_way = false;
        ON_ITS_WAY.fetch_sub(1, Release);
    }

    /// On the pool's thread: last of all.
    pub fn ends(&mut self) {
        ON_ITS_WAY.fetch_add(1, Relaxed);
        self.is_on_its_way = true;
        self.has_ended = true;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.has_ended {
            IS_BACK.store(true, Release);
        }
        if self.is_on_its_way {
            ON_ITS_WAY.fetch_sub(1, Release);
        }
    }
}

/// Whether a thread of the pool may hold a lock that a child needs.
pub(super) fn may_hold_a_lock() -> bool {
    !IS_BACK.load(Acquire) && ON_ITS_WAY.load(Acquire) != 0
}

/// In the child handler.
pub(super) fn note_in_child() {
    if may_hold_a_lock() {
        CAUGHT.store(true, Relaxed);
    }
    ON_ITS_WAY.store(0, Relaxed);
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
    fn work_is_in_the_way_while_it_comes_and_goes_until_some_is_back() {
        let caught = give();
        note_in_child();
        assert!(was_caught() && !may_hold_a_lock());
        std::mem::forget(caught);
        assert!(!may_hold_a_lock());
        let given_up = give();
        assert!(may_hold_a_lock());
        drop(given_up);
        assert!(!may_hold_a_lock());
        let mut first = give();
        first.begins();
        assert!(!may_hold_a_lock(), "it is at work");
        first.ends();
        assert!(may_hold_a_lock());
        let second = give();
        drop(first);
        // Whatever comes now finds both answers.
        assert!(!may_hold_a_lock());
        drop(second);
        assert_eq!(ON_ITS_WAY.load(Relaxed), 0);
    }
}
