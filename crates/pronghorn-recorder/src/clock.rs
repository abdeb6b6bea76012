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

/// How far the real-time clock may be from the end of a period before the next one begins where the clock is instead.
const JUMP_NS: u64 = 1_000_000_000;

/// A moment by two clocks: the one that people read, and one that nobody sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    real: ProfileTime,
    monotonic_ns: u64,
}

impl Moment {
    /// Both readings, taken one directly after the other.
    #[must_use]
    pub const fn new(real: ProfileTime, monotonic_ns: u64) -> Self {
        Self { real, monotonic_ns }
    }

    /// By the clock that people read.
    #[must_use]
    pub(crate) const fn real(self) -> ProfileTime {
        self.real
    }

    /// When the period that began at this moment has ended if it is over `now`, and where the next one begins.
    ///
    /// A period is as long as the monotonic clock says, whatever has become of the other. The next one begins at its end, so that there is neither a gap nor an
    /// overlap; unless the real-time clock has been set, or the machine has slept, meanwhile: then it begins where that clock stands.
    pub(crate) fn period_until(self, now: Self) -> (ProfileTime, Self) {
        let monotonic_ns = now.monotonic_ns.max(self.monotonic_ns);
        let length = monotonic_ns - self.monotonic_ns;
        let finish = ProfileTime(self.real.0.saturating_add(length));
        let has_jumped = finish.0.abs_diff(now.real.0) >= JUMP_NS;
        let real = if has_jumped { now.real } else { finish };
        (finish, Self { real, monotonic_ns })
    }
}

impl From<ProfileTime> for Moment {
    /// Of a clock that nobody sets.
    fn from(real: ProfileTime) -> Self {
        Self::new(real, real.0)
    }
}
