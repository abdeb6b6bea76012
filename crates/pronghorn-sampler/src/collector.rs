//! The collector: the one switch of the sampler.
//!
//! Threads: all of it is called by the binding, one at a time (its own state sees to that): on the thread that controls the
//! profiler, `join` on a worker's. What handlers and safe points share lies in `session.rs`.
//!
//! Order of a start: faults, the host and its layout, signal, protection keys, fork handlers, images, settings, stalls, the thread, the proof, fresh counters, clocks and
//! recorder, the thread's account and hooks, discovery, then the gate, in a child the acknowledgement, the ticker, and the other threads are told. Order of a stop: gate, ticker, hooks, what is left is counted, faults.
//!
//! Fork: a [`start`] in the child is the last step of the reset (`reset.rs`); before it starts the ticker it acknowledges the fork.

use std::sync::atomic::Ordering::{Acquire, Release, SeqCst};

use pronghorn_recorder::Recorder;
use pronghorn_sync::{fork, own_tid};
use pronghorn_v8::{CodeRanges, IsolateView, Layout, Resolver, V8, Version};

use crate::clock::Reading;
use crate::handler::on_sampling_signal;
use crate::session::{self, Found, Settings, disarm, found, is_running, recorder};
use crate::slot::{self, ThreadSlot, WalkContext};
use crate::stack::{NativeFrames, StackBuilder};
use crate::stall::StallOptions;
use crate::statistics::{self, LeftBehind};
use crate::{
    breaker, clock, discovery, event_loop, failure, fault_users, host, interrupt, proof,
    protection_keys, signal, stack_bounds, stall, thread, ticker,
};

/// What a start is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nanoseconds between samples.
    pub interval_ns: u64,
    /// Frames a stack has at most.
    pub max_depth: usize,
    /// Which native frames stacks show.
    pub native_frames: NativeFrames,
    /// Whether functions say what leads to their originals.
    pub source_maps: bool,
    /// Whether worker threads are profiled, besides the thread that starts.
    pub all_threads: bool,
    /// Whether stalls of this thread's event loop are watched for, and how.
    pub stall: Option<StallOptions>,
    /// When the first period begins; `None`: now.
    pub reading: Option<Reading>,
    /// Test only: how many threads can be profiled at a time.
    pub max_threads: Option<usize>,
    /// Test only: the V8 version to act for.
    pub v8_version: Option<(u32, u32)>,
}

/// Why a start failed.
#[derive(Debug)]
pub enum StartError {
    /// This runtime cannot be profiled; the sentence says why.
    Unsupported(String),
    /// Something that should work did not; the sentence says what.
    Failed(String),
    /// The process was forked in the middle of it, and this is the child.
    Forked,
}

/// What this process lacks, before anything is touched; `Ok` does not promise that a start succeeds.
pub fn probe() -> Result<Version, String> {
    fault_users::while_looking(|| {
        let v8 = V8::get();
        v8.layout(None)
            .map_err(|unsupported| unsupported.reason)
            .and_then(|_| host::get().map_err(|name| format!("the host does not export {name}")))
            .and_then(|_| {
                v8.symbols
                    .version
                    .ok_or_else(|| "V8 states no version".to_owned())
            })
    })
    .unwrap_or_else(|error| Err(error.to_string()))
}

/// Starts sampling: the calling JavaScript thread, called `name`. `prove` calls a JavaScript function of a known name that
/// calls back into [`proof::look`].
pub fn start(options: &Options, name: &str, prove: &mut dyn FnMut()) -> Result<(), StartError> {
    let result = try_start(options, name, prove);
    if result.is_err() {
        disarm();
        stall::end();
        fault_users::end_session();
    }
    result
}

/// Another value in a child, also in one that a fork without handlers has made of a child in limbo.
fn which_process() -> (u32, bool, u32) {
    (fork::generation(), fork::forked(), std::process::id())
}

fn try_start(options: &Options, name: &str, prove: &mut dyn FnMut()) -> Result<(), StartError> {
    let unsupported = StartError::Unsupported;
    // The proof below runs JavaScript, which may fork; what was found until then is the parent's.
    let process = which_process();
    fault_users::begin_session().map_err(|error| StartError::Failed(error.to_string()))?;
    let host =
        host::get().map_err(|name| unsupported(format!("this runtime does not export {name}")))?;
    let v8 = V8::get();
    let layout = v8
        .layout(options.v8_version)
        .map_err(|error| unsupported(error.reason))?;
    signal::install(on_sampling_signal).ok_or_else(|| {
        StartError::Failed("every real-time signal is in use or blocked".to_owned())
    })?;
    protection_keys::find();
    fork::install();
    session::refresh_images();
    breaker::begin();
    failure::clear();
    session::set(Settings {
        max_depth: options.max_depth,
        native_frames: options.native_frames,
        interval_ns: options.interval_ns,
        all_threads: options.all_threads,
        source_maps: options.source_maps,
    });

    if !stall::begin(options.stall.as_ref()) {
        return Err(StartError::Failed(
            "there is no memory for the stacks of stalls".to_owned(),
        ));
    }
    slot::set_limit(options.max_threads.unwrap_or(slot::SLOTS));
    let slot = set_up_thread(host, v8, layout, name)?;
    session::set_main(slot);
    let proved = proof::run(slot, prove);
    if process != which_process() {
        return Err(StartError::Forked);
    }
    proved
        .map_err(|reason| unsupported(format!("V8's frames do not look as expected: {reason}")))?;

    session::set_found(Found {
        version: v8.symbols.version.unwrap_or(Version::new(0, 0)),
        layout,
    });
    statistics::clear();
    let reading = options.reading.unwrap_or_else(Reading::now);
    // In a forked process the recorder that the reset has made ready goes on; it begins at the same reading.
    let limbo = fork::forked();
    let recorder = match recorder() {
        Some(recorder) if limbo => recorder,
        _ => Recorder::new(reading),
    };
    session::begin(recorder);
    thread::begin(slot, reading.monotonic_ns, reading.cpu_ns);
    discovery::begin(slot);
    session::open();
    if limbo {
        // Before the ticker: its first signal must find a process that is its own.
        fork::acknowledge();
    }
    start_ticker().inspect_err(|error| {
        // A child that a handler has made of this process meanwhile is in limbo anyway.
        if limbo && !matches!(error, StartError::Forked) {
            fork::revoke();
        }
    })?;
    interrupt_others();
    Ok(())
}

fn start_ticker() -> Result<(), StartError> {
    ticker::start().map_err(|error| {
        if fork::forked() {
            // By a handler of the host's, just before the thread was made.
            return StartError::Forked;
        }
        StartError::Failed(format!("the ticker thread could not start: {error}"))
    })
}

/// Threads of an earlier session look what is to be done: take part in this one, or take their hooks off.
fn interrupt_others() {
    let own = thread::current().map(|(_, slot)| std::ptr::from_ref(slot));
    for (index, slot) in slot::all() {
        if Some(std::ptr::from_ref(slot)) != own && slot.tid.load(Acquire) != 0 {
            interrupt::request_interrupt(index, slot);
        }
    }
}

/// Why a thread cannot take part.
#[derive(Debug)]
pub enum JoinError {
    /// It runs no environment of Node's.
    NoEnvironment,
    /// As many threads are profiled as can be.
    NoSlot,
    /// This runtime cannot be profiled; the sentence says why.
    Unsupported(String),
}

impl From<JoinError> for StartError {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::NoEnvironment => {
                Self::Unsupported("the calling thread has no event loop of Node's".to_owned())
            }
            JoinError::NoSlot => Self::Failed(format!(
                "{} threads are profiled already, or there is no memory for another",
                slot::limit()
            )),
            JoinError::Unsupported(reason) => Self::Unsupported(reason),
        }
    }
}

/// Lets the calling JavaScript thread, which is called `name`, take part in the session under way. False if none is, or it is not about
/// worker threads. `is_sure`: the thread knows its name; otherwise whoever made it may know better.
pub fn join(name: &str, is_sure: bool) -> Result<bool, StartError> {
    let told = discovery::told_name(own_tid()).filter(|_| !is_sure);
    let name = told.as_deref().unwrap_or(name);
    if let Some((_, slot)) = thread::current() {
        thread::rename(slot, name);
    }
    join_found(name).map_err(|error| {
        if matches!(error, JoinError::NoSlot) {
            discovery::note_without_slot();
        }
        error.into()
    })
}

/// The same for a thread that was found by `discovery`; `name` is what others call it.
pub(crate) fn join_found(name: &str) -> Result<bool, JoinError> {
    let Some(Found { layout, .. }) = found() else {
        return Ok(false);
    };
    let own = thread::current().is_some_and(|(_, slot)| slot.armed.load(Acquire));
    if !is_running() || own || !session::all_threads() {
        return Ok(own);
    }
    let host = host::get()
        .map_err(|name| JoinError::Unsupported(format!("this runtime does not export {name}")))?;
    let slot = set_up_thread(host, V8::get(), layout, name)?;
    thread::begin(slot, clock::monotonic_ns(), clock::own_cpu_ns());
    ticker::wake();
    Ok(true)
}

/// Registers the calling thread and gives its handler what it needs; not yet armed.
fn set_up_thread(
    host: &'static host::Host,
    v8: &V8,
    layout: Layout,
    name: &str,
) -> Result<&'static ThreadSlot, JoinError> {
    // SAFETY: TryGetCurrent reads a thread-local word.
    let isolate = unsafe { (host.current_isolate)() };
    // SAFETY: the calling thread runs JavaScript of this isolate.
    let ranges = unsafe { CodeRanges::of(&v8.symbols, isolate.cast()) }
        .map_err(|error| JoinError::Unsupported(error.to_string()))?;
    let (_, slot) = enter(host, name, layout, ranges)?;
    let stack_high = stack_bounds::end_of_own_stack();
    slot.set_context(WalkContext {
        view: IsolateView {
            layout,
            ranges,
            stack_end: stack_high,
        },
        stack_high,
    });
    Ok(slot)
}

/// The calling thread's slot: the one it has, or a new one.
fn enter(
    host: &'static host::Host,
    name: &str,
    layout: Layout,
    ranges: CodeRanges,
) -> Result<(usize, &'static ThreadSlot), JoinError> {
    if let Some((index, slot)) = thread::current() {
        slot.armed.store(false, Release);
        if let Some(_busy) = slot.work() {
            thread::with(slot, |thread| thread.renew_builder(layout, ranges));
        }
        return Ok((index, slot));
    }
    let builder = StackBuilder::new(Resolver::new(layout, ranges, session::source_maps()));
    thread::register(host, name, builder).map_err(|error| match error {
        thread::RegisterError::NoEnvironment => JoinError::NoEnvironment,
        thread::RegisterError::NoSlot => JoinError::NoSlot,
    })
}

/// Stops sampling, on a JavaScript thread: the gate, the ticker, this thread's hooks, then what cannot be resolved any more
/// is counted and named. The recorder stays for the last flush.
pub fn stop() -> Vec<LeftBehind> {
    disarm();
    ticker::stop();
    stall::end();
    if let Some((_, slot)) = thread::current()
        && let Some(_busy) = slot.work()
    {
        thread::with(slot, thread::JsThread::unhook);
    }
    interrupt_others();
    let all_out = wait_until_nobody_works(clock::monotonic_ns() + LEAVE_NS);
    let mut left = Vec::new();
    for (_, slot) in slot::all() {
        if slot.armed.swap(false, Release) {
            let behind = thread::left_behind(slot);
            if behind.samples > 0 {
                left.push(behind);
            }
        }
    }
    statistics::set_left_behind(&left);
    if all_out {
        fault_users::end_session();
    }
    left
}

/// After a stop, on the thread that had started: its loop goes on looking whether this is a forked process, or does not any more. While sampling
/// runs it looks anyway.
pub fn watch_forks(on: bool) {
    if let Some(slot) = event_loop::own_slot() {
        if on {
            thread::watch(slot);
        } else {
            thread::end_watch(slot);
        }
    }
}

/// How long a stop waits for threads that are inside a hook or the handler.
const LEAVE_NS: u64 = 20_000_000;

/// Whether, by `deadline`, no thread is inside one of our hooks or the handler any more. The gate is closed, so nobody
/// enters; whoever is still inside may need the fault handlers, and they then stay where they are: they act on our own
/// loads only.
fn wait_until_nobody_works(deadline: u64) -> bool {
    let working = || slot::all().any(|(_, slot)| slot.busy.load(SeqCst));
    while working() {
        if clock::monotonic_ns() > deadline {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    true
}

/// Ends the ticker and waits until no signal of ours is under way: before the process becomes another program, which such a
/// signal would kill. The session stays as it is.
pub fn suspend() {
    ticker::stop();
    let deadline = clock::monotonic_ns() + LEAVE_NS;
    let pending = || slot::all().any(|(_, slot)| slot.armed.load(Acquire) && slot.is_pending());
    while pending() && clock::monotonic_ns() < deadline {
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
}

/// Goes on after [`suspend`].
pub fn resume() -> Result<(), StartError> {
    if !is_running() {
        return Ok(());
    }
    start_ticker()
}
