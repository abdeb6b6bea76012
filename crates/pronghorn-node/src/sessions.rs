//! The sessions of this process: the one that runs, the one before it, and a stop that has not come to its end.
//!
//! Threads: from any JavaScript thread and the watcher of signals, under one lock, which is never held while samples are waited for or serialized.
//!
//! Fork: the reset puts a fresh state in place; the parent's sessions are abandoned, with whatever lock was held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pronghorn_recorder::{ProfileInfo, Recorder};
use pronghorn_sampler::clock::Reading;
use pronghorn_sync::{Alone, Guarded, Resettable};

use crate::claim::Claim;
use crate::own_work::OwnWork;
use crate::rotation::Flush;
use crate::source_maps::Patience;
use crate::statistics::Stats;

/// What a started profiler consists of here.
pub(crate) struct Session {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) info: ProfileInfo,
    pub(crate) start_ns: u64,
    /// Rotations wait for source maps that long at most, in nanoseconds, if somebody has said so.
    pub(crate) source_map_patience_ns: Option<f64>,
    /// CPU time of the threads that made its profiles. A statistic, which nothing is decided by.
    pub(crate) encode_cpu_ns: AtomicU64,
}

impl Session {
    /// The counters of this moment.
    pub(crate) fn stats(&self) -> Stats {
        let encode_cpu_ns = self.encode_cpu_ns.load(Relaxed);
        Stats::now(self.recorder.statistics(), self.start_ns, encode_cpu_ns)
    }
}

/// The sessions of this process.
pub(crate) struct Sessions {
    pub(crate) current: Option<Arc<Session>>,
    /// The last session, for `stats()` after a stop.
    pub(crate) last: Option<Arc<Session>>,
    /// A stop of which this thread still has samples to resolve.
    pub(crate) ending: Option<Ending>,
}

/// Sampling is off and the session is over, but for the lines of samples that the calling thread keeps.
pub(crate) struct Ending {
    pub(crate) claim: Claim,
    pub(crate) session: Arc<Session>,
    /// When the last period ended.
    pub(crate) end: Reading,
}

impl Ending {
    /// Makes the last profile.
    pub(crate) fn flush(self, patience: Patience) -> OwnWork<Flush> {
        Flush::last(self.claim, self.session, self.end, patience)
    }
}

struct State {
    sessions: Guarded<Sessions>,
}

impl State {
    const fn new() -> Self {
        Self {
            sessions: Guarded::new(Sessions {
                current: None,
                last: None,
                ending: None,
            }),
        }
    }

    /// What a child starts with: nothing runs, and nothing rotates.
    fn inherited(&self) -> Self {
        let Self { sessions: _ } = self;
        Self::new()
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// The lock is never held while samples are waited for or serialized.
pub(crate) fn with_sessions<R>(work: impl FnOnce(&mut Sessions) -> R) -> R {
    STATE.get().sessions.lock().with(work)
}

/// In a forked process: what this file keeps.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

/// The stop that this thread has to go on with, if there is one.
pub(crate) fn take_ending() -> Option<Ending> {
    with_sessions(|sessions| sessions.ending.take())
}

#[cfg(test)]
mod tests {
    use pronghorn_recorder::ProfileTime;

    use super::*;
    use crate::fork::in_own_process;

    #[test]
    fn a_fork_leaves_nothing_of_what_was_set() {
        let state = State::new();
        let session = Arc::new(Session {
            recorder: Recorder::new(ProfileTime::now()),
            info: ProfileInfo::default(),
            start_ns: 7,
            source_map_patience_ns: None,
            encode_cpu_ns: AtomicU64::new(0),
        });
        state.sessions.lock().with(|sessions| {
            sessions.current = Some(Arc::clone(&session));
            sessions.last = Some(Arc::clone(&session));
            let claim = Claim::new(in_own_process().unwrap()).unwrap();
            let end = Reading::now();
            sessions.ending = Some(Ending {
                claim,
                session,
                end,
            });
        });
        // Held by a thread that is gone.
        std::mem::forget(state.sessions.lock());

        let State { sessions } = state.inherited();
        let all = |sessions: &mut Sessions| {
            let Sessions {
                current,
                last,
                ending,
            } = sessions;
            (current.is_none(), last.is_none(), ending.is_none())
        };
        assert_eq!(sessions.lock().with(all), (true, true, true));
    }
}
