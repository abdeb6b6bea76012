//! What happened since the last start, counted where it happened.
//!
//! Threads: a slot's counters are written by its own thread and its handler, read by anyone; relaxed, a snapshot may miss
//! what is in flight. Nothing here decides anything.

use crate::histogram::Histogram;
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

/// Durations of the handler, all threads together.
pub static HANDLER_TIME: Histogram = Histogram::new();
/// Durations of the passes that resolve a buffer, all threads together.
pub static RESOLVE_TIME: Histogram = Histogram::new();
/// Signals sent since the last start.
pub static SIGNALS_SENT: AtomicU64 = AtomicU64::new(0);
/// CPU nanoseconds of the ticker thread since the last start.
pub static TICKER_CPU: AtomicU64 = AtomicU64::new(0);

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
    /// CPU time of the ticker, in nanoseconds.
    pub ticker_cpu_ns: u64,
    /// What was left in the buffers when the collector stopped.
    pub left_behind: Vec<LeftBehind>,
}

/// Adds up the counters of every slot and the process-wide ones. `left_behind` and the process-lifetime counters of
/// other modules are the collector's to fill in.
pub fn snapshot() -> SamplerStatistics {
    let mut sum = SamplerStatistics {
        signals_sent: SIGNALS_SENT.load(Relaxed),
        handler_p50_ns: HANDLER_TIME.percentile_ns(0.5),
        handler_p99_ns: HANDLER_TIME.percentile_ns(0.99),
        handler_max_ns: HANDLER_TIME.max_ns(),
        handler_total_ns: HANDLER_TIME.sum_ns(),
        resolve_total_ns: RESOLVE_TIME.sum_ns(),
        resolve_max_ns: RESOLVE_TIME.max_ns(),
        ticker_cpu_ns: TICKER_CPU.load(Relaxed),
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
    for (_, slot) in crate::slot::all() {
        slot.counters.clear();
    }
    HANDLER_TIME.clear();
    RESOLVE_TIME.clear();
    SIGNALS_SENT.store(0, Relaxed);
    TICKER_CPU.store(0, Relaxed);
}
