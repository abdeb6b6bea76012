//! Start, rotate, stop, and what they share: one profiler per process, one rotation at a time.
//!
//! Threads: all entries run on JavaScript threads, the flush of a rotation in libuv's pool. `STATE` holds what belongs to a
//! running profiler; it is never held while samples are waited for or serialized.

use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Mutex, MutexGuard};

use napi::bindgen_prelude::{AsyncTask, Env, FnArgs, Function, FunctionRef, Unknown};
use napi_derive::napi;
use pronghorn_recorder::{ProfileInfo, Recorder};
use pronghorn_sampler::slot::ThreadSlot;
use pronghorn_sampler::{clock, collector, event_loop, failure, proof};

use crate::error::{Code, Failure, Result, guarded};
use crate::options::StartOptions;
use crate::rotation::{Flush, Flushed, NativeProfile};
use crate::statistics::{CapabilitiesObject, Stats};

type FailureListener = FunctionRef<FnArgs<(String, String)>, ()>;

/// What a started profiler consists of here.
pub(crate) struct Session {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) info: ProfileInfo,
    pub(crate) start_ns: u64,
}

impl Session {
    /// The counters of this moment.
    pub(crate) fn stats(&self) -> Stats {
        Stats::now(self.recorder.statistics(), self.start_ns)
    }
}

struct State {
    session: Option<Arc<Session>>,
    /// The last session, for `stats()` after a stop.
    last: Option<Arc<Session>>,
}

static STATE: Mutex<State> = Mutex::new(State {
    session: None,
    last: None,
});
/// A rotation, or the flush of a stop, has begun and its profile is not there yet.
pub(crate) static ROTATING: AtomicBool = AtomicBool::new(false);

struct Listener {
    thread: i32,
    env: Env,
    function: FailureListener,
}
// SAFETY: used only on the JavaScript thread it was made on (`tell_failure` compares the thread ids).
unsafe impl Send for Listener {}
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(|poison| poison.into_inner())
}

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
    ts_args_type = "options: StartOptions, probeFunction: (callback: () => unknown) => unknown, onFailure: (code: string, message: string) => void",
    ts_return_type = "Capabilities"
)]
pub fn start(
    env: Env,
    options: StartOptions,
    probe_function: Function<Function<(), ()>, Unknown<'_>>,
    on_failure: Function<FnArgs<(String, String)>, ()>,
) -> Result<CapabilitiesObject> {
    let began = clock::monotonic_ns();
    guarded(|| {
        let checked = options.check()?;
        if let Some(place) = &options.inject_panic
            && !failure::injection::arm(place)
        {
            let message = format!("there is no place called '{place}' to panic in");
            return Err(Failure::new(Code::InvalidOption, message));
        }
        if state().session.is_some() || ROTATING.load(Acquire) {
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
        let listener = on_failure.create_ref().map_err(failed)?;
        let mut called = Ok(());
        let started = collector::start(&checked, "main", &mut || {
            called = probe_function.call(look).map(|_| ());
        });
        called.map_err(failed)?;
        started?;
        let recorder = collector::recorder()
            .ok_or_else(|| Failure::new(Code::Internal, "the recorder is missing"))?;
        *LISTENER.lock().unwrap_or_else(|poison| poison.into_inner()) = Some(Listener {
            // SAFETY: gettid has no preconditions.
            thread: unsafe { libc::gettid() },
            env,
            function: listener,
        });
        event_loop::set_after_safe_point(tell_failure);
        state().session = Some(Arc::new(Session {
            recorder,
            info: ProfileInfo {
                period_ns: checked.interval_ns,
                comments: vec![options.versions.clone()],
            },
            start_ns: clock::monotonic_ns().saturating_sub(began),
        }));
        pronghorn_sampler::capabilities()
            .map(CapabilitiesObject::from)
            .ok_or_else(|| Failure::new(Code::Internal, "capabilities are missing"))
    })
    .map_err(Into::into)
}

/// Lets the calling thread, a worker's, take part if a profiler runs in this process. `name` is its label in profiles.
/// False if none runs.
#[napi]
pub fn join_thread(name: String) -> Result<bool> {
    guarded(|| collector::join(&name).map_err(Failure::from)).map_err(Into::into)
}

/// Tells the application, on the thread that started the profiler, that it has switched itself off.
fn tell_failure(_slot: &ThreadSlot) {
    let mut place = LISTENER.lock().unwrap_or_else(|poison| poison.into_inner());
    // SAFETY: gettid has no preconditions.
    let own = unsafe { libc::gettid() };
    if place.as_ref().is_none_or(|listener| listener.thread != own) {
        return;
    }
    let Some(reason) = failure::take() else {
        return;
    };
    // Told once, and with the lock free: the listener may call into us.
    let Some(Listener { env, function, .. }) = place.take() else {
        return;
    };
    drop(place);
    let arguments = FnArgs::from((Code::Internal.as_ref().to_owned(), reason));
    let called = env.run_in_scope(|| function.borrow_back(&env)?.call(arguments));
    // What the listener throws has been taken off the environment; there is no JavaScript below this to throw it to.
    drop(called);
}

/// Ends one period and begins the next. This thread's samples are resolved before it returns; the rest happens in libuv's
/// thread pool.
#[napi(ts_return_type = "Promise<NativeProfile>")]
pub fn rotate() -> Result<AsyncTask<Flush>> {
    guarded(|| {
        let session = state().session.clone().ok_or_else(not_started)?;
        claim_rotation()?;
        Ok(AsyncTask::new(Flush::rotation(
            session,
            collector::settle(),
        )))
    })
    .map_err(Into::into)
}

/// Switches the sampler off, then ends the last period; serialized in libuv's thread pool.
#[napi(ts_return_type = "Promise<NativeProfile>")]
pub fn stop() -> Result<AsyncTask<Flush>> {
    guarded(|| {
        claim_rotation()?;
        let session = end_session()?;
        Ok(AsyncTask::new(Flush::last(session)))
    })
    .map_err(Into::into)
}

/// The same on the calling thread, for the process's end. Waits for a rotation that is under way.
#[napi]
pub fn stop_sync() -> Result<NativeProfile> {
    guarded(|| {
        let deadline = clock::monotonic_ns() + 1_000_000_000;
        while claim_rotation().is_err() {
            if clock::monotonic_ns() > deadline {
                return Err(rotation_in_progress());
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let session = end_session()?;
        Flush::last(session).run().map(Flushed::into_profile)
    })
    .map_err(Into::into)
}

/// Settles, stops the sampler, and takes the session out. The caller has claimed the rotation, and gives it back if this
/// fails.
fn end_session() -> std::result::Result<Arc<Session>, Failure> {
    let Some(session) = state().session.take() else {
        release_rotation();
        return Err(not_started());
    };
    collector::settle().finish(clock::monotonic_ns() + crate::rotation::PATIENCE_NS);
    // Once more, for what was sampled while the others were waited for.
    collector::settle_own();
    collector::stop();
    collector::release_recorder();
    *LISTENER.lock().unwrap_or_else(|poison| poison.into_inner()) = None;
    state().last = Some(Arc::clone(&session));
    Ok(session)
}

/// For the watcher, when a signal ends the process: takes what the JavaScript threads can give until `deadline`
/// (monotonic) and returns the last profile.
pub(crate) fn flush_at_end(deadline: u64) -> std::result::Result<Vec<u8>, Failure> {
    while claim_rotation().is_err() {
        if clock::monotonic_ns() > deadline {
            return Err(rotation_in_progress());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let session = state().session.take().ok_or_else(not_started)?;
    collector::settle().finish(deadline);
    collector::disarm();
    Flush::last(session).run_keeping_rotation()
}

fn claim_rotation() -> std::result::Result<(), Failure> {
    if ROTATING.swap(true, Acquire) {
        return Err(rotation_in_progress());
    }
    Ok(())
}

/// The rotation's profile is there, or lost.
pub(crate) fn release_rotation() {
    ROTATING.store(false, Release);
}

fn not_started() -> Failure {
    Failure::new(Code::NotStarted, "no profiler is running")
}

fn rotation_in_progress() -> Failure {
    Failure::new(Code::RotationInProgress, "a rotation is in progress")
}

/// The counters since the last start.
#[napi]
pub fn stats() -> Result<Stats> {
    guarded(|| {
        let session = {
            let state = state();
            state.session.clone().or_else(|| state.last.clone())
        };
        session
            .map(|session| session.stats())
            .ok_or_else(not_started)
    })
    .map_err(Into::into)
}

/// What works in this process now.
#[napi(ts_return_type = "Capabilities")]
pub fn capabilities() -> Result<CapabilitiesObject> {
    guarded(|| {
        pronghorn_sampler::capabilities()
            .map(CapabilitiesObject::from)
            .ok_or_else(not_started)
    })
    .map_err(Into::into)
}
