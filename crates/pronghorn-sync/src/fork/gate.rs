//! What keeps forks and our native threads apart: how many forks are under way, and how many native threads of ours are at a
//! place where a fork must not find them.
//!
//! # Two words
//! `forks` is written by whoever forks, `inside` by our native threads. They are apart because of what a fork costs: the kernel
//! write-protects every page of the parent, and the first write to one costs two microseconds. The page that holds `forks` is one
//! that a child does not get ([`super::process`]), and is therefore not protected; so the thread that forks pays nothing.
//!
//! # Threads
//! Native threads [`enter`](Inside::enter) and [`leave`](Inside::leave); any thread may fork, also several at a time:
//! [`hold`](Forks::hold), then [`release`](Forks::release) in the parent. Signal handlers only read.
//!
//! # Invariants
//! Nobody is inside while a fork holds the gate and was told that it is clear. Each side writes its own word, then reads the other's, with
//! a sequentially consistent fence in between: of a thread that enters and a fork that begins, at least one sees the other. A thread
//! that sees a fork steps back before it waits, so the fork does not wait for it in turn. Leaving is `Release` and read with `Acquire`:
//! what was done inside is done before the fork that sees nobody there. tests/loom.rs of pronghorn-recorder checks it.
//!
//! # Fork
//! In a child `forks` is zero, by the kernel or by the child handler: nobody holds the gate. `inside` is copied as it stood at that
//! instant. That is how a child whose fork ran no handlers learns whether it caught somebody.

use crate::primitives::{AtomicU32, Ordering, fence, wait_step};

/// Forks between their prepare and their parent handler. Zero is the state without any, so zeroed memory is a fresh one.
#[repr(transparent)]
pub struct Forks(AtomicU32);

/// Native threads inside a section.
#[repr(transparent)]
pub struct Inside(AtomicU32);

macro_rules! made_at_zero {
    ($name:ident, $what:literal) => {
        impl $name {
            #[doc = $what]
            #[cfg(not(loom))]
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a const, for statics")]
            pub const fn new() -> Self {
                Self(AtomicU32::new(0))
            }

            #[doc = $what]
            /// (loom's atomics cannot be made in a constant.)
            #[cfg(loom)]
            #[must_use]
            pub fn new() -> Self {
                Self(AtomicU32::new(0))
            }
        }
    };
}
made_at_zero!(Forks, "No fork is under way.");
made_at_zero!(Inside, "Nobody is inside.");

impl Inside {
    /// A native thread goes where a fork must not find it; waits while one is under way. Sections do not nest: a thread
    /// that is inside would wait for a fork that waits for it.
    pub fn enter(&self, forks: &Forks) {
        let mut step = 0;
        loop {
            if !forks.any() {
                self.0.fetch_add(1, Ordering::Acquire);
                fence(Ordering::SeqCst);
                if !forks.any() {
                    return;
                }
                self.0.fetch_sub(1, Ordering::Release);
            }
            wait_step(step);
            step = step.saturating_add(1);
        }
    }

    /// The thread has come out.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Release);
    }

    /// Whether anybody is inside, or was at the instant of the fork that made this process.
    #[must_use]
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    /// In a forked process: those who were inside do not exist.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl Forks {
    /// A fork begins: nobody enters from here on. Waits for those inside for as long as `may_wait` says so, and returns
    /// whether all are out.
    pub fn hold(&self, inside: &Inside, mut may_wait: impl FnMut() -> bool) -> bool {
        self.0.fetch_add(1, Ordering::Acquire);
        fence(Ordering::SeqCst);
        while inside.any() {
            if !may_wait() {
                return false;
            }
        }
        true
    }

    /// The fork is over, in the parent. Where the word was cleared since the fork began, there is nothing to take back.
    pub fn release(&self) {
        let _ = self
            .0
            .fetch_update(Ordering::Release, Ordering::Relaxed, |forks| {
                forks.checked_sub(1)
            });
    }

    /// The fork is over, in a child that was given the word: none of those that forked exists.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether a fork is under way.
    #[must_use]
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_fork_that_finds_nobody_does_not_wait() {
        let (forks, inside) = (Forks::new(), Inside::new());
        assert!(forks.hold(&inside, || false));
        forks.release();
        inside.enter(&forks);
        inside.leave();
        assert!(!inside.any());
    }

    #[test]
    fn a_fork_past_its_bound_goes_on_and_the_child_sees_who_was_inside() {
        let (forks, inside) = (Forks::new(), Inside::new());
        inside.enter(&forks);
        let mut rounds = 0;
        assert!(!forks.hold(&inside, || {
            rounds += 1;
            rounds < 10
        }));
        assert_eq!(rounds, 10);
        // In the child.
        assert!(inside.any());
        forks.clear();
        inside.clear();
        inside.enter(&forks);
        inside.leave();
    }

    #[test]
    fn nobody_enters_while_a_fork_holds_the_gate() {
        let both = Arc::new((Forks::new(), Inside::new()));
        let (forks, inside) = &*both;
        assert!(forks.hold(inside, || false));
        // A second fork on another thread at the same time.
        assert!(forks.hold(inside, || false));
        let entered = Arc::new(AtomicBool::new(false));
        let thread = {
            let (both, entered) = (Arc::clone(&both), Arc::clone(&entered));
            std::thread::spawn(move || {
                let (forks, inside) = &*both;
                inside.enter(forks);
                entered.store(true, Ordering::Relaxed);
                inside.leave();
            })
        };
        forks.release();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!entered.load(Ordering::Relaxed));
        forks.release();
        thread.join().expect("the thread that entered");
        assert!(entered.load(Ordering::Relaxed));
    }

    #[test]
    fn a_fork_waits_for_whoever_is_inside() {
        let both = Arc::new((Forks::new(), Inside::new()));
        let (forks, inside) = &*both;
        inside.enter(forks);
        let other = {
            let both = Arc::clone(&both);
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(20));
                both.1.leave();
            })
        };
        assert!(forks.hold(inside, || {
            std::thread::yield_now();
            true
        }));
        other.join().expect("the thread inside");
    }
}
