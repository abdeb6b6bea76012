//! The word that keeps forks and our native threads apart: which fork of the process this is, how many forks are under
//! way, and how many native threads of ours are at a place where a fork must not find them.
//!
//! ```text
//! bits   0..16   native threads inside a section
//! bits  16..32   forks between their prepare and their parent handler
//! bit   32       the fork that made this process found somebody inside
//! bits  33..64   the generation
//! ```
//!
//! # Threads
//! Native threads [`enter`](Gate::enter) and [`leave`](Gate::leave); any thread may fork: [`hold`](Gate::hold), then
//! [`release`](Gate::release) in the parent and [`inherit`](Gate::inherit) in the child. Signal handlers only read.
//!
//! # Invariants
//! Nobody enters while a fork holds the gate. A fork that was told that the gate is clear finds nobody inside. One word
//! says it all, so the child needs no second look: what was true at the instant of the fork stands in its copy.
//!
//! # Orderings
//! Entering is `Acquire`, leaving `Release`, holding `AcqRel`: what was done inside a section is done before the fork
//! that saw it empty. The child's store is relaxed: there is nobody else.
//!
//! # Fork
//! `inherit` is one store. It drops those inside and the forks under way: none of those threads exists.

use crate::primitives::{AtomicU64, Ordering, wait_step};

const INSIDE_ONE: u64 = 1;
const INSIDE: u64 = 0xffff;
const FORK_ONE: u64 = 1 << 16;
const FORKS: u64 = 0xffff << 16;
const LATE: u64 = 1 << 32;
const GENERATION_SHIFT: u32 = 33;

/// See the module's description.
pub struct Gate {
    word: AtomicU64,
}

impl Gate {
    /// The gate of a process that was not forked.
    #[cfg(not(loom))]
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "a const, for statics; loom's is not"
    )]
    pub const fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
        }
    }

    /// The gate of a process that was not forked. (loom's atomics cannot be made in a constant.)
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
        }
    }

    /// A native thread goes where a fork must not find it; waits while one is under way. Sections do not nest: a thread
    /// that is inside would wait for a fork that waits for it.
    pub fn enter(&self) {
        let mut step = 0;
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            if seen & FORKS != 0 {
                wait_step(step);
                step = step.saturating_add(1);
                seen = self.word.load(Ordering::Relaxed);
                continue;
            }
            match self.word.compare_exchange(
                seen,
                seen + INSIDE_ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// The thread has come out.
    pub fn leave(&self) {
        self.word.fetch_sub(INSIDE_ONE, Ordering::Release);
    }

    /// A fork begins: nobody enters from here on. Waits for those inside for as long as `may_wait` says so, and returns
    /// whether all are out.
    pub fn hold(&self, mut may_wait: impl FnMut() -> bool) -> bool {
        let mut seen = self.word.fetch_add(FORK_ONE, Ordering::AcqRel);
        while seen & INSIDE != 0 {
            if !may_wait() {
                return false;
            }
            seen = self.word.load(Ordering::Acquire);
        }
        true
    }

    /// The fork is over, in the parent.
    pub fn release(&self) {
        self.word.fetch_sub(FORK_ONE, Ordering::Release);
    }

    /// The fork is over, in the child: the next generation, with nobody inside and no fork under way. One store.
    pub fn inherit(&self) {
        let word = self.word.load(Ordering::Relaxed);
        let late = if word & INSIDE != 0 {
            LATE
        } else {
            word & LATE
        };
        let generation = (word >> GENERATION_SHIFT) + 1;
        self.word
            .store((generation << GENERATION_SHIFT) | late, Ordering::Relaxed);
    }

    /// Everything of the parent has been reset: generation `generation`, and it does not matter any more how it came to be.
    pub fn settle(&self, generation: u32) {
        self.word
            .store(u64::from(generation) << GENERATION_SHIFT, Ordering::Relaxed);
    }

    /// How many forks lie between the first process and this one, as far as handlers ran.
    #[must_use]
    pub fn generation(&self) -> u32 {
        (self.word.load(Ordering::Relaxed) >> GENERATION_SHIFT) as u32
    }

    /// Whether a fork found somebody inside. In a child whose fork ran no handlers those inside are still counted.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.word.load(Ordering::Relaxed) & (LATE | INSIDE) != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_fork_that_finds_nobody_is_clean_and_the_child_counts_on() {
        let gate = Gate::new();
        assert!(gate.hold(|| false));
        gate.inherit();
        assert_eq!(gate.generation(), 1);
        assert!(!gate.is_late());
        assert!(gate.hold(|| false));
        gate.inherit();
        assert_eq!(gate.generation(), 2);
    }

    #[test]
    fn a_fork_past_its_bound_is_late_in_the_child_until_it_settles() {
        let gate = Gate::new();
        gate.enter();
        let mut rounds = 0;
        assert!(!gate.hold(|| {
            rounds += 1;
            rounds < 10
        }));
        gate.inherit();
        assert!(gate.is_late());
        // Another fork before anything was reset does not make it clean.
        assert!(gate.hold(|| false));
        gate.inherit();
        assert!(gate.is_late());
        gate.settle(gate.generation());
        assert!(!gate.is_late());
        assert_eq!(gate.generation(), 2);
        gate.enter();
        gate.leave();
    }

    #[test]
    fn nobody_enters_while_a_fork_holds_the_gate() {
        let gate = Arc::new(Gate::new());
        assert!(gate.hold(|| false));
        // A second fork on another thread at the same time.
        assert!(gate.hold(|| false));
        let entered = Arc::new(AtomicBool::new(false));
        let thread = {
            let (gate, entered) = (Arc::clone(&gate), Arc::clone(&entered));
            std::thread::spawn(move || {
                gate.enter();
                entered.store(true, Ordering::Relaxed);
                gate.leave();
            })
        };
        gate.release();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!entered.load(Ordering::Relaxed));
        gate.release();
        thread.join().expect("the thread that entered");
        assert!(entered.load(Ordering::Relaxed));
    }

    #[test]
    fn a_fork_waits_for_whoever_is_inside() {
        let gate = Arc::new(Gate::new());
        gate.enter();
        let inside = {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(20));
                gate.leave();
            })
        };
        assert!(gate.hold(|| {
            std::thread::yield_now();
            true
        }));
        inside.join().expect("the thread inside");
    }
}
