//! Memory that no fork copies: a child finds it zeroed (MADV_WIPEONFORK, Linux 4.14).
//!
//! # Why
//! After a fork the kernel write-protects every page that parent and child share, and the first write to each costs the parent a fault,
//! a copy and, with threads on other processors, an interrupt there: 2 µs and more a page, again after each spawn. What our threads and
//! handlers write all the time is of no use to a child, whose reset puts fresh state in its place. Here it costs a fork nothing.
//!
//! # What a child finds
//! Zeroes, from the first instruction on and after forks that run no handlers too. So zeroes have to be a valid state, and one that says
//! nothing of the parent; what a child has to know of its parent does not belong here. Where the kernel wipes no memory, the value lies in
//! the static itself and is copied: a reset replaces it in either case.
//!
//! # Threads
//! [`Wiped::get`] from anywhere, signal handlers too. [`Wiped::install`] on the thread that starts the profiler, before others look: what was
//! written before stays behind.
//!
//! # Orderings
//! A place is published with release, once the kernel has promised to wipe it, and found by an acquire load. What stands in it has orderings of its own.
//!
//! # Fork
//! The addresses are kept, and the kernel keeps the advice for the child's copies of the mappings.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicPtr, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use crate::Alone;
use crate::mapping::{self, Kind};

const PAGE: usize = 4096;
/// What all [`Wiped`] values of the process share. Pages that are not touched cost nothing.
const REGION: usize = 16 * PAGE;

/// A type of which zeroed memory is a valid value, the one that a forked process begins with.
///
/// # Safety
/// That is so, and the value has no destructor that matters.
pub unsafe trait Zeroed: Sync {}

/// A static in memory that no fork copies, once [`install`](Wiped::install) has found some. See the module's description.
pub struct Wiped<T> {
    place: AtomicPtr<T>,
    unwiped: UnsafeCell<T>,
}

// SAFETY: shared access hands out `&T`, and `Zeroed` types are Sync; `reset` is exclusive by its proof.
unsafe impl<T: Zeroed> Sync for Wiped<T> {}

impl<T: Zeroed> Wiped<T> {
    /// The value until `install`, and where the kernel wipes no memory.
    pub const fn new(unwiped: T) -> Self {
        Self {
            place: AtomicPtr::new(std::ptr::null_mut()),
            unwiped: UnsafeCell::new(unwiped),
        }
    }

    /// Moves to memory that is wiped, which begins as zeroes; true if it lies there, also from an earlier call. Async-signal-unsafe.
    pub fn install(&self) -> bool {
        if self.is_wiped() {
            return true;
        }
        const { assert!(align_of::<T>() <= PAGE, "the region begins on a page") };
        let Some(place) = SHARED.take(size_of::<T>(), align_of::<T>()) else {
            return false;
        };
        // Whoever comes second leaves a place unused.
        let _ = self.place.compare_exchange(
            std::ptr::null_mut(),
            place.as_ptr().cast(),
            AcqRel,
            Relaxed,
        );
        true
    }

    /// Whether a fork wipes it.
    #[inline]
    #[must_use]
    pub fn is_wiped(&self) -> bool {
        !self.place.load(Relaxed).is_null()
    }

    /// The value of this process. Async-signal-safe.
    #[inline]
    #[must_use]
    pub fn get(&self) -> &T {
        // SAFETY: null, or a place of ours that is large enough, aligned, there for good, and zeroed when it was taken.
        match unsafe { self.place.load(Acquire).as_ref() } {
            Some(value) => value,
            // SAFETY: written only by `reset`, with the proof that nobody holds a reference.
            None => unsafe { &*self.unwiped.get() },
        }
    }

    /// In a forked process: puts `fresh` in place of what is there.
    pub fn reset(&self, _alone: &Alone, fresh: T) {
        let place = self.place.load(Acquire);
        let place = if place.is_null() {
            self.unwiped.get()
        } else {
            place
        };
        // SAFETY: as in `get`; `Alone` says that nobody else uses the value and that the caller has no access to it open.
        unsafe { place.write(fresh) };
    }
}

// Fork: kept; the child goes on with the places that are taken.
static SHARED: Region = Region::new();

/// Where places are taken from, one behind the other, for good.
struct Region {
    base: AtomicPtr<u8>,
    used: AtomicUsize,
}

impl Region {
    const fn new() -> Self {
        Self {
            base: AtomicPtr::new(std::ptr::null_mut()),
            used: AtomicUsize::new(0),
        }
    }

    /// A place that starts on a cache line of its own; `None` if there is no memory that is wiped, or no room.
    fn take(&self, bytes: usize, align: usize) -> Option<NonNull<u8>> {
        let base = self.base()?;
        let align = align.max(64);
        let before = self
            .used
            .fetch_update(AcqRel, Relaxed, |used| {
                let begin = used.checked_next_multiple_of(align)?;
                begin.checked_add(bytes).filter(|&end| end <= REGION)
            })
            .ok()?;
        // SAFETY: the update found that this many bytes from there on lie within the region.
        Some(unsafe { base.add(before.next_multiple_of(align)) })
    }

    fn base(&self) -> Option<NonNull<u8>> {
        if let Some(base) = NonNull::new(self.base.load(Acquire)) {
            return Some(base);
        }
        let fresh = mapping::for_good(REGION, Kind::Wiped).ok()?;
        if !mapping::wipe(fresh, REGION) {
            return None;
        }
        let null = std::ptr::null_mut();
        match self
            .base
            .compare_exchange(null, fresh.as_ptr(), AcqRel, Acquire)
        {
            Ok(_) => Some(fresh),
            // Two at once, at the first start: one region is left unused.
            Err(other) => NonNull::new(other),
        }
    }
}

#[cfg(test)]
mod tests;
