//! What a sample carries of the time that has run up.
//!
//! The first sample behind a wait in the poll would carry what the thread has run since it came out of it, and the rest of what ran before the wait. The
//! later in a callback it comes, the more: of callbacks of two intervals the first quarter would have an eighth of the time. So such a sample carries no more than
//! an interval, as long as no more than two are kept; a later one behind a poll that has less gets it, and the last one of a session or a period gets all.
//!
//! Pure: no clock, no thread. Async-signal-safe.

/// So many intervals are kept for a later sample at most.
const MOST_KEPT: u64 = 2;

/// How much of what has run up a sample may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// An interval of so many nanoseconds, behind a poll; all that has run since the last one otherwise.
    Interval(u64),
    /// All there is: nothing may come after it.
    All,
}

impl Share {
    /// What a sample carries of what was kept and what has run since, and what is kept then.
    pub(super) fn of(self, kept: u64, ran: u64, has_polled: bool) -> (u64, u64) {
        match self {
            Self::All => (kept + ran, 0),
            Self::Interval(_) if !has_polled => (ran, kept),
            Self::Interval(nanos) => {
                let most = MOST_KEPT * nanos;
                let left = (kept + ran).saturating_sub(nanos).min(most);
                (kept + ran - left, left)
            }
        }
    }
}
