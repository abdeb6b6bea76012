//! The state of one component, as a static that a forked process replaces whole.
//!
//! # Why not reset field by field
//! A field that is forgotten would carry the parent's state into the child. Here the component's fields are one struct;
//! its reset takes the old one apart without `..`, decides for each field, and puts a new one in place.
//!
//! # Threads
//! Read from anywhere, signal handlers too. Replaced only in a forked process that is in limbo
//! ([`fork::forked`](crate::fork::forked)): there is one thread, and handlers do not look.
//!
//! # Fork
//! What was there is abandoned: not dropped, since another thread may have been at work on it when it ceased to exist.

use std::cell::UnsafeCell;

use crate::Alone;

/// See the module's description.
pub struct Resettable<T> {
    value: UnsafeCell<T>,
}

// SAFETY: shared access hands out `&T`, so T has to be Sync; `replace` is exclusive by its contract.
unsafe impl<T: Sync> Sync for Resettable<T> {}

impl<T> Resettable<T> {
    /// The state of the first process.
    pub const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
        }
    }

    /// The state of this process.
    #[inline]
    pub const fn get(&self) -> &T {
        // SAFETY: written only by `replace`, whose caller vouches that nobody holds a reference.
        unsafe { &*self.value.get() }
    }

    /// Puts `fresh` in place; what was there is abandoned.
    ///
    /// # Safety
    /// No other thread of ours exists, no handler of ours looks at the value (the process is in limbo), and the caller uses no reference
    /// that `get` gave it before.
    pub unsafe fn replace(&self, fresh: T) {
        // SAFETY: exclusive, by the contract. `write` does not drop the old value.
        unsafe { self.value.get().write(fresh) };
    }

    /// The same for a component that forbids unsafe code: the proof stands for the contract.
    pub fn reset(&self, _alone: &Alone, fresh: T) {
        // SAFETY: `Alone` says that nobody else uses the value and that the caller has no access to it open.
        unsafe { self.replace(fresh) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_was_there_is_abandoned_and_not_dropped() {
        let old = Arc::new(1);
        let state = Resettable::new(Arc::clone(&old));
        assert_eq!(**state.get(), 1);
        // SAFETY: nobody else knows the value.
        unsafe { state.replace(Arc::new(2)) };
        assert_eq!(**state.get(), 2);
        assert_eq!(Arc::strong_count(&old), 2);
    }
}
