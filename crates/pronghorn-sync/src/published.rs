//! What a process finds out once and keeps: a value that is published whole, and never changed or freed.
//!
//! # Why not `std::sync::OnceLock`
//! It makes a second thread wait for the first, and a fork in between leaves its child waiting for ever. Here nobody waits: two that look at the same time find the
//! same, and one of the two values is dropped.
//!
//! Threads: any. [`Published::get`] is async-signal-safe.
//!
//! Orderings: the value is written before it is published with release, and read after an acquire load.
//!
//! Fork: kept; the value is as true in the child. A thread that was about to publish leaves the place empty, and the child looks itself.

use std::sync::atomic::{
    AtomicPtr,
    Ordering::{AcqRel, Acquire},
};

/// See the module documentation.
pub struct Published<T: Send + Sync + 'static> {
    place: AtomicPtr<T>,
}

impl<T: Send + Sync + 'static> Published<T> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            place: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// What has been found.
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: null, or published by `get_or_find`, whole, and never freed.
        unsafe { self.place.load(Acquire).as_ref() }
    }

    /// What has been found; `find` looks if nothing has.
    pub fn get_or_find(&self, find: impl FnOnce() -> T) -> &'static T {
        if let Some(found) = self.get() {
            return found;
        }
        let fresh = Box::into_raw(Box::new(find()));
        match self
            .place
            .compare_exchange(std::ptr::null_mut(), fresh, AcqRel, Acquire)
        {
            // SAFETY: made above, published now, never freed.
            Ok(_) => unsafe { &*fresh },
            Err(other) => {
                // SAFETY: made above and not published: nobody else knows it.
                drop(unsafe { Box::from_raw(fresh) });
                // SAFETY: not null, and published as above.
                unsafe { &*other }
            }
        }
    }
}

impl<T: Send + Sync + 'static> Default for Published<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn every_thread_gets_the_same() {
        static FOUND: Published<u32> = Published::new();
        assert_eq!(FOUND.get(), None);
        let threads: Vec<_> = (0..4)
            .map(|number| {
                std::thread::spawn(move || std::ptr::from_ref(FOUND.get_or_find(|| number)).addr())
            })
            .collect();
        let own = std::ptr::from_ref(FOUND.get_or_find(|| 7)).addr();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), own);
        }
        assert_eq!(
            FOUND.get().map(|found| std::ptr::from_ref(found).addr()),
            Some(own)
        );
    }

    /// In a child of a fork the one that looks is not there, and never comes back.
    #[test]
    fn nobody_waits_for_one_that_looks() {
        static FOUND: Published<u32> = Published::new();
        let (looking, looks) = channel();
        let (go_on, may_go_on) = channel();
        let slow = std::thread::spawn(move || {
            *FOUND.get_or_find(|| {
                looking.send(()).unwrap();
                may_go_on.recv().unwrap();
                1
            })
        });
        looks.recv().unwrap();
        let (tell, told) = channel();
        std::thread::spawn(move || tell.send(*FOUND.get_or_find(|| 2)));
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(2));
        go_on.send(()).unwrap();
        assert_eq!(slow.join().unwrap(), 2);
    }
}
