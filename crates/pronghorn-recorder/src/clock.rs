//! The times of a profile.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time by the real-time clock, in nanoseconds since 1970-01-01T00:00:00Z.
///
/// The recorder never reads a clock for these: its callers hand the reading in, so that a test can put the clock wherever
/// it likes, and one reading can serve several components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileTime(u64);

impl ProfileTime {
    /// The time that many nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos_since_epoch(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn nanos_since_epoch(self) -> u64 {
        self.0
    }

    /// What the real-time clock reads now. A clock before 1970 reads 0, one after 2554 the largest time.
    #[must_use]
    pub fn now() -> Self {
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
            });
        Self(nanos)
    }

    /// Nanoseconds from `earlier` to this time; 0 if that lies in the future.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
