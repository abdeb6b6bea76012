//! What happened since the last start, counted where it happened.
//!
//! Threads: a slot's counters are written by its own thread and its handler, read by anyone; relaxed, a snapshot may miss
//! what is in flight. Nothing here decides anything. After a fork everything is zero: what is counted all the time lies in memory that forks
//! do not copy.

mod ends;
mod snapshot;

pub(crate) use ends::set_left_behind;
pub use snapshot::{LeftBehind, SamplerStatistics, snapshot};

use pronghorn_sync::{Alone, Histogram, Wiped, Zeroed, fork};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one thread.
pub struct SlotCounters {
    /// Samples stored in the buffer.
    pub samples: AtomicU64,
    /// Samples that did not fit into the buffer. Their time went to the next one.
    pub dropped: AtomicU64,
    /// Signals that came while the thread was at work on its own slot. Their time went to the next sample.
    pub deferred: AtomicU64,
    /// Stacks whose walk gave up before the outermost frame, or the one by which V8 was first entered.
    pub broken: AtomicU64,
    /// Samples whose V8 frames were not walked at all.
    pub refused: AtomicU64,
    /// Stacks cut off at the depth limit.
    pub truncated: AtomicU64,
    /// Samples taken during a garbage collection.
    pub gc: AtomicU64,
    /// Pieces of idle time recorded.
    pub idle: AtomicU64,
    /// Frames that could not be read as what they claim to be.
    pub bad_frames: AtomicU64,
}

impl SlotCounters {
    /// All zero.
    pub const fn new() -> Self {
        Self {
            samples: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            deferred: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            truncated: AtomicU64::new(0),
            gc: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            bad_frames: AtomicU64::new(0),
        }
    }

    fn each(&self) -> [&AtomicU64; 9] {
        let Self {
            samples,
            dropped,
            deferred,
            broken,
            refused,
            truncated,
            gc,
            idle,
            bad_frames,
        } = self;
        [
            samples, dropped, deferred, broken, refused, truncated, gc, idle, bad_frames,
        ]
    }

    /// Back to zero.
    pub fn clear(&self) {
        for counter in self.each() {
            counter.store(0, Relaxed);
        }
    }

    /// Adds one to a counter. Async-signal-safe.
    pub fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

/// Counters of the process, since the last start.
pub struct Shared {
    /// CPU time of each run of the handler, all threads together.
    pub handler_time: Histogram,
    /// CPU time of each pass that resolves a buffer, all threads together.
    pub resolve_time: Histogram,
    /// Those that ran out of time with samples left.
    pub unfinished_resolves: AtomicU64,
    /// CPU nanoseconds in which the stacks that cause collections of young objects were taken, as those tell that were timed.
    pub collection_ns: AtomicU64,
    /// Signals sent.
    pub signals_sent: AtomicU64,
    /// Signals that reached our handler and were not ours.
    pub forged: AtomicU64,
    /// Signals that the kernel would not queue, sent the other way.
    pub unqueued: AtomicU64,
    /// Signals that their threads never got: somebody swallowed them.
    pub lost_signals: AtomicU64,
    /// CPU nanoseconds of the ticker's threads that have ended.
    pub ticker_cpu_ns: AtomicU64,
    /// Sets of labels that had to make room for others.
    pub forgotten_label_sets: AtomicU64,
    /// Samples whose labels had been forgotten.
    pub lost_labels: AtomicU64,
    /// Turns of the event loop that took too long.
    pub stalls: AtomicU64,
    /// Reports of them that were written.
    pub stall_reports: AtomicU64,
    /// Reports that were not: too soon after another, or their output did not take them.
    pub lost_stall_reports: AtomicU64,
}

// SAFETY: made of atomics, and zeroes are what they begin with.
unsafe impl Zeroed for Shared {}

impl Shared {
    const fn new() -> Self {
        Self {
            handler_time: Histogram::new(),
            resolve_time: Histogram::new(),
            unfinished_resolves: AtomicU64::new(0),
            collection_ns: AtomicU64::new(0),
            signals_sent: AtomicU64::new(0),
            forged: AtomicU64::new(0),
            unqueued: AtomicU64::new(0),
            lost_signals: AtomicU64::new(0),
            ticker_cpu_ns: AtomicU64::new(0),
            forgotten_label_sets: AtomicU64::new(0),
            lost_labels: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
            stall_reports: AtomicU64::new(0),
            lost_stall_reports: AtomicU64::new(0),
        }
    }

    /// All there is.
    fn each(&self) -> ([&Histogram; 2], [&AtomicU64; 12]) {
        let Self {
            handler_time,
            resolve_time,
            unfinished_resolves,
            collection_ns,
            signals_sent,
            forged,
            unqueued,
            lost_signals,
            ticker_cpu_ns,
            forgotten_label_sets,
            lost_labels,
            stalls,
            stall_reports,
            lost_stall_reports,
        } = self;
        let counters = [
            unfinished_resolves,
            collection_ns,
            signals_sent,
            forged,
            unqueued,
            lost_signals,
            ticker_cpu_ns,
            forgotten_label_sets,
            lost_labels,
            stalls,
            stall_reports,
            lost_stall_reports,
        ];
        ([handler_time, resolve_time], counters)
    }

    /// Back to zero, for a start.
    fn clear(&self) {
        let (histograms, counters) = self.each();
        for histogram in histograms {
            histogram.clear();
        }
        for counter in counters {
            counter.store(0, Relaxed);
        }
    }
}

static SHARED: Wiped<Shared> = Wiped::new(Shared::new());

/// The counters of the process. Counting is async-signal-safe.
#[inline]
pub fn shared() -> &'static Shared {
    SHARED.get()
}

/// In a forked process, step two: nothing has been counted here. The slots' counters are reset with the slots.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = Shared::new();
    SHARED.reset(alone, fresh);
    ends::reset_after_fork(alone);
}

/// Everything back to zero, for a start.
pub fn clear() {
    // Where the kernel wipes nothing they stay where they are.
    SHARED.install();
    for (_, slot) in crate::slot::all() {
        slot.counters.clear();
    }
    shared().clear();
    ends::clear();
    fork::clear_statistics();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_leaves_nothing_of_what_was_counted() {
        let shared = Shared::new();
        let (histograms, counters) = shared.each();
        for histogram in histograms {
            histogram.record(7);
        }
        for counter in counters {
            counter.store(7, Relaxed);
        }
        shared.clear();
        for histogram in histograms {
            let sums = (histogram.count(), histogram.sum_ns(), histogram.max_ns());
            assert_eq!(sums, (0, 0, 0));
        }
        for counter in counters {
            assert_eq!(counter.load(Relaxed), 0);
        }
    }
}
