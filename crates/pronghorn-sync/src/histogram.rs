//! A log-linear histogram of durations that a signal handler can write: fixed size, atomics only.
//!
//! Threads: any number write, any number read; each bucket is one relaxed counter, so a snapshot may miss writes in
//! flight. Eight buckets per power of two keep a percentile within 12.5% of the truth.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const STEPS_PER_OCTAVE: usize = 8;
const OCTAVES: usize = 32;
const BUCKETS: usize = STEPS_PER_OCTAVE * OCTAVES;

/// Counts of durations in nanoseconds, up to about four seconds.
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    max: AtomicU64,
    sum: AtomicU64,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a const, for statics")]
    pub const fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            max: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one duration. Async-signal-safe.
    pub fn record(&self, nanos: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(nanos, Relaxed);
        self.max.fetch_max(nanos, Relaxed);
    }

    /// Forgets everything counted so far.
    pub fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Relaxed);
        }
        self.max.store(0, Relaxed);
        self.sum.store(0, Relaxed);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// The longest duration counted, in nanoseconds.
    pub fn max_ns(&self) -> u64 {
        self.max.load(Relaxed)
    }

    /// The sum of all durations counted, in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// The duration that `share` (0 to 1) of what was counted does not exceed, in nanoseconds; 0 when nothing was counted.
    pub fn percentile_ns(&self, share: f64) -> u64 {
        let total = self.count();
        if total == 0 {
            return 0;
        }
        let wanted = ((total as f64) * share).ceil() as u64;
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket.load(Relaxed);
            if seen >= wanted {
                return upper_bound_of(index).min(self.max_ns());
            }
        }
        self.max_ns()
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < STEPS_PER_OCTAVE as u64 {
        return nanos as usize;
    }
    let octave = nanos.ilog2() as usize;
    let step = (nanos >> (octave - 3)) as usize & (STEPS_PER_OCTAVE - 1);
    ((octave - 2) * STEPS_PER_OCTAVE + step).min(BUCKETS - 1)
}

fn upper_bound_of(index: usize) -> u64 {
    if index < STEPS_PER_OCTAVE {
        return index as u64;
    }
    let octave = index / STEPS_PER_OCTAVE + 2;
    let step = (index % STEPS_PER_OCTAVE) as u64;
    (1 << octave) + ((step + 1) << (octave - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_within_its_bucket() {
        for nanos in (0..5_000).chain([1 << 20, (1 << 20) + 1, 123_456_789, 1 << 33]) {
            let index = bucket_of(nanos);
            assert!(upper_bound_of(index) >= nanos, "{nanos}");
            if index > 0 {
                assert!(upper_bound_of(index - 1) < nanos, "{nanos}");
            }
        }
    }

    #[test]
    fn percentiles_are_within_an_eighth() {
        let histogram = Histogram::new();
        for nanos in 1..=1_000u64 {
            histogram.record(nanos * 100);
        }
        let p50 = histogram.percentile_ns(0.5) as f64;
        assert!((p50 / 50_000.0 - 1.0).abs() < 0.125, "{p50}");
        assert_eq!(histogram.percentile_ns(1.0), 100_000);
        histogram.clear();
        assert_eq!(histogram.percentile_ns(0.5), 0);
    }
}
