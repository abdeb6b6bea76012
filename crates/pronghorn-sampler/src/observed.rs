//! How often hooks and handlers of ours were entered: what tests look at to see that something does *not* happen. Only with the
//! feature `failpoints`; a normal build counts nothing here and holds no trace of it.
//!
//! Threads: any, signal handlers too; relaxed counters. Fork: the child goes on from the parent's numbers.

/// A place whose entries are counted.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// The handler of the sampling signals, whoever sent one.
    Handler,
    /// A garbage collection hook, at either end.
    Collection,
    /// The callback before the loop polls.
    Poll,
    /// The callback when JavaScript is entered.
    Call,
    /// An interrupt that was asked for.
    Interrupt,
}

/// Counts an entry. Nothing without the feature. Async-signal-safe.
#[allow(clippy::inline_always, reason = "without the feature it is nothing")]
#[inline(always)]
pub fn entered(entry: Entry) {
    #[cfg(feature = "failpoints")]
    counts::COUNTS[entry as usize].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(feature = "failpoints"))]
    let _ = entry;
}

#[cfg(feature = "failpoints")]
mod counts {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    // Fork: kept; tests compare two readings in one process.
    pub(super) static COUNTS: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

    /// Entries so far, in the order of [`super::Entry`].
    #[must_use]
    pub fn counts() -> [u64; 5] {
        std::array::from_fn(|index| COUNTS[index].load(Relaxed))
    }
}

#[cfg(feature = "failpoints")]
pub use counts::counts;
