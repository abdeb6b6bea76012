//! The part of a rotation that takes time: waiting for other threads, the flip, names for native addresses, encoding and
//! compressing. It runs on a thread for it (work_thread.rs), or on the calling thread when the process ends. What that thread has made is kept until its
//! promise, or the process's end, fetches it: whichever comes first.
//!
//! Threads: one rotation at a time (claim.rs); what it makes is handed over through own_work.rs.
//!
//! Fork: a rotation of the parent's is abandoned in the child (own_work.rs).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use napi::bindgen_prelude::{BigInt, Buffer, Either};
use napi_derive::napi;
use pronghorn_recorder::{
    MappedScript, MappingInfo, NativeLocation, Original, Position, SerializedProfile, Symbolizer,
};
use pronghorn_sampler::clock;
use pronghorn_sampler::settle::{self, Extent, Waiting};
use pronghorn_sampler::symbolizer::ImageSymbolizer;
use pronghorn_sync::{Alone, Guarded, Resettable, failpoint};

use crate::claim::Claim;
use crate::error::{Code, Failure, guarded};
use crate::fork::{OwnProcess, in_own_process};
use crate::lifecycle::LONGEST_ROTATION_NS;
use crate::outcomes::{Outcomes, Taken};
use crate::own_work::{OwnWork, Work};
use crate::sessions::Session;
use crate::source_maps::{self, Maps, Patience, SourceMapProblem};
use crate::statistics::Stats;
use crate::work_thread::{Line, On};

/// How long a rotation waits for threads that are blocked in native code.
pub(crate) const PATIENCE_NS: u64 = 50_000_000;

struct State {
    /// Names found for earlier profiles; only ever used by one rotation at a time.
    symbolizer: Guarded<Option<ImageSymbolizer>>,
    /// Of rotations on the thread for them, of which there is one at a time. Its promise fetches it, or, where the event loop does not come to that any more,
    /// [`take_finished`].
    outcomes: Outcomes<Flushed>,
}

impl State {
    const fn new() -> Self {
        Self {
            symbolizer: Guarded::new(None),
            outcomes: Outcomes::new(),
        }
    }

    /// What a child starts with. Names of addresses are the same there, but only if nobody was at work on them. A profile that nobody has fetched is the
    /// parent's.
    fn inherited(&self) -> Self {
        let Self {
            symbolizer,
            outcomes: _,
        } = self;
        let known = symbolizer
            .try_lock()
            .and_then(|mut guard| guard.with(Option::take));
        Self {
            symbolizer: Guarded::new(known),
            ..Self::new()
        }
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// In a forked process: what this file keeps.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

/// One profile.
#[napi(object)]
pub struct NativeProfile {
    /// A gzipped pprof.
    pub data: Buffer,
    /// Nanoseconds since the epoch, by the real-time clock.
    pub start_time_nanos: BigInt,
    /// Likewise.
    pub end_time_nanos: BigInt,
    /// The counters when it was made.
    pub stats: Stats,
    /// Source maps that turned out to be unusable since the profile before.
    pub source_map_problems: Vec<SourceMapProblem>,
}

/// One profile but for the counters, of which [`finished_stats`] has told.
#[napi(object)]
pub struct FinishedProfile {
    /// As in `NativeProfile`.
    pub data: Buffer,
    /// Likewise.
    pub start_time_nanos: BigInt,
    /// Likewise.
    pub end_time_nanos: BigInt,
    /// Likewise.
    pub source_map_problems: Vec<SourceMapProblem>,
}

/// One rotation, or the flush after a stop.
pub struct Flush {
    /// The rotation, until the profile is there.
    claim: Option<Claim>,
    session: Arc<Session>,
    waiting: Option<Waiting>,
    /// If the session is over, so that nothing is recorded after this: when.
    end: Option<clock::Reading>,
    /// How long it waits for source maps.
    patience: Patience,
}

/// What came of it, on its way to the JavaScript thread.
pub struct Flushed {
    profile: SerializedProfile,
    stats: Stats,
    source_map_problems: Vec<SourceMapProblem>,
}

impl Flush {
    pub(crate) fn rotation(
        claim: Claim,
        session: Arc<Session>,
        waiting: Waiting,
        patience: Patience,
    ) -> OwnWork<Self> {
        Self::begin(claim, session, Ok(waiting), patience)
    }

    /// The flush after a stop, which was at `end`: nothing is waited for any more.
    pub(crate) fn last(
        claim: Claim,
        session: Arc<Session>,
        end: clock::Reading,
        patience: Patience,
    ) -> OwnWork<Self> {
        Self::begin(claim, session, Err(end), patience)
    }

    fn begin(
        claim: Claim,
        session: Arc<Session>,
        waiting: Result<Waiting, clock::Reading>,
        patience: Patience,
    ) -> OwnWork<Self> {
        let patience = patience.or_less(session.source_map_patience_ns);
        let process = claim.process;
        let flush = Self {
            claim: Some(claim),
            session,
            end: waiting.as_ref().err().copied(),
            waiting: waiting.ok(),
            patience,
        };
        OwnWork::new(process, flush)
    }

    fn flush(&mut self, process: OwnProcess) -> Result<Flushed, Failure> {
        let cpu_before = clock::own_cpu_ns();
        let profile = self.encode(process);
        let cpu_ns = clock::own_cpu_ns().saturating_sub(cpu_before);
        self.session.encode_cpu_ns.fetch_add(cpu_ns, Relaxed);
        Ok(Flushed {
            profile: profile?,
            stats: self.session.stats(),
            source_map_problems: source_maps::take_news(),
        })
    }

    fn encode(&mut self, process: OwnProcess) -> Result<SerializedProfile, Failure> {
        if let Some(waiting) = self.waiting.take() {
            waiting.finish(clock::monotonic_ns() + PATIENCE_NS);
        }
        let recorder = &self.session.recorder;
        failpoint!("rotation");
        process.check()?;
        let fresh = recorder.prepare();
        let period = recorder
            .flip(fresh, self.end.unwrap_or_else(clock::Reading::now))
            .map_err(|error| Failure::new(Code::RotationInProgress, error.to_string()))?;
        process.check()?;
        STATE.get().symbolizer.lock().with(|place| {
            failpoint!("symbolizer");
            process.check()?;
            let mut names = Names {
                images: place.get_or_insert_with(ImageSymbolizer::new),
                maps: Maps::new(process, self.patience),
            };
            period
                .serialize(&mut names, &self.session.info)
                .map_err(|error| Failure::new(Code::SerializeFailed, error.to_string()))
        })
    }
}

impl Work for Flush {
    type Done = Flushed;

    /// Ends the rotation whatever comes of it.
    fn run(&mut self, process: OwnProcess) -> Result<Flushed, Failure> {
        let result = guarded(|| self.flush(process));
        process.check()?;
        if self.end.is_some() {
            // In a child of a fork it may be that the recorder is never dropped.
            self.session.recorder.give_back();
        }
        self.claim = None;
        result
    }
}

impl OwnWork<Flush> {
    /// As `run`, without ending the rotation: nothing shall come after it. Only the bytes.
    pub(crate) fn run_keeping_rotation(&mut self) -> Result<Vec<u8>, Failure> {
        if let Some(claim) = self.work().claim.take() {
            claim.keep();
        }
        self.run().map(|flushed| flushed.profile.data)
    }
}

/// All that knows names of frames.
struct Names<'a> {
    images: &'a mut ImageSymbolizer,
    maps: Maps,
}

impl Symbolizer for Names<'_> {
    fn symbolize(
        &mut self,
        addresses: &[u64],
    ) -> Result<Vec<NativeLocation>, Box<dyn std::error::Error + Send + Sync>> {
        self.images.symbolize(addresses)
    }

    fn mappings(&self) -> &[MappingInfo] {
        self.images.mappings()
    }

    fn expect_scripts(&mut self, scripts: &[MappedScript<'_>]) {
        self.maps.expect(scripts);
    }

    fn has_originals(&mut self, script: usize) -> bool {
        self.maps.is_there(script)
    }

    fn originals(&mut self, script: usize, places: &[Position]) -> Vec<Option<Original>> {
        self.maps.originals(script, places)
    }
}

impl Flushed {
    /// As JavaScript gets it.
    pub(crate) fn into_profile(self) -> NativeProfile {
        let (finished, stats) = self.split();
        let FinishedProfile {
            data,
            start_time_nanos,
            end_time_nanos,
            source_map_problems,
        } = finished;
        NativeProfile {
            data,
            start_time_nanos,
            end_time_nanos,
            stats,
            source_map_problems,
        }
    }

    fn split(self) -> (FinishedProfile, Stats) {
        let finished = FinishedProfile {
            start_time_nanos: BigInt::from(self.profile.start.nanos_since_epoch()),
            end_time_nanos: BigInt::from(self.profile.finish.nanos_since_epoch()),
            data: Buffer::from(self.profile.data),
            source_map_problems: self.source_map_problems,
        };
        (finished, self.stats)
    }
}

impl OwnWork<Flush> {
    /// For the thread that makes profiles. The number by which [`finished_stats`] and [`finished_profile`] find what comes of it, from the moment when the next rotation may begin.
    pub(crate) fn give_rotation(self) -> u32 {
        let outcomes = || &STATE.get().outcomes;
        self.give(Line::Profiles, outcomes, |flush, on| {
            // Whoever waits for the end of this rotation looks for its profile then.
            let claim = flush.work().claim.take();
            let result = guarded(|| {
                if on == On::CallingThread {
                    // The one whose next slices would be waited for.
                    settle::go_on(Extent::Whole);
                    flush.work().patience = Patience::ON_MAIN_THREAD;
                }
                flush.run()
            });
            (result, claim)
        })
    }
}

/// Whether the profile of a rotation or a stop is there, by its number, and its counters; undefined while it is being made, null if [`finished_profile`] has none. The profile
/// stays where [`take_finished`] and the watcher of signals find it: JavaScript makes an object of the 48 counters, and takes the profile in its next turn.
#[napi(ts_return_type = "Stats | null | undefined")]
pub fn finished_stats(work: u32) -> crate::error::Result<Either<Option<Stats>, ()>> {
    guarded(|| {
        in_own_process()?;
        let stats = |flushed: &Flushed| flushed.stats.clone();
        Ok(match STATE.get().outcomes.peek(work, stats)? {
            Taken::NotYet => Either::B(()),
            Taken::There(stats) => Either::A(Some(stats)),
            Taken::Elsewhere => Either::A(None),
        })
    })
    .map_err(Into::into)
}

/// The profile of a rotation or a stop, by its number, once; undefined while it is being made, null if [`take_finished`] was faster, or the watcher of signals.
#[napi(ts_return_type = "FinishedProfile | null | undefined")]
pub fn finished_profile(work: u32) -> crate::error::Result<Either<Option<FinishedProfile>, ()>> {
    guarded(|| {
        in_own_process()?;
        Ok(match STATE.get().outcomes.take(work)? {
            Taken::NotYet => Either::B(()),
            Taken::There(flushed) => Either::A(Some(flushed.split().0)),
            Taken::Elsewhere => Either::A(None),
        })
    })
    .map_err(Into::into)
}

/// For the watcher of signals, behind which nothing comes: the bytes of the first profile that is made, if its promise will not come to fetch them.
pub(crate) fn take_unfetched() -> Option<Result<Vec<u8>, Failure>> {
    let result = STATE.get().outcomes.take_before()?;
    Some(result.map(|flushed| flushed.profile.data))
}

/// The profile of a rotation or a stop that is being made, or is made, and whose promise has not been settled: for the process's end, when the
/// event loop turns no more. Waits for it, for a second at most, which then waits for no source map. The promise resolves with null then. Null if there is none.
#[napi]
pub fn take_finished() -> crate::error::Result<Option<NativeProfile>> {
    guarded(|| {
        let process = in_own_process()?;
        if STATE.get().outcomes.is_empty() {
            return Ok(None);
        }
        // Held until it is given back at once: nothing is at work then.
        drop(Claim::new_here_by(
            process,
            clock::monotonic_ns() + LONGEST_ROTATION_NS,
        )?);
        let flushed = STATE.get().outcomes.take_before().transpose()?;
        Ok(flushed.map(Flushed::into_profile))
    })
    .map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_leaves_the_names_only_if_nobody_was_at_work_on_them() {
        let keeps = |state: &State| {
            let State {
                symbolizer,
                outcomes,
            } = state.inherited();
            assert!(outcomes.is_empty());
            symbolizer.lock().with(|place| place.is_some())
        };
        let state = State::new();
        state.outcomes.begin();
        let names = |place: &mut Option<_>| *place = Some(ImageSymbolizer::new());
        state.symbolizer.lock().with(names);
        assert!(keeps(&state));
        state.symbolizer.lock().with(names);
        // Held by a thread that is gone.
        std::mem::forget(state.symbolizer.lock());
        assert!(!keeps(&state));
    }
}
