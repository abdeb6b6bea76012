//! What has been counted, as it is told: all threads together.
//!
//! Threads: from any; what is in flight may be missing. Fork: a snapshot is the caller's own.

use std::sync::atomic::Ordering::Relaxed;

use pronghorn_sync::fork;

use super::ends::{ENDS, Ends};
use super::shared;
#[cfg(doc)]
use super::{Shared, SlotCounters};

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
