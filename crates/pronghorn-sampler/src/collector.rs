//! The collector: the one switch of the sampler, and what all its parts share while it runs.
//!
//! Threads: `start`, `settle_*` and `stop` are called by the binding, one at a time (its own state sees to that); the
//! shared words below are read by handlers and safe points of every JavaScript thread. `RUNNING` is the gate: it is set
//! last on start and cleared first on stop, and every hook and handler looks at it first.
//!
//! Order of a start: faults, signal, images, layout, thread, proof, fresh counters, clocks and recorder, then the gate,
//! then the ticker. Order of a stop: gate, ticker, hooks, what is left is counted, faults.

use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::sync::{Arc, Mutex};

use pronghorn_native::ImageList;
use pronghorn_recorder::{ProfileTime, Recorder};
use pronghorn_v8::{CodeRanges, IsolateView, Layout, Resolver, Symbols, Version};

use crate::breaker::Breaker;
use crate::handler::on_sampling_signal;
use crate::slot::{self, ThreadSlot, WalkContext};
use crate::stack::{NativeFrames, StackBuilder};
use crate::statistics::{self, LeftBehind, SamplerStatistics};
use crate::{clock, failure, host, proof, signal, stack_bounds, thread, ticker};

static RUNNING: AtomicBool = AtomicBool::new(false);
static SESSION: AtomicU64 = AtomicU64::new(0);
static MAX_DEPTH: AtomicUsize = AtomicUsize::new(0);
static NATIVE_FRAMES: AtomicU8 = AtomicU8::new(0);
static IMAGES: AtomicPtr<ImageList> = AtomicPtr::new(std::ptr::null_mut());
static RECORDER: Mutex<Option<Arc<Recorder>>> = Mutex::new(None);
/// Faults and forged signals before this start: both counters live as long as the process.
static FAULTS_BEFORE: AtomicU64 = AtomicU64::new(0);
static FORGED_BEFORE: AtomicU64 = AtomicU64::new(0);
static LEFT_BEHIND: Mutex<Vec<LeftBehind>> = Mutex::new(Vec::new());
/// Switches the walk off when too many fail.
pub static BREAKER: Breaker = Breaker::new();

/// What a start is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nanoseconds between samples.
    pub interval_ns: u64,
    /// Frames a stack has at most.
    pub max_depth: usize,
    /// Which native frames stacks show.
    pub native_frames: NativeFrames,
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
}

/// What a start found, kept for `capabilities`.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) version: Version,
    pub(crate) layout: Layout,
}

static FOUND: Mutex<Option<Found>> = Mutex::new(None);

/// What the last start found; `None` before the first.
pub(crate) fn found() -> Option<Found> {
    *lock(&FOUND)
}

/// Whether sampling is on. Async-signal-safe.
pub fn is_running() -> bool {
    RUNNING.load(SeqCst)
}

/// The number of the session under way; each start has its own.
pub fn session() -> u64 {
    SESSION.load(Acquire)
}

/// The recorder of the session under way.
pub fn recorder() -> Option<Arc<Recorder>> {
    lock(&RECORDER).clone()
}

/// Frames a stack has at most. Async-signal-safe.
pub fn max_depth() -> usize {
    MAX_DEPTH.load(Relaxed)
}

/// Which native frames stacks show.
pub fn native_frames() -> NativeFrames {
    match NATIVE_FRAMES.load(Relaxed) {
        0 => NativeFrames::None,
        1 => NativeFrames::Leaf,
        _ => NativeFrames::All,
    }
}

/// The images of the process, as of the last look. Async-signal-safe.
pub fn images() -> *const ImageList {
    IMAGES.load(Acquire)
}

/// Looks again if an image was loaded or unloaded since. Old lists are kept: a handler may be reading one.
pub fn refresh_images() {
    let known = images();
    // SAFETY: lists are never freed.
    if known.is_null() || unsafe { (*known).has_changed() } {
        let fresh = Box::leak(Box::new(ImageList::snapshot()));
        IMAGES.store(fresh, Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// What this process lacks, before anything is touched; `Ok` does not promise that a start succeeds.
pub fn probe() -> Result<Version, String> {
    pronghorn_v8::fault::install().map_err(|error| error.to_string())?;
    let found = Symbols::find();
    let result = found
        .missing()
        .map_err(|missing| missing.to_string())
        .and_then(|()| host::get().map_err(|name| format!("the host does not export {name}")))
        .and_then(|_| Layout::discover(&found, None).map_err(|unsupported| unsupported.reason))
        .and_then(|_| {
            found
                .version
                .ok_or_else(|| "V8 states no version".to_owned())
        });
    if !is_running() {
        pronghorn_v8::fault::restore();
    }
    result
}

/// Starts sampling: the calling JavaScript thread, called `name`. `prove` calls a JavaScript function of a known name that
/// calls back into [`proof::look`].
pub fn start(options: &Options, name: &str, prove: &mut dyn FnMut()) -> Result<(), StartError> {
    let result = try_start(options, name, prove);
    if result.is_err() {
        disarm();
        pronghorn_v8::fault::restore();
    }
    result
}

fn try_start(options: &Options, name: &str, prove: &mut dyn FnMut()) -> Result<(), StartError> {
    let unsupported = StartError::Unsupported;
    pronghorn_v8::fault::install().map_err(|error| StartError::Failed(error.to_string()))?;
    let host =
        host::get().map_err(|name| unsupported(format!("this runtime does not export {name}")))?;
    let symbols = Symbols::find();
    symbols
        .missing()
        .map_err(|missing| unsupported(missing.to_string()))?;
    let layout = Layout::discover(&symbols, options.v8_version)
        .map_err(|error| unsupported(error.reason))?;
    signal::install(on_sampling_signal).ok_or_else(|| {
        StartError::Failed("every real-time signal is in use or blocked".to_owned())
    })?;
    refresh_images();
    BREAKER.reset();
    failure::clear();
    MAX_DEPTH.store(options.max_depth, Relaxed);
    NATIVE_FRAMES.store(options.native_frames as u8, Relaxed);

    let slot = set_up_thread(host, &symbols, layout, name)?;
    proof::run(slot, prove)
        .map_err(|reason| unsupported(format!("V8's frames do not look as expected: {reason}")))?;

    *lock(&FOUND) = Some(Found {
        version: symbols.version.unwrap_or(Version::new(0, 0)),
        layout,
    });
    statistics::clear();
    FAULTS_BEFORE.store(pronghorn_v8::fault::fixups(), Relaxed);
    FORGED_BEFORE.store(signal::FORGED.load(Relaxed), Relaxed);
    lock(&LEFT_BEHIND).clear();
    *lock(&RECORDER) = Some(Recorder::new(ProfileTime::now()));
    SESSION.fetch_add(1, Release);
    begin_thread(slot);
    RUNNING.store(true, Release);
    ticker::start(options.interval_ns)
        .map_err(|error| StartError::Failed(format!("the ticker thread could not start: {error}")))
}

/// Lets the calling JavaScript thread, called `name`, take part in the session under way. False if none is.
pub fn join(name: &str) -> Result<bool, StartError> {
    let Some(Found { layout, .. }) = *lock(&FOUND) else {
        return Ok(false);
    };
    let own = thread::current().is_some_and(|(_, slot)| slot.armed.load(Acquire));
    if !is_running() || own {
        return Ok(own);
    }
    let host = host::get()
        .map_err(|name| StartError::Unsupported(format!("this runtime does not export {name}")))?;
    let slot = set_up_thread(host, &Symbols::find(), layout, name)?;
    begin_thread(slot);
    ticker::wake();
    Ok(true)
}

/// Registers the calling thread and gives its handler what it needs; not yet armed.
fn set_up_thread(
    host: &'static host::Host,
    symbols: &Symbols,
    layout: Layout,
    name: &str,
) -> Result<&'static ThreadSlot, StartError> {
    // SAFETY: TryGetCurrent reads a thread-local word.
    let isolate = unsafe { (host.current_isolate)() };
    // SAFETY: the calling thread runs JavaScript of this isolate.
    let ranges = unsafe { CodeRanges::of(symbols, isolate.cast()) }
        .map_err(|error| StartError::Unsupported(error.to_string()))?;
    let builder = StackBuilder::new(Resolver::new(layout, ranges));
    let (_, slot) = enter(host, name, builder)?;
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
    builder: StackBuilder,
) -> Result<(usize, &'static ThreadSlot), StartError> {
    if let Some((index, slot)) = thread::current() {
        slot.armed.store(false, Release);
        if let Some(_busy) = slot.work() {
            thread::with(slot, |thread| thread.set_builder(builder));
        }
        return Ok((index, slot));
    }
    thread::register(host, name, builder).map_err(|error| match error {
        thread::RegisterError::NoEnvironment => {
            StartError::Unsupported("the calling thread has no event loop of Node's".to_owned())
        }
        thread::RegisterError::NoSlot => StartError::Failed(format!(
            "{} threads are profiled already, or there is no memory for another",
            slot::SLOTS
        )),
    })
}

/// Lets the calling thread take part in the session under way: a fresh account and an empty buffer, hooks and handler on. A
/// signal that is still under way stays counted as such.
pub fn begin_thread(slot: &'static ThreadSlot) {
    slot.armed.store(false, Release);
    slot.buffer.clear();
    if !signal::is_pending_here() {
        // Either it has come by now, or somebody else's disposition swallowed it.
        slot.pending_since.store(0, Relaxed);
    }
    slot.cpu_at_look.store(0, Relaxed);
    slot.gc_depth.store(0, Relaxed);
    slot.gc_samples.store(0, Relaxed);
    slot.account
        .restart(clock::monotonic_ns(), clock::own_cpu_ns());
    if let Some(_busy) = slot.work() {
        thread::with(slot, |thread| {
            thread.begin_session();
            thread.hook();
        });
    }
    slot.session.store(session(), Relaxed);
    slot.armed.store(true, Release);
}

/// Switches sampling off everywhere, at once. From any thread, and safe to repeat; hooks stay and do nothing.
pub fn disarm() {
    RUNNING.store(false, SeqCst);
}

/// Brings the calling thread up to date and asks the others to do the same; returns what to wait for.
pub fn settle() -> Waiting {
    refresh_images();
    settle_own();
    let own = thread::current().map(|(_, slot)| std::ptr::from_ref(slot));
    let others = slot::all()
        .filter(|(_, slot)| slot.armed.load(Acquire) && Some(std::ptr::from_ref(*slot)) != own)
        .map(|(index, slot)| {
            let drains = slot.drains.load(Acquire);
            let asked = !slot.buffer.is_empty() && ticker::request_drain(index, slot);
            (slot, drains, asked)
        })
        .collect();
    Waiting { others }
}

/// Brings only the calling thread up to date.
pub fn settle_own() {
    if let Some((_, slot)) = thread::current() {
        thread::settle(slot);
    }
}

/// Threads that were asked to resolve what they have.
pub struct Waiting {
    others: Vec<(&'static ThreadSlot, u32, bool)>,
}

impl Waiting {
    /// Waits until every thread that was asked has resolved its samples, at most until `deadline` (monotonic). A thread that
    /// sleeps in its loop's poll has nothing to resolve; its idle time is recorded from here.
    pub fn finish(self, deadline: u64) {
        let pause = std::time::Duration::from_micros(200);
        for (slot, drains, asked) in &self.others {
            while *asked
                && slot.drains.load(Acquire) == *drains
                && slot.account.poll_since() == 0
                && clock::monotonic_ns() < deadline
            {
                std::thread::sleep(pause);
            }
        }
        let Some(recorder) = recorder() else {
            return;
        };
        for (slot, ..) in &self.others {
            thread::record_idle_of_poller(slot, &recorder);
        }
    }
}

/// Stops sampling, on a JavaScript thread: the gate, the ticker, this thread's hooks, then what cannot be resolved any more
/// is counted and named. The recorder stays for the last flush.
pub fn stop() -> Vec<LeftBehind> {
    disarm();
    ticker::stop();
    if let Some((_, slot)) = thread::current()
        && let Some(_busy) = slot.work()
    {
        thread::with(slot, thread::JsThread::unhook);
    }
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
    (*lock(&LEFT_BEHIND)).clone_from(&left);
    if all_out {
        pronghorn_v8::fault::restore();
    }
    left
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

/// Lets go of the session's recorder, after the last flush.
pub fn release_recorder() {
    *lock(&RECORDER) = None;
}

/// Counts since the last start.
pub fn stats() -> SamplerStatistics {
    SamplerStatistics {
        faults: pronghorn_v8::fault::fixups() - FAULTS_BEFORE.load(Relaxed),
        forged_signals: signal::FORGED.load(Relaxed) - FORGED_BEFORE.load(Relaxed),
        unqueued_signals: signal::UNQUEUED.load(Relaxed),
        left_behind: lock(&LEFT_BEHIND).clone(),
        ..statistics::snapshot()
    }
}
