//! A lock that is one atomic word.
//!
//! # Why not `std::sync::Mutex`
//! Two visitors break a mutex here. A *signal handler* can interrupt the very thread that holds it, and would wait for
//! ever. A *fork* leaves only the forking thread alive: a mutex held by any other thread stays locked in the child, and
//! nothing in its interface can take it back. This lock is a plain word without a queue of waiters or an owner, so trying
//! it is one instruction that never waits, and giving it a new state in a child is one store.
//!
//! # Protocol
//! The word holds two bits. `LOCKED`: somebody is inside. `WANTED`: a thread waits in [`RawLock::lock`]; whoever only
//! tries, fails until that thread had its turn, so threads that try again and again cannot keep it waiting.
//!
//! ```text
//! try_lock   0               -> LOCKED          only from exactly 0
//! lock       sets WANTED, then WANTED -> LOCKED
//! unlock     clears LOCKED, leaves WANTED
//! ```
//!
//! Zero is the unlocked state, so zeroed memory holds an open lock.
//!
//! # Threads and signal handlers
//! `try_lock` and `unlock` are async-signal-safe: one read-modify-write each. A handler that interrupts the owner and
//! tries again is told `false`. `lock` must never be called from a handler: it may wait for the thread that the handler
//! interrupted. Nothing checks that the thread that unlocks is the one that locked: a guard may move between threads.
//!
//! # Orderings
//! Locking is `Acquire` and unlocking is `Release`, so whatever was written inside is seen by the next one inside. Setting
//! `WANTED` is `Relaxed`: it publishes nothing. Every operation between two owners is a read-modify-write, so a waiter's
//! `WANTED` written after an unlock continues that unlock's release sequence and does not hide it.
//!
//! # Fork
//! The word is copied as it stands: held, if any thread held it, wanted, if any thread waited. The child must not wait
//! for it; [`RawLock::reset`] gives it a new state instead, by one store, while there is one thread. Threads
//! made after that see the store because making a thread publishes everything before it.
//!
//! # Drawbacks
//! No fairness among those that try, no owner to blame, no recursion, and a waiter that sleeps in steps of 50 µs once the
//! short waits are used up. It is good for critical sections of microseconds with at most one waiting thread.

use crate::fork;
use crate::primitives::{AtomicU32, Ordering, wait_step};

const UNLOCKED: u32 = 0;
const LOCKED: u32 = 1;
const WANTED: u32 = 2;

/// What an unlock publishes. The weakened build publishes nothing: loom has to notice.
#[cfg(not(pronghorn_weakened))]
const UNLOCK: Ordering = Ordering::Release;
#[cfg(pronghorn_weakened)]
const UNLOCK: Ordering = Ordering::Relaxed;

/// A lock of one word, without data, queue or owner. See the module's description.
#[repr(transparent)]
pub struct RawLock {
    word: AtomicU32,
}

impl RawLock {
    /// A lock that is open.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new_unlocked() -> Self {
        Self {
            word: AtomicU32::new(UNLOCKED),
        }
    }

    /// A lock that its creator holds already.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new_locked() -> Self {
        Self {
            word: AtomicU32::new(LOCKED),
        }
    }

    /// A lock that is open. (loom's atomics cannot be made in a constant.)
    #[cfg(loom)]
    #[must_use]
    pub fn new_unlocked() -> Self {
        Self {
            word: AtomicU32::new(UNLOCKED),
        }
    }

    /// A lock that its creator holds already. (loom's atomics cannot be made in a constant.)
    #[cfg(loom)]
    #[must_use]
    pub fn new_locked() -> Self {
        Self {
            word: AtomicU32::new(LOCKED),
        }
    }

    /// Takes the lock if nobody holds it and nobody waits for it; true means it is now the caller's to unlock.
    ///
    /// Never waits and never fails for any other reason. Async-signal-safe.
    #[must_use]
    pub fn try_lock(&self) -> bool {
        self.word
            .compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the lock, waiting until its owner lets go: a busy wait, then `sched_yield`, then sleeps of 50 µs.
    ///
    /// Only for the thread that rotates. It is next in line, whoever else tries. Never from a signal handler, and
    /// never by the owner itself: both would wait for ever.
    pub fn lock(&self) {
        // A handler of this very thread may fork while it waits: whoever held the lock does not exist in that child, and nobody else
        // does, so it goes on as the holder.
        self.lock_unless(fork::forked);
    }

    /// The same until `give_up` says so, which is asked before each step of waiting; false then. Whoever gives up still
    /// counts as waiting, so this is for a process in which nobody uses the lock any more before it is reset.
    pub(crate) fn lock_unless(&self, mut give_up: impl FnMut() -> bool) -> bool {
        let mut step = 0;
        loop {
            let before = self.word.fetch_or(WANTED, Ordering::Relaxed);
            if before & LOCKED == 0
                && self
                    .word
                    .compare_exchange(WANTED, LOCKED, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return true;
            }
            if give_up() {
                return false;
            }
            wait_step(step);
            step = step.saturating_add(1);
        }
    }

    /// Opens the lock. Only for whoever took it. Async-signal-safe.
    pub fn unlock(&self) {
        let before = self.word.fetch_and(!LOCKED, UNLOCK);
        debug_assert!(before & LOCKED != 0, "unlocked a lock that nobody held");
    }

    /// Gives the lock the state of [`RawLock::new_unlocked`], whoever held it or waited for it. One store.
    ///
    /// Only in a forked process, where those threads are gone, before anybody uses the lock again. A guard of the
    /// parent's that this process still has must not unlock any more; [`crate::Guarded`]'s see to that themselves.
    pub fn reset(&self) {
        self.word.store(UNLOCKED, Ordering::Release);
    }

    /// Gives the lock the state of [`RawLock::new_locked`], likewise: it is the caller's to unlock. One store.
    pub fn reset_locked(&self) {
        self.word.store(LOCKED, Ordering::Release);
    }

    /// Whether somebody is inside at this moment: for statistics and tests. It may be wrong by the time it is read.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.word.load(Ordering::Relaxed) & LOCKED != 0
    }

    /// Waits like [`RawLock::lock`]; the guard unlocks when it is dropped.
    pub fn guard(&self) -> RawLockGuard<'_> {
        self.lock();
        RawLockGuard { lock: self }
    }

    /// Like [`RawLock::try_lock`], with a guard that unlocks when it is dropped, during a panic too.
    #[must_use]
    pub fn try_guard(&self) -> Option<RawLockGuard<'_>> {
        // `then`, not `then_some`: that one would build the guard either way, and drop it, which unlocks.
        self.try_lock().then(|| RawLockGuard { lock: self })
    }
}

/// Holds a [`RawLock`] and unlocks it when dropped.
#[must_use = "dropping the guard unlocks at once"]
pub struct RawLockGuard<'lock> {
    lock: &'lock RawLock,
}

impl Drop for RawLockGuard<'_> {
    fn drop(&mut self) {
        self.lock.unlock();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64};

    use super::*;

    static IN_A_STATIC: RawLock = RawLock::new_locked();

    #[test]
    fn a_lock_is_as_it_was_made() {
        assert!(IN_A_STATIC.is_locked());
        assert!(!IN_A_STATIC.try_lock());
        let open = RawLock::new_unlocked();
        assert!(!open.is_locked());
        assert!(open.try_lock());
    }

    #[test]
    fn only_one_try_succeeds_until_the_lock_is_opened() {
        let lock = RawLock::new_unlocked();
        assert!(lock.try_lock());
        assert!(!lock.try_lock());
        assert!(lock.is_locked());
        lock.unlock();
        assert!(!lock.is_locked());
        assert!(lock.try_lock());
    }

    #[test]
    fn a_guard_unlocks_when_dropped_and_a_failed_try_unlocks_nothing() {
        let lock = RawLock::new_unlocked();
        let guard = lock.try_guard();
        assert!(guard.is_some());
        assert!(lock.try_guard().is_none());
        assert!(lock.is_locked());
        drop(guard);
        assert!(!lock.is_locked());
    }

    #[test]
    fn a_reset_forgets_whoever_held_the_lock_or_waited_for_it() {
        for before in [UNLOCKED, LOCKED, WANTED, LOCKED | WANTED] {
            let lock = RawLock::new_unlocked();
            lock.word.store(before, Ordering::Relaxed);
            lock.reset();
            assert!(lock.try_lock(), "{before}");
            assert!(!lock.try_lock(), "{before}");
            lock.unlock();

            lock.word.store(before, Ordering::Relaxed);
            lock.reset_locked();
            assert!(!lock.try_lock(), "{before}");
            lock.unlock();
            assert!(lock.try_lock(), "{before}");
        }
    }

    #[test]
    fn a_waiting_thread_is_next_however_often_others_try() {
        let lock = Arc::new(RawLock::new_unlocked());
        assert!(lock.try_lock());
        let entered = Arc::new(AtomicBool::new(false));
        let waiting = {
            let (lock, entered) = (Arc::clone(&lock), Arc::clone(&entered));
            std::thread::spawn(move || {
                lock.lock();
                entered.store(true, Ordering::Relaxed);
                lock.unlock();
            })
        };
        while lock.word.load(Ordering::Relaxed) & WANTED == 0 {
            std::thread::yield_now();
        }
        assert!(!entered.load(Ordering::Relaxed));
        lock.unlock();
        // From here on a try can succeed only after the waiting thread was inside.
        while !lock.try_lock() {
            std::thread::yield_now();
        }
        assert!(entered.load(Ordering::Relaxed));
        waiting.join().expect("the waiting thread");
    }

    #[test]
    fn threads_that_wait_and_threads_that_try_exclude_each_other() {
        const ROUNDS: u64 = 20_000;
        let lock = Arc::new(RawLock::new_unlocked());
        // Two halves of one number: a load and a store, which lose counts unless nobody else is inside.
        let count = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (lock, count) = (Arc::clone(&lock), Arc::clone(&count));
                std::thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        if number % 2 == 0 {
                            lock.lock();
                        } else {
                            while !lock.try_lock() {
                                std::thread::yield_now();
                            }
                        }
                        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                        lock.unlock();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("a thread");
        }
        assert_eq!(count.load(Ordering::Relaxed), 4 * ROUNDS);
        assert!(!lock.is_locked());
    }
}
