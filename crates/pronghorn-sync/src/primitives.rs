//! The atomics and the cell that the rest of the crate is written with: std's, or loom's under `--cfg loom`.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

#[cfg(loom)]
pub(crate) use loom::cell::UnsafeCell;

/// `std::cell::UnsafeCell` with the one method of loom's cell that this crate uses.
#[cfg(not(loom))]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `access` with a pointer to the value. Whoever reads or writes through it says why that is allowed.
    pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        access(self.0.get())
    }
}

/// One step of waiting, longer the more steps there were: a busy wait first, then the rest of the time slice, then a sleep.
#[cfg(not(loom))]
pub(crate) fn wait_step(step: u32) {
    // A slot is held for microseconds, so the first steps nearly always suffice. The sleep is for an owner that was
    // preempted while it held the lock, which takes scheduler time slices to come back.
    const SPINS: u32 = 64;
    const YIELDS: u32 = 16;
    if step < SPINS {
        std::hint::spin_loop();
    } else if step < SPINS + YIELDS {
        std::thread::yield_now();
    } else {
        std::thread::sleep(std::time::Duration::from_micros(50));
    }
}

/// Under loom a waiting thread has to say that it cannot go on alone.
#[cfg(loom)]
pub(crate) fn wait_step(_step: u32) {
    loom::thread::yield_now();
}

/// Between a write and a read that are both sequentially consistent: nothing, they are in order. loom takes them for acquire and release and would swap them;
/// it knows the order of fences.
#[inline]
pub(crate) fn sequenced() {
    #[cfg(all(loom, not(pronghorn_weakened)))]
    fence(Ordering::SeqCst);
}
