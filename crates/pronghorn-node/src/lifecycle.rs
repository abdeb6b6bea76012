//! Start, rotate, stop: one profiler per process.
//!
//! Threads: all entries run on JavaScript threads, the flush of a rotation on the thread for it (work_thread.rs). What belongs
//! to a running profiler is in `sessions.rs`.
//!
//! Fork: every entry refuses to work in a forked process until it has been reset (`in_own_process` and `check_start` in fork.rs), so that it takes no lock and shows
//! nothing of the parent's. A rotation of the parent's that comes to its end in the child belongs to another generation and changes nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use napi::bindgen_prelude::{Env, FnArgs, Function, Unknown};
use napi_derive::napi;
use pronghorn_sampler::clock::Reading;
use pronghorn_sampler::settle::{Extent, FIRST_SLICE, SLICE};
use pronghorn_sampler::slot::ThreadSlot;
use pronghorn_sampler::{clock, collector, event_loop, failure, proof, session, settle, ticker};
use pronghorn_sync::fork;

use crate::claim::{self, Claim};
use crate::error::{Code, Failure, Result, guarded};
use crate::fork::{check_start, in_own_process, tell_of_fork};
use crate::listener::{self, Listener};
use crate::options::StartOptions;
use crate::rotation::{Flush, Flushed, NativeProfile};
use crate::sessions::{Ending, Session, take_ending, with_sessions};
use crate::source_maps::{self, Patience};
use crate::statistics::{CapabilitiesObject, Stats};
use crate::work_thread;

/// How long an entry that cannot wait for a promise waits for a rotation that is under way.
pub(crate) const LONGEST_ROTATION_NS: u64 = 1_000_000_000;

/// What `probe` found.
#[napi(object)]
pub struct Probe {
    /// Whether a start can succeed here.
    pub supported: bool,
    /// If not, why.
    pub reason: String,
}

/// Whether this runtime can be profiled. Never throws.
#[napi]
pub fn probe() -> Probe {
    if fork::forked() {
        // Looking would touch what is to be reset first; a start looks anyway.
        return Probe {
            supported: true,
            reason: String::new(),
        };
    }
    match guarded(|| {
        collector::probe().map_err(|reason| Failure::new(Code::UnsupportedRuntime, reason))
    }) {
        Ok(_) => Probe {
            supported: true,
            reason: String::new(),
        },
        Err(failure) => Probe {
            supported: false,
            reason: failure.message,
        },
    }
}

/// Starts sampling the calling thread. `probe_function` is called once, with a callback that it has to call.
#[napi(
    ts_args_type = "options: StartOptions, probeFunction: (callback: () => unknown) => unknown, onFailure: (code: string, message: string) => void, onFork: () => void, onStall: () => void",
    ts_return_type = "Capabilities"
)]
pub fn start(
    env: Env,
    options: StartOptions,
    probe_function: Function<Function<(), ()>, Unknown<'_>>,
    on_failure: Function<FnArgs<(String, String)>, ()>,
    on_fork: Function<(), ()>,
    on_stall: Function<(), ()>,
) -> Result<CapabilitiesObject> {
    let began = clock::monotonic_ns();
    guarded(|| {
        check_start()?;
        let checked = options.check()?;
        if let Some(place) = &options.inject_panic
            && !failure::injection::arm(place)
        {
            let message = format!("there is no place called '{place}' to panic in");
            return Err(Failure::new(Code::InvalidOption, message));
        }
        let running = with_sessions(|sessions| sessions.current.is_some());
        if running || claim::is_taken() {
            return Err(Failure::new(
                Code::AlreadyStarted,
                "a profiler is running in this process",
            ));
        }
        let failed = |error: napi::Error| Failure::new(Code::Internal, error.to_string());
        let look = env
            .create_function_from_closure::<(), (), _>("look", |_| {
                proof::look();
                Ok(())
            })
            .map_err(failed)?;
        let listener =
            Listener::new(env, &on_failure, &on_fork, Some(&on_stall)).map_err(failed)?;
        let mut called = Ok(());
        let started = collector::start(&checked, "main", &mut || {
            called = probe_function.call(look).map(|_| ());
        });
        called.map_err(failed)?;
        started?;
        let recorder = session::recorder()
            .ok_or_else(|| Failure::new(Code::Internal, "the recorder is missing"))?;
        listener::set(Some(listener));
        event_loop::set_hooks(before_poll, tell_of_fork);
        source_maps::begin_session();
        let session = Session {
            recorder,
            info: options.profile_info(&checked),
            start_ns: clock::monotonic_ns().saturating_sub(began),
            source_map_patience_ns: options.source_map_patience_nanos,
            encode_cpu_ns: AtomicU64::new(0),
        };
        with_sessions(|sessions| sessions.current = Some(Arc::new(session)));
        pronghorn_sampler::capabilities()
            .map(CapabilitiesObject::from)
            .ok_or_else(|| Failure::new(Code::Internal, "capabilities are missing"))
    })
    .map_err(Into::into)
}

/// Behind each safe point before a poll.
fn before_poll(slot: &ThreadSlot) {
    listener::tell(slot);
    work_thread::stand_ready(slot);
}

/// Ends one period and begins the next. This thread's samples are resolved before it returns, as far as a first slice allows; the rest happens on
/// another thread, and begins there with a wait for this thread's next slices. Returns the number by which `finishedProfile()` knows it.
#[napi]
pub fn rotate() -> Result<u32> {
    guarded(|| {
        let process = in_own_process()?;
        let session = with_sessions(|sessions| sessions.current.clone()).ok_or_else(not_started)?;
        let claim = Claim::new(process)?;
        let waiting = settle::begin();
        process.check()?;
        Ok(Flush::rotation(claim, session, waiting, Patience::OF_PROMISE).give_rotation())
    })
    .map_err(Into::into)
}

/// The same on the calling thread, for what cannot wait. Waits for a rotation that is under way.
#[napi]
pub fn rotate_sync() -> Result<NativeProfile> {
    guarded(|| {
        let process = in_own_process()?;
        let session = with_sessions(|sessions| sessions.current.clone()).ok_or_else(not_started)?;
        let claim = Claim::new_here_by(process, clock::monotonic_ns() + LONGEST_ROTATION_NS)?;
        Flush::rotation(claim, session, settle::settle(), Patience::ON_MAIN_THREAD)
            .run()
            .map(Flushed::into_profile)
    })
    .map_err(Into::into)
}

/// Switches the sampler off, then ends the last period; serialized on another thread. Returns the number by which `finishedProfile()` knows it.
///
/// Null instead: sampling is off, and a first slice was not enough for this thread's samples. Each further call is another one; with
/// `whole` it takes its time.
#[napi]
pub fn stop(whole: bool) -> Result<Option<u32>> {
    guarded(|| {
        let process = in_own_process()?;
        let (ending, has_all) = match take_ending() {
            Some(ending) if whole => (ending, settle::go_on(Extent::Whole)),
            Some(ending) => (ending, settle::go_on(Extent::Slice(SLICE))),
            None => end_session(Claim::new(process)?, Extent::Kept(FIRST_SLICE))?,
        };
        process.check()?;
        if !has_all {
            with_sessions(|sessions| sessions.ending = Some(ending));
            return Ok(None);
        }
        Ok(Some(ending.flush(Patience::OF_PROMISE).give_rotation()))
    })
    .map_err(Into::into)
}

/// The same on the calling thread, for the process's end. Waits for a rotation that is under way.
#[napi]
pub fn stop_sync() -> Result<NativeProfile> {
    guarded(|| {
        let process = in_own_process()?;
        let ending = match take_ending() {
            Some(ending) => {
                settle::go_on(Extent::Whole);
                ending
            }
            None => {
                let by = clock::monotonic_ns() + LONGEST_ROTATION_NS;
                end_session(Claim::new_here_by(process, by)?, Extent::Whole)?.0
            }
        };
        ending
            .flush(Patience::ON_MAIN_THREAD)
            .run()
            .map(Flushed::into_profile)
    })
    .map_err(Into::into)
}

/// Settles, the calling thread as far as `own` says, stops the sampler, and takes the session out. Says whether nothing of the calling thread's is left.
fn end_session(claim: Claim, own: Extent) -> std::result::Result<(Ending, bool), Failure> {
    let process = claim.process;
    let session = with_sessions(|sessions| sessions.current.take()).ok_or_else(not_started)?;
    // Nobody waits for it later: nothing from here on needs another tick.
    ticker::begin_stop();
    let mut has_all = settle::settle_own(own);
    let others = settle::end_others();
    let is_over = others.is_over();
    others.finish(clock::monotonic_ns() + crate::rotation::PATIENCE_NS);
    if !is_over {
        // Once more, for what was sampled while the others were waited for.
        has_all = settle::settle_own(own);
    }
    process.check()?;
    collector::stop();
    process.check()?;
    session::release_recorder();
    listener::set(None);
    with_sessions(|sessions| sessions.last = Some(Arc::clone(&session)));
    let end = Reading::now();
    let ending = Ending {
        claim,
        session,
        end,
    };
    Ok((ending, has_all))
}

/// After a stop, for work of the application's side that a child must not go on with: forks are looked for before the event loop polls, as while the
/// profiler runs, until `end_watch`. Does nothing while it runs.
#[napi(ts_args_type = "onFailure: (code: string, message: string) => void, onFork: () => void")]
pub fn watch_forks(
    env: Env,
    on_failure: Function<FnArgs<(String, String)>, ()>,
    on_fork: Function<(), ()>,
) -> Result<()> {
    guarded(|| {
        in_own_process()?;
        if with_sessions(|sessions| sessions.current.is_some()) {
            return Ok(());
        }
        let failed = |error: napi::Error| Failure::new(Code::Internal, error.to_string());
        let listener = Listener::new(env, &on_failure, &on_fork, None).map_err(failed)?;
        listener::set(Some(listener));
        collector::watch_forks(true);
        Ok(())
    })
    .map_err(Into::into)
}

/// Ends `watch_forks`. Does nothing while the profiler runs.
#[napi]
pub fn end_watch() -> Result<()> {
    guarded(|| {
        in_own_process()?;
        if with_sessions(|sessions| sessions.current.is_none()) {
            collector::watch_forks(false);
            listener::set(None);
        }
        Ok(())
    })
    .map_err(Into::into)
}

/// For the watcher, when a signal ends the process: waits for a rotation that is under way until `by`, for what the JavaScript threads can give until
/// `deadline` (both monotonic), and returns the last profile.
pub(crate) fn flush_at_end(by: u64, deadline: u64) -> std::result::Result<Vec<u8>, Failure> {
    let process = in_own_process()?;
    let is_ending = with_sessions(|sessions| sessions.ending.is_some());
    let first = if is_ending { deadline } else { by };
    let claim = match Claim::new_by(process, first) {
        Ok(claim) => claim,
        Err(_) => match take_ending() {
            Some(ending) => {
                // A stop whose thread does not come to resolve the rest, which is lost.
                let lost = settle::kept_by_main();
                ending.session.recorder.note_dropped(lost);
                return ending.flush(Patience::OF_WATCHER).run_keeping_rotation();
            }
            // If it was one, its thread has come meanwhile.
            None => Claim::new_by(process, by)?,
        },
    };
    let session = with_sessions(|sessions| sessions.current.take()).ok_or_else(not_started)?;
    let waiting = {
        let _section = fork::enter();
        settle::settle()
    };
    waiting.finish(deadline);
    session::disarm();
    let end = Reading::now();
    Flush::last(claim, session, end, Patience::OF_WATCHER).run_keeping_rotation()
}

fn not_started() -> Failure {
    Failure::new(Code::NotStarted, "no profiler is running")
}

/// The counters since the last start.
#[napi]
pub fn stats() -> Result<Stats> {
    guarded(|| {
        in_own_process()?;
        with_sessions(|sessions| sessions.current.clone().or_else(|| sessions.last.clone()))
            .map(|session| session.stats())
            .ok_or_else(not_started)
    })
    .map_err(Into::into)
}

/// What works in this process now.
#[napi(ts_return_type = "Capabilities")]
pub fn capabilities() -> Result<CapabilitiesObject> {
    guarded(|| {
        in_own_process()?;
        pronghorn_sampler::capabilities()
            .map(CapabilitiesObject::from)
            .ok_or_else(not_started)
    })
    .map_err(Into::into)
}
