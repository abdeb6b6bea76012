//! What happened since the last start, counted where it happened.
//!
//! Threads: a slot's counters are written by its own thread and its handler, read by anyone; relaxed, a snapshot may miss
//! what is in flight. Nothing here decides anything. After a fork everything is zero: what is counted all the time lies in memory that forks
//! do not copy.

use pronghorn_sync::{Alone, Guarded, Histogram, Resettable, Wiped, Zeroed, fork};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one thread.
pub struct SlotCounters {
    /// Samples stored in the buffer.
    pub samples: AtomicU64,
    /// Samples that did not fit into the buffer. Their time went to the next one.
    pub dropped: AtomicU64,
    /// Signals that came while the thread was at work on its own slot. Their time went to the next sample.
    pub deferred: AtomicU64,
    /// Stacks whose walk gave up before the outermost frame.
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
    /// CPU nanoseconds in which the stacks that cause garbage collections were taken.
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

    /// What a child starts with: it has counted nothing.
    fn inherited(&self) -> Self {
        let Self {
            handler_time: _,
            resolve_time: _,
            unfinished_resolves: _,
            collection_ns: _,
            signals_sent: _,
            forged: _,
            unqueued: _,
            lost_signals: _,
            ticker_cpu_ns: _,
            forgotten_label_sets: _,
            lost_labels: _,
            stalls: _,
            stall_reports: _,
            lost_stall_reports: _,
        } = self;
        Self::new()
    }

    /// Back to zero, for a start.
    fn clear(&self) {
        let Self {
            handler_time,
            resolve_time,
            signals_sent,
            forged,
            unqueued,
            lost_signals,
            ticker_cpu_ns,
            forgotten_label_sets,
            lost_labels,
            unfinished_resolves,
            collection_ns,
            stalls,
            stall_reports,
            lost_stall_reports,
        } = self;
        for histogram in [handler_time, resolve_time] {
            histogram.clear();
        }
        for counter in [
            signals_sent,
            forged,
            unqueued,
            lost_signals,
            ticker_cpu_ns,
            forgotten_label_sets,
            lost_labels,
            unfinished_resolves,
            collection_ns,
            stalls,
            stall_reports,
            lost_stall_reports,
        ] {
            counter.store(0, Relaxed);
        }
    }
}

static SHARED: Wiped<Shared> = Wiped::new(Shared::new());

/// What is set at a session's ends only.
struct Ends {
    /// What the process had counted of bad loads when this began: that counter lives as long as the process.
    faults_before: AtomicU64,
    /// What the last stop left in the buffers. Its lock is held for a copy.
    left_behind: Guarded<Vec<LeftBehind>>,
}

impl Ends {
    const fn new() -> Self {
        Self {
            faults_before: AtomicU64::new(0),
            left_behind: Guarded::new(Vec::new()),
        }
    }

    /// What a child starts with: bad loads are counted from here.
    fn inherited(&self) -> Self {
        let Self {
            faults_before: _,
            left_behind: _,
        } = self;
        Self {
            faults_before: AtomicU64::new(pronghorn_v8::fault::fixups()),
            ..Self::new()
        }
    }

    fn clear(&self) {
        let Self {
            faults_before,
            left_behind,
        } = self;
        faults_before.store(pronghorn_v8::fault::fixups(), Relaxed);
        left_behind.lock().with(Vec::clear);
    }
}

static ENDS: Resettable<Ends> = Resettable::new(Ends::new());

/// The counters of the process. Counting is async-signal-safe.
#[inline]
pub fn shared() -> &'static Shared {
    SHARED.get()
}

/// Keeps what a stop could not resolve, for `snapshot`.
pub(crate) fn set_left_behind(left: &[LeftBehind]) {
    ENDS.get()
        .left_behind
        .lock()
        .with(|place| *place = left.to_vec());
}

/// In a forked process, step two: nothing has been counted here. The slots' counters are reset with the slots.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = SHARED.get().inherited();
    SHARED.reset(alone, fresh);
    let fresh = ENDS.get().inherited();
    ENDS.reset(alone, fresh);
}

/// What a thread left behind in its buffer when the collector stopped.
#[derive(Clone, Debug)]
pub struct LeftBehind {
    /// Kernel thread id.
    pub thread_id: u32,
    /// The thread's name.
    pub thread_name: String,
    /// Samples that were not resolved.
    pub samples: u64,
}

/// A snapshot of the sampler's statistics since the last start.
#[derive(Clone, Debug, Default)]
pub struct SamplerStatistics {
    /// See [`SlotCounters`], summed over all threads.
    pub samples: u64,
    /// See [`SlotCounters`].
    pub dropped: u64,
    /// See [`SlotCounters`].
    pub deferred: u64,
    /// See [`SlotCounters`].
    pub broken: u64,
    /// See [`SlotCounters`].
    pub refused: u64,
    /// See [`SlotCounters`].
    pub truncated: u64,
    /// See [`SlotCounters`].
    pub gc: u64,
    /// See [`SlotCounters`].
    pub idle: u64,
    /// See [`SlotCounters`].
    pub bad_frames: u64,
    /// Bad loads survived.
    pub faults: u64,
    /// Signals sent.
    pub signals_sent: u64,
    /// Signals that were not ours.
    pub forged_signals: u64,
    /// Signals that the kernel would not queue.
    pub unqueued_signals: u64,
    /// Signals that their threads never got.
    pub lost_signals: u64,
    /// The handler's median, in nanoseconds.
    pub handler_p50_ns: u64,
    /// The handler's 99th percentile, in nanoseconds.
    pub handler_p99_ns: u64,
    /// The handler's longest run, in nanoseconds.
    pub handler_max_ns: u64,
    /// All handler runs together, in nanoseconds.
    pub handler_total_ns: u64,
    /// Time spent resolving, in nanoseconds.
    pub resolve_total_ns: u64,
    /// The longest pass of resolving, in nanoseconds.
    pub resolve_max_ns: u64,
    /// Time in which the stacks that cause garbage collections were taken, in nanoseconds.
    pub collection_ns: u64,
    /// CPU time of the ticker, in nanoseconds.
    pub ticker_cpu_ns: u64,
    /// Sets of labels that had to make room for others.
    pub forgotten_label_sets: u64,
    /// Samples whose labels had been forgotten.
    pub lost_labels: u64,
    /// Passes of resolving that ran out of time with samples left.
    pub unfinished_resolves: u64,
    /// See [`Shared`].
    pub stalls: u64,
    /// See [`Shared`].
    pub stall_reports: u64,
    /// See [`Shared`].
    pub lost_stall_reports: u64,
    /// Forks of this process, those of spawns included.
    pub forks: u64,
    /// Forks that did not wait long enough for our native threads.
    pub late_forks: u64,
    /// Median of what our fork handlers took in the parent, in nanoseconds.
    pub fork_handlers_p50_ns: u64,
    /// 99th percentile of the same.
    pub fork_handlers_p99_ns: u64,
    /// What was left in the buffers when the collector stopped.
    pub left_behind: Vec<LeftBehind>,
}

/// Adds up the counters of every slot and the process-wide ones.
pub fn snapshot() -> SamplerStatistics {
    let shared = shared();
    let Ends {
        faults_before,
        left_behind,
    } = ENDS.get();
    let mut sum = SamplerStatistics {
        signals_sent: shared.signals_sent.load(Relaxed),
        forged_signals: shared.forged.load(Relaxed),
        unqueued_signals: shared.unqueued.load(Relaxed),
        lost_signals: shared.lost_signals.load(Relaxed),
        faults: pronghorn_v8::fault::fixups() - faults_before.load(Relaxed),
        handler_p50_ns: shared.handler_time.percentile_ns(0.5),
        handler_p99_ns: shared.handler_time.percentile_ns(0.99),
        handler_max_ns: shared.handler_time.max_ns(),
        handler_total_ns: shared.handler_time.sum_ns(),
        resolve_total_ns: shared.resolve_time.sum_ns(),
        resolve_max_ns: shared.resolve_time.max_ns(),
        collection_ns: shared.collection_ns.load(Relaxed),
        ticker_cpu_ns: crate::ticker::cpu_ns(),
        forgotten_label_sets: shared.forgotten_label_sets.load(Relaxed),
        lost_labels: shared.lost_labels.load(Relaxed),
        unfinished_resolves: shared.unfinished_resolves.load(Relaxed),
        stalls: shared.stalls.load(Relaxed),
        stall_reports: shared.stall_reports.load(Relaxed),
        lost_stall_reports: shared.lost_stall_reports.load(Relaxed),
        forks: fork::handlers_time().count(),
        late_forks: fork::late_forks(),
        fork_handlers_p50_ns: fork::handlers_time().percentile_ns(0.5),
        fork_handlers_p99_ns: fork::handlers_time().percentile_ns(0.99),
        left_behind: left_behind.lock().with(|left| left.clone()),
        ..SamplerStatistics::default()
    };
    for (_, slot) in crate::slot::all() {
        let counters = &slot.counters;
        sum.samples += counters.samples.load(Relaxed);
        sum.dropped += counters.dropped.load(Relaxed);
        sum.deferred += counters.deferred.load(Relaxed);
        sum.broken += counters.broken.load(Relaxed);
        sum.refused += counters.refused.load(Relaxed);
        sum.truncated += counters.truncated.load(Relaxed);
        sum.gc += counters.gc.load(Relaxed);
        sum.idle += counters.idle.load(Relaxed);
        sum.bad_frames += counters.bad_frames.load(Relaxed);
    }
    sum
}

/// Everything back to zero, for a start.
pub fn clear() {
    // Where the kernel wipes nothing they stay where they are.
    SHARED.install();
    for (_, slot) in crate::slot::all() {
        slot.counters.clear();
    }
    shared().clear();
    ENDS.get().clear();
    fork::clear_statistics();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_leaves_nothing_of_what_was_counted() {
        let shared = Shared::new();
        for histogram in [&shared.handler_time, &shared.resolve_time] {
            histogram.record(7);
        }
        for counter in [
            &shared.signals_sent,
            &shared.forged,
            &shared.unqueued,
            &shared.lost_signals,
            &shared.ticker_cpu_ns,
            &shared.forgotten_label_sets,
            &shared.lost_labels,
            &shared.unfinished_resolves,
            &shared.collection_ns,
            &shared.stalls,
            &shared.stall_reports,
            &shared.lost_stall_reports,
        ] {
            counter.store(7, Relaxed);
        }
        let Shared {
            handler_time,
            resolve_time,
            signals_sent,
            forged,
            unqueued,
            lost_signals,
            ticker_cpu_ns,
            forgotten_label_sets,
            lost_labels,
            unfinished_resolves,
            collection_ns,
            stalls,
            stall_reports,
            lost_stall_reports,
        } = shared.inherited();
        for histogram in [handler_time, resolve_time] {
            let sums = (histogram.count(), histogram.sum_ns(), histogram.max_ns());
            assert_eq!(sums, (0, 0, 0));
        }
        for counter in [
            signals_sent,
            forged,
            unqueued,
            lost_signals,
            ticker_cpu_ns,
            forgotten_label_sets,
            lost_labels,
            unfinished_resolves,
            collection_ns,
            stalls,
            stall_reports,
            lost_stall_reports,
        ] {
            assert_eq!(counter.load(Relaxed), 0);
        }
    }

    #[test]
    fn a_fork_leaves_nothing_of_a_sessions_ends() {
        let ends = Ends::new();
        ends.faults_before.store(u64::MAX, Relaxed);
        let left = LeftBehind {
            thread_id: 7,
            thread_name: "main".to_owned(),
            samples: 7,
        };
        ends.left_behind.lock().with(|all| all.push(left));
        // Held by a thread that is gone.
        std::mem::forget(ends.left_behind.lock());

        let Ends {
            faults_before,
            left_behind,
        } = ends.inherited();
        // The counter that goes on is counted from here.
        assert_eq!(faults_before.load(Relaxed), pronghorn_v8::fault::fixups());
        assert!(left_behind.lock().with(|all| all.is_empty()));
    }
}
