//! A value behind a [`RawLock`]: what `Mutex<T>` is to a mutex.
//!
//! # Invariant
//! The value is touched only while the lock is held, and each time the lock is taken there is exactly one guard for it. So
//! a guard has the value to itself. Dropping a guard unlocks, during a panic too; there is no poisoning, so a value must be
//! usable after an access that was cut short.
//!
//! # Threads
//! [`Guard`] borrows and is short-lived. [`OwnedGuard`] may be kept, moved to another thread and stored in a struct: it is
//! how one side keeps a value closed for a long time, such as the inactive slot of the recorder.
//!
//! # Orderings
//! Those of [`RawLock`]: an access sees everything written by the accesses before it.
//!
//! # Fork
//! A value that a thread held at the fork stays held in the child, maybe torn. [`Guarded::reset`] puts a fresh value in place,
//! abandons the old one without dropping it, and opens the lock by one store. A guard remembers the generation it was
//! made in: dropped in a later one, by whatever still refers to it in the child, it does nothing. So it can neither open
//! the lock for a second owner nor free what a thread that is gone had in hand.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::primitives::UnsafeCell;
use crate::{Alone, RawLock, fork};

/// A value that only the holder of its lock can reach.
pub struct Guarded<T> {
    lock: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a guard, of which there is one at a time, and locking and unlocking order the
// accesses of different threads. So sharing the cell amounts to sending the value from thread to thread.
unsafe impl<T: Send> Sync for Guarded<T> {}

// SAFETY: owning the cell is owning the value; the lock is a plain word.
unsafe impl<T: Send> Send for Guarded<T> {}

impl<T> Guarded<T> {
    /// A value that anybody may lock.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Self {
            lock: RawLock::new_unlocked(),
            value: UnsafeCell::new(value),
        }
    }

    /// A value that anybody may lock. (loom's atomics cannot be made in a constant.)
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Self {
            lock: RawLock::new_unlocked(),
            value: UnsafeCell::new(value),
        }
    }

    /// Locks, waiting as in [`RawLock::lock`]: never from a signal handler, and not where the caller holds it already.
    pub fn lock(&self) -> Guard<'_, T> {
        self.lock.lock();
        Guard::new(self)
    }

    /// A value that is locked from the start, with the guard that holds it.
    pub fn new_locked(value: T) -> (Arc<Self>, OwnedGuard<T>) {
        let cell = Arc::new(Self {
            lock: RawLock::new_locked(),
            value: UnsafeCell::new(value),
        });
        let guard = OwnedGuard::new(Arc::clone(&cell));
        (cell, guard)
    }

    /// Locks if that needs no waiting.
    #[must_use]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        // `then`, not `then_some`: that one would build the guard either way, and drop it, which unlocks.
        self.lock.try_lock().then(|| Guard::new(self))
    }

    /// Locks if that needs no waiting, with a guard that can be kept.
    #[must_use]
    pub fn try_lock_owned(self: &Arc<Self>) -> Option<OwnedGuard<T>> {
        self.lock
            .try_lock()
            .then(|| OwnedGuard::new(Arc::clone(self)))
    }

    /// After a fork: `fresh` in place of the value, which is abandoned without being dropped, and the lock open, whoever
    /// held it. The value comes first, so the lock never opens onto the old one.
    pub fn reset(&self, alone: &Alone, fresh: T) {
        self.abandon_for(alone, fresh);
        self.lock.reset();
    }

    /// The same with the lock held, by the guard that is returned.
    pub fn reset_locked(self: &Arc<Self>, alone: &Alone, fresh: T) -> OwnedGuard<T> {
        self.lock.reset_locked();
        self.abandon_for(alone, fresh);
        OwnedGuard::new(Arc::clone(self))
    }

    fn abandon_for(&self, _alone: &Alone, fresh: T) {
        self.value.with_mut(|pointer| {
            // SAFETY: valid and aligned, as it comes from the cell. Nobody else has access: `Alone` says so. Writing does
            // not drop what was there.
            unsafe { pointer.write(fresh) };
        });
    }

    /// Whether somebody holds the lock at this moment: for statistics and tests.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// # Safety
    /// The caller holds the lock and lets nobody else use that hold meanwhile.
    unsafe fn access<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
        self.value.with_mut(|pointer| {
            // SAFETY: the pointer comes from the cell, so it is valid and aligned. The caller holds the lock, so no other
            // reference to the value exists.
            action(unsafe { &mut *pointer })
        })
    }
}

/// Holds a [`Guarded`] value for a moment; unlocks when dropped.
#[must_use = "dropping the guard unlocks at once"]
pub struct Guard<'cell, T> {
    cell: &'cell Guarded<T>,
    generation: u32,
}

impl<'cell, T> Guard<'cell, T> {
    fn new(cell: &'cell Guarded<T>) -> Self {
        Self {
            cell,
            generation: fork::generation(),
        }
    }

    /// Calls `action` with the value and returns what it returns.
    pub fn with<R>(&mut self, action: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: this guard is the one hold on the lock, and `&mut self` keeps the guard from being used twice at a time.
        unsafe { self.cell.access(action) }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        if self.generation == fork::generation() {
            self.cell.lock.unlock();
        }
    }
}

/// Holds a [`Guarded`] value for as long as it is kept, on whatever thread; unlocks when dropped.
#[must_use = "dropping the guard unlocks at once"]
pub struct OwnedGuard<T> {
    /// Dropped by this type's own `drop`, and not in a later generation.
    cell: ManuallyDrop<Arc<Guarded<T>>>,
    generation: u32,
}

impl<T> OwnedGuard<T> {
    fn new(cell: Arc<Guarded<T>>) -> Self {
        Self {
            cell: ManuallyDrop::new(cell),
            generation: fork::generation(),
        }
    }

    /// Whether it is a guard of a parent's: it holds nothing in this process.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.generation != fork::generation()
    }

    /// Calls `action` with the value and returns what it returns.
    pub fn with<R>(&mut self, action: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: this guard is the one hold on the lock, and `&mut self` keeps the guard from being used twice at a time.
        unsafe { self.cell.access(action) }
    }

    /// Unlocks the value held so far, then waits for `next` and holds that one.
    ///
    /// In this order there is no moment when this guard holds both, and for a moment both may be open. `next` must be
    /// a cell that this thread does not hold; waiting is as in [`RawLock::lock`], so never from a signal handler.
    ///
    /// In a process that was forked off in the middle of this, by a handler that interrupted it, it does not wait for a
    /// thread that may be gone: the guard holds nothing then, as every inherited guard.
    pub fn move_to(&mut self, next: &Arc<Guarded<T>>) {
        // Made first, so that nothing can panic between the unlock and the store into `self.cell`: a guard dropped there
        // would unlock a value it no longer holds.
        let next = Arc::clone(next);
        self.cell.lock.unlock();
        crate::failpoint!("mid-flip");
        next.lock.lock_unless(|| self.is_inherited());
        drop(std::mem::replace(&mut *self.cell, next));
    }
}

impl<T> Drop for OwnedGuard<T> {
    fn drop(&mut self) {
        if self.is_inherited() {
            return;
        }
        self.cell.lock.unlock();
        // SAFETY: this is the one place that drops it, once.
        unsafe { ManuallyDrop::drop(&mut self.cell) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_failed_try_gives_no_guard_and_unlocks_nothing() {
        let cell = Arc::new(Guarded::new(1));
        let guard = cell.try_lock();
        assert!(guard.is_some());
        assert!(cell.try_lock().is_none());
        assert!(cell.try_lock_owned().is_none());
        assert!(cell.is_locked());
        drop(guard);
        assert!(!cell.is_locked());
    }

    #[test]
    fn a_panic_inside_unlocks_and_keeps_the_value() {
        let cell = Guarded::new(1);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut guard = cell.try_lock().expect("open");
            guard.with(|value| {
                *value = 2;
                panic!("injected");
            });
        }));
        assert!(outcome.is_err());
        let mut guard = cell.try_lock().expect("open again");
        assert_eq!(guard.with(|value| *value), 2);
    }

    #[test]
    fn an_owned_guard_moves_between_threads_and_cells() {
        let (closed, mut guard) = Guarded::new_locked(String::from("one"));
        let open = Arc::new(Guarded::new(String::from("two")));
        assert!(closed.is_locked());
        let next = Arc::clone(&open);
        let mut guard = std::thread::spawn(move || {
            guard.with(|value| value.push('!'));
            guard.move_to(&next);
            guard.with(|value| value.push('?'));
            guard
        })
        .join()
        .expect("the other thread");
        assert!(!closed.is_locked());
        assert!(open.is_locked());
        assert_eq!(guard.with(|value| value.clone()), "two?");
        let mut first = closed.try_lock().expect("open");
        assert_eq!(first.with(|value| value.clone()), "one!");
        drop(guard);
        assert!(!open.is_locked());
    }
}
