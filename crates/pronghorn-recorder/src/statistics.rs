//! What the recorder counts. Nothing here is ever read to decide anything.
//!
//! Threads: any, all with `Relaxed`; each number is exact, but a snapshot taken meanwhile may hold one number from
//! before an event and another from after it. A fork copies the numbers; the recorder's reset puts new ones in place.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The numbers since the recorder was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatisticsSnapshot {
    /// Samples recorded: the sum of [`Values::count`](crate::Values).
    pub recorded: u64,
    /// Samples that callers reported as dropped.
    pub dropped: u64,
    /// Periods that became a profile.
    pub serializations: u64,
    /// Periods that did not: the serialization failed, panicked, or was never asked for.
    pub failures: u64,
    /// The quickest successful serialization, in nanoseconds; 0 before the first.
    pub serialize_min_ns: u64,
    /// The mean of the successful serializations, in nanoseconds; 0 before the first.
    pub serialize_mean_ns: u64,
    /// The slowest successful serialization, in nanoseconds; 0 before the first.
    pub serialize_max_ns: u64,
}

#[derive(Debug)]
pub(crate) struct Statistics {
    recorded: AtomicU64,
    dropped: AtomicU64,
    serializations: AtomicU64,
    failures: AtomicU64,
    serialize_total_ns: AtomicU64,
    serialize_min_ns: AtomicU64,
    serialize_max_ns: AtomicU64,
}

impl Statistics {
    pub(crate) fn new() -> Self {
        Self {
            recorded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            serializations: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            serialize_total_ns: AtomicU64::new(0),
            serialize_min_ns: AtomicU64::new(u64::MAX),
            serialize_max_ns: AtomicU64::new(0),
        }
    }

    pub(crate) fn note_recorded(&self, samples: u64) {
        self.recorded.fetch_add(samples, Relaxed);
    }

    pub(crate) fn note_dropped(&self, samples: u64) {
        self.dropped.fetch_add(samples, Relaxed);
    }

    pub(crate) fn note_serialization(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.serialize_total_ns.fetch_add(nanos, Relaxed);
        self.serialize_min_ns.fetch_min(nanos, Relaxed);
        self.serialize_max_ns.fetch_max(nanos, Relaxed);
        self.serializations.fetch_add(1, Relaxed);
    }

    pub(crate) fn note_failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> StatisticsSnapshot {
        let serializations = self.serializations.load(Relaxed);
        let total = self.serialize_total_ns.load(Relaxed);
        let min = self.serialize_min_ns.load(Relaxed);
        StatisticsSnapshot {
            recorded: self.recorded.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            serializations,
            failures: self.failures.load(Relaxed),
            // The largest number stands for "none yet" inside, but would mislead a reader.
            serialize_min_ns: if min == u64::MAX { 0 } else { min },
            serialize_mean_ns: total.checked_div(serializations).unwrap_or(0),
            serialize_max_ns: self.serialize_max_ns.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_mean_and_maximum_are_those_of_the_serializations() {
        let statistics = Statistics::new();
        assert_eq!(statistics.snapshot(), StatisticsSnapshot::default());
        for nanos in [30, 10, 80] {
            statistics.note_serialization(Duration::from_nanos(nanos));
        }
        let snapshot = statistics.snapshot();
        assert_eq!(snapshot.serializations, 3);
        assert_eq!(snapshot.serialize_min_ns, 10);
        assert_eq!(snapshot.serialize_mean_ns, 40);
        assert_eq!(snapshot.serialize_max_ns, 80);
    }

    #[test]
    fn each_count_has_its_own_number() {
        let statistics = Statistics::new();
        statistics.note_recorded(5);
        statistics.note_recorded(0);
        statistics.note_dropped(2);
        statistics.note_failure();
        let snapshot = statistics.snapshot();
        assert_eq!(
            (
                snapshot.recorded,
                snapshot.dropped,
                snapshot.serializations,
                snapshot.failures
            ),
            (5, 2, 0, 1)
        );
    }
}
