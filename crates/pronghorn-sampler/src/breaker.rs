//! The walk breaker: if too many walks fail, V8 frames are no longer read until the next start.
//!
//! Threads: every handler counts, anyone reads. A window is a batch of walks; its two counters decide and nothing else,
//! the statistics are kept elsewhere. After a fork the child starts with a fresh window; since every walk counts, forks do not copy it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use pronghorn_sync::{Alone, Wiped, Zeroed};

/// Walks in a window.
const WINDOW: u32 = 256;
/// Failures in one window that open the breaker: a quarter. Stress gave 0.1–4% of bad loads.
const LIMIT: u32 = WINDOW / 4;

/// See the module documentation. Zeroes are a valid one: closed.
pub struct Breaker {
    walks: AtomicU32,
    failures: AtomicU32,
    open: AtomicBool,
}

// SAFETY: three atomics, of which zeroes are a closed breaker with an empty window.
unsafe impl Zeroed for Breaker {}

static SHARED: Wiped<Breaker> = Wiped::new(Breaker::new());

/// The breaker of the process's walks. Async-signal-safe.
#[inline]
pub fn shared() -> &'static Breaker {
    SHARED.get()
}

/// For a start: closed.
pub(crate) fn begin() {
    // Where the kernel wipes nothing it stays where it is.
    SHARED.install();
    shared().reset();
}

/// In a forked process, step two: closed.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = shared().inherited();
    SHARED.reset(alone, fresh);
}

impl Breaker {
    /// A closed breaker with an empty window.
    pub const fn new() -> Self {
        Self {
            walks: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            open: AtomicBool::new(false),
        }
    }

    /// What a child starts with: a closed one.
    fn inherited(&self) -> Self {
        let Self {
            walks: _,
            failures: _,
            open: _,
        } = self;
        Self::new()
    }

    /// Closes the breaker and empties its window.
    pub fn reset(&self) {
        self.open.store(false, Relaxed);
        self.walks.store(0, Relaxed);
        self.failures.store(0, Relaxed);
    }

    /// Whether walks are off.
    pub fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// Counts a walk. Async-signal-safe.
    pub fn count(&self, failed: bool) {
        let failures = if failed {
            self.failures.fetch_add(1, Relaxed) + 1
        } else {
            self.failures.load(Relaxed)
        };
        if failures >= LIMIT {
            self.open.store(true, Relaxed);
        }
        if self.walks.fetch_add(1, Relaxed) + 1 >= WINDOW {
            self.walks.store(0, Relaxed);
            self.failures.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_when_a_quarter_of_a_window_fails_and_stays_open() {
        let breaker = Breaker::new();
        for walk in 0..WINDOW * 4 {
            breaker.count(walk % 5 == 0);
        }
        assert!(!breaker.is_open());
        for walk in 0..WINDOW {
            breaker.count(walk % 3 == 0);
        }
        assert!(breaker.is_open());
        for _ in 0..WINDOW * 2 {
            breaker.count(false);
        }
        assert!(breaker.is_open());
        breaker.reset();
        assert!(!breaker.is_open());
    }

    #[test]
    fn an_emptied_window_knows_nothing_of_the_failures_before() {
        let breaker = Breaker::new();
        for empty in [|breaker: &Breaker| breaker.reset(), |_: &Breaker| {}] {
            (1..LIMIT).for_each(|_| breaker.count(true));
            assert!(!breaker.is_open());
            empty(&breaker);
        }
        // Not emptied the second time: one more opens it.
        breaker.count(true);
        assert!(breaker.is_open());
    }

    #[test]
    fn a_fork_leaves_nothing_of_the_window() {
        let breaker = Breaker::new();
        (1..LIMIT).for_each(|_| breaker.count(true));
        // SAFETY: this is what a child is given.
        for fresh in [breaker.inherited(), unsafe { std::mem::zeroed() }] {
            fresh.count(true);
            assert!(!fresh.is_open());
        }
        breaker.count(true);
        assert!(breaker.is_open() && !breaker.inherited().is_open());
    }
}
