//! How a thread that stands in a blocking call is told from one that runs: by its CPU clock, which hardly moves. A little it does move, since the
//! thread has to come back from the handler into the call. How much that is depends on the machine, and is learned here; a virtual machine that has lost
//! its processor for a moment lets the clock run on as well. Otherwise the thread would be interrupted again and again, since it seems to have run
//! each time.
//!
//! Threads: the slot's own, in its handler, and the ticker, which reads. Relaxed: a bound, which decides nothing that is not decided anew.
//!
//! Fork: part of [`Live`](crate::slot::Live), which forks do not copy.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Whoever used less CPU than this since its last sample has not run.
const SLACK_NS: u64 = 12_000;
/// Nothing longer is taken for a way back.
const LONGEST_RETURN_NS: u64 = 60_000;
/// Each time that the thread is found where it was, four times as much is allowed to it, up to this: if it goes on to another call after less than
/// that, its wait there counts to the call before.
const MOST_SLACK_NS: u64 = 200_000;
/// More make no difference.
const MOST_DOUBLINGS: u32 = 6;

/// See the module documentation.
pub struct Standing {
    /// Where the thread was interrupted last.
    pc: AtomicU64,
    sp: AtomicU64,
    /// How often it was found there again, twice each.
    doublings: AtomicU32,
    /// The longest way back from the handler that was seen.
    return_ns: AtomicU64,
}

impl Standing {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self {
            pc: AtomicU64::new(0),
            sp: AtomicU64::new(0),
            doublings: AtomicU32::new(0),
            return_ns: AtomicU64::new(0),
        }
    }

    /// Every word of it.
    #[cfg(test)]
    pub(crate) fn words(&self) -> [u64; 4] {
        let Self {
            pc,
            sp,
            doublings,
            return_ns,
        } = self;
        let words = [pc, sp, return_ns].map(|word| word.load(Relaxed));
        let [pc, sp, return_ns] = words;
        [pc, sp, doublings.load(Relaxed).into(), return_ns]
    }

    /// The handler: its thread was interrupted at `pc` and `sp`. It has used `used_ns` of CPU since its last sample was done, and was
    /// or was not in its poll since.
    pub fn note(&self, pc: u64, sp: u64, used_ns: u64, has_polled: bool) {
        let same_pc = self.pc.swap(pc, Relaxed) == pc;
        let same_sp = self.sp.swap(sp, Relaxed) == sp;
        // Callbacks may come by the same place often, each time from the poll.
        if !same_pc || !same_sp || has_polled {
            self.doublings.store(0, Relaxed);
            return;
        }
        let doublings = self.doublings.load(Relaxed);
        self.doublings
            .store((doublings + 2).min(MOST_DOUBLINGS), Relaxed);
        if used_ns <= LONGEST_RETURN_NS {
            self.return_ns.fetch_max(used_ns, Relaxed);
        }
    }

    /// The ticker: whoever used less CPU than this since its last sample has not run. Half as much again as the longest way back; where the thread was
    /// found in one place again and again, more each time.
    pub fn slack_ns(&self) -> u64 {
        let returned = self.return_ns.load(Relaxed);
        let slack = SLACK_NS.max(returned + returned / 2) << self.doublings.load(Relaxed);
        slack.min(MOST_SLACK_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_way_back_is_learned_once() {
        let standing = Standing::new();
        assert_eq!(standing.slack_ns(), SLACK_NS);
        standing.note(1, 2, 50_000, false);
        assert_eq!(standing.slack_ns(), SLACK_NS, "it came there");
        standing.note(1, 2, 20_000, false);
        standing.note(1, 2, 14_000, false);
        standing.note(3, 4, 20_000, false);
        assert_eq!(standing.slack_ns(), 30_000);
    }

    #[test]
    fn one_that_is_found_in_the_same_place_may_use_more_each_time() {
        let standing = Standing::new();
        standing.note(1, 2, 0, false);
        standing.note(1, 2, 500_000, false);
        assert_eq!(standing.slack_ns(), 4 * SLACK_NS);
        standing.note(1, 2, 500_000, false);
        assert_eq!(standing.slack_ns(), 16 * SLACK_NS);
        for _ in 0..100 {
            standing.note(1, 2, 500_000, false);
        }
        assert_eq!(standing.slack_ns(), MOST_SLACK_NS);
        standing.note(5, 2, 500_000, false);
        assert_eq!(standing.slack_ns(), SLACK_NS);
    }

    #[test]
    fn whoever_was_elsewhere_in_between_has_run() {
        let standing = Standing::new();
        standing.note(1, 2, 0, false);
        standing.note(1, 3, 20_000, false);
        standing.note(2, 3, 20_000, false);
        standing.note(2, 3, 20_000, true);
        assert_eq!(standing.slack_ns(), SLACK_NS);
    }
}
