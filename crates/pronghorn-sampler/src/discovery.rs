//! Finds the JavaScript threads that did not register themselves: worker threads that never load this package, those that
//! were there before the start, and those of workers.
//!
//! The ticker looks through the process's threads (`discovery/rounds.rs`) when their number has changed, when a parent says that it has made a
//! worker, and once a second, all of that only while it is awake anyway. Each thread that is not registered, not ours and not known
//! to run no JavaScript is asked by a timer on its own CPU clock (`discovery/handshake.rs`), so an idle process stays
//! asleep, and a thread that sleeps is not disturbed. A thread that answers from V8's code is asked by V8, at its next safe
//! point, to register itself. `discovery/policy.rs` bounds the questions.
//!
//! Threads: [`begin`] on the controlling thread, [`Discovery`] on the ticker, [`announce`] and the interrupt on JavaScript
//! threads, [`answer`] in the signal handler of whichever thread is asked. What they share is in `State`.
//!
//! Fork: the ticker, its timers and the threads it asked do not exist in the child; the reset puts a fresh state in place. The
//! ticker lists a folder and calls the dynamic linker and V8 inside a [`fork::Section`], and takes a lock of theirs only if no fork is under way. The folder that it counts threads by stays
//! open, and the child closes it.
//!
//! [`fork::Section`]: pronghorn_sync::fork::Section

mod handshake;
mod names;
mod policy;
mod rounds;
mod tasks;
mod worker_object;

pub(crate) use rounds::Discovery;
pub use worker_object::name_behind;

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use pronghorn_sync::{Alone, Guarded, Resettable, own_tid};

use self::handshake::{Answer, Asks};
use self::names::Names;
use self::policy::Seen;
use crate::host::{self, IsolatePtr};
use crate::observed::{Entry, entered};
use crate::slot::ThreadSlot;
use crate::{collector, failure, session, slot, statistics, ticker};

struct State {
    names: Names,
    /// Where V8's builtins lie in the binary.
    builtins: (AtomicU64, AtomicU64),
    /// The kernel's name of the main thread, which says nothing about another.
    main_name: Guarded<String>,
    /// Threads are to be listed: a parent has made a worker, or a fork has put a listing off.
    changed: AtomicBool,
    /// Threads that found no slot, in this session.
    without_slot: AtomicU32,
    /// Whether the kernel has refused a timer, in this session.
    timers_refused: AtomicBool,
    /// Whether the last listing found threads for which there was no place among those that are asked.
    crowded: AtomicBool,
}

impl State {
    const fn new() -> Self {
        Self {
            names: Names::new(),
            builtins: (AtomicU64::new(0), AtomicU64::new(0)),
            main_name: Guarded::new(String::new()),
            changed: AtomicBool::new(false),
            without_slot: AtomicU32::new(0),
            timers_refused: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
        }
    }

    /// What a child starts with: nothing. Its other threads are made after the fork.
    fn inherited(&self) -> Self {
        let Self {
            names: _,
            builtins: _,
            main_name: _,
            changed: _,
            without_slot: _,
            timers_refused: _,
            crowded: _,
        } = self;
        Self::new()
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());
/// Apart from what has pointers in it: a table of zeros takes no place in the published file, 24 KB of it.
static ASKS: Resettable<Asks> = Resettable::new(Asks::new());

/// For a start, on the thread that makes it, whose slot is `own`: what belongs to an earlier session is forgotten.
pub(crate) fn begin(own: &ThreadSlot) {
    let state = STATE.get();
    state.without_slot.store(0, Relaxed);
    state.timers_refused.store(false, Relaxed);
    state.crowded.store(false, Relaxed);
    ASKS.get().begin();
    state.changed.store(true, Relaxed);
    let name = names::of_own_thread("").unwrap_or_default();
    state.main_name.lock().with(|place| *place = name);
    if let Some(context) = own.context() {
        let blob = context.view.ranges.embedded_blob;
        state.builtins.0.store(blob.start, Relaxed);
        state.builtins.1.store(blob.end, Relaxed);
    }
}

/// A JavaScript thread has just made the worker thread `tid`, called `name`. Wakes the ticker, which then looks for it.
pub fn announce(tid: i32, name: &str) {
    if !session::is_running() {
        return;
    }
    let state = STATE.get();
    state.names.put(tid, name);
    state.changed.store(true, SeqCst);
    ticker::wake();
}

/// What whoever made thread `tid` called it.
pub(crate) fn told_name(tid: i32) -> Option<Arc<str>> {
    STATE.get().names.get(tid)
}

/// What the calling worker thread is called.
fn own_name(tid: i32) -> Arc<str> {
    if let Some(name) = told_name(tid) {
        return name;
    }
    let state = STATE.get();
    let main = state.main_name.lock().with(|name| name.clone());
    Arc::from(names::of_own_thread(&main).as_deref().unwrap_or("worker"))
}

/// A thread found no slot; `collector::join` says so.
pub(crate) fn note_without_slot() {
    STATE.get().without_slot.fetch_add(1, Relaxed);
}

/// What is degraded, a sentence each.
pub(crate) fn reasons() -> Vec<String> {
    let state = STATE.get();
    let mut reasons = Vec::new();
    let beyond = state.without_slot.load(Relaxed);
    if beyond > 0 {
        reasons.push(format!(
            "threads that found no place, or only later: {beyond} ({} can be profiled at a time)",
            slot::limit()
        ));
    }
    if state.timers_refused.load(Relaxed) {
        reasons.push(
            "the kernel grants no more timers (RLIMIT_SIGPENDING): worker threads that do not load pronghorn may be missing"
                .to_owned(),
        );
    }
    let given_up = ASKS.get().given_up();
    if given_up > 0 {
        reasons.push(format!(
            "threads that may run JavaScript but were in native code whenever they were asked, and are missing: {given_up}"
        ));
    }
    if state.crowded.load(Relaxed) {
        reasons.push(
            "there are more threads than can be asked at a time whether they run JavaScript: some may be missing"
                .to_owned(),
        );
    }
    reasons
}

/// The handler's part: thread `tid`, the calling one, was interrupted at `pc` by a timer whose value is `value`. False if that is
/// no timer of ours.
/// Async-signal-safe; the thread may be anybody's, also one with little stack.
#[inline(never)]
pub(crate) fn answer(value: usize, tid: i32, pc: u64) -> bool {
    let state = STATE.get();
    if !ASKS.get().is_own(value) {
        return false;
    }
    if !session::is_running() {
        return true;
    }
    statistics::shared().signals_sent.fetch_add(1, Relaxed);
    let look = || {
        if slot::of_thread(tid).is_some() {
            return Err(Answer::Done);
        }
        let Ok(host) = host::get_found() else {
            return Err(Answer::Done);
        };
        // SAFETY: reads a thread-local word of V8's; async-signal-safe.
        let isolate = unsafe { (host.current_isolate)() };
        if isolate.is_null() {
            return Err(Answer::Seen(Seen::NoIsolate));
        }
        if !is_v8_code(state, pc) {
            return Err(Answer::Seen(Seen::Elsewhere));
        }
        Ok((isolate, pc))
    };
    ASKS.get().answer(value, tid, look, ticker::wake);
    true
}

/// Whether `pc` lies in V8's builtins or in code that no image holds. There the isolate is alive and no lock is held.
fn is_v8_code(state: &State, pc: u64) -> bool {
    let builtins = state.builtins.0.load(Relaxed)..state.builtins.1.load(Relaxed);
    if builtins.contains(&pc) {
        return true;
    }
    session::is_in_no_image(pc)
}

/// What V8 runs on the thread that was held, at its next safe point.
///
/// # Safety
/// V8 calls it, on the thread of `isolate`.
unsafe extern "C" fn on_found(isolate: IsolatePtr, data: *mut c_void) {
    entered(Entry::Interrupt);
    if !session::is_running() {
        return;
    }
    failure::guarded("the interrupt", || {
        let tid = own_tid();
        let answer = register(isolate, tid);
        if ASKS.get().conclude(data.addr(), tid, answer) {
            note_without_slot();
        }
    });
}

fn register(isolate: IsolatePtr, tid: i32) -> Answer {
    let Ok(host) = host::get_found() else {
        return Answer::Done;
    };
    // SAFETY: on the isolate's thread, entered. Null if the current context is none of Node's: nothing else of that isolate is touched.
    if unsafe { (host.current_event_loop)(isolate) }.is_null() {
        return Answer::Seen(Seen::NoEnvironment);
    }
    match collector::join_found(&own_name(tid)) {
        Ok(_) => Answer::Done,
        Err(collector::JoinError::NoSlot) => Answer::Seen(Seen::NoSlot),
        Err(_) => Answer::Seen(Seen::NoEnvironment),
    }
}

/// Whether the ticker has something to do here before it sleeps. Sequentially consistent with its parking.
pub(crate) fn is_wanted() -> bool {
    let state = STATE.get();
    ASKS.get().any_held() || state.changed.load(SeqCst)
}

/// In a forked process, step two: no thread is asked, none is known.
pub(crate) fn reset_after_fork(alone: &Alone) {
    STATE.reset(alone, STATE.get().inherited());
    ASKS.reset(alone, Asks::new());
}

#[cfg(test)]
mod tests {
    use super::handshake::Opened;
    use super::*;

    #[test]
    fn a_fork_leaves_nothing_of_what_was_set() {
        let state = State::new();
        let own = own_tid();
        let asks = Asks::new();
        assert_eq!(asks.open(own, libc::SIGRTMAX(), true), Opened::Yes);
        assert!(!asks.is_empty() && Asks::new().is_empty());
        asks.close_if(|_| true);
        assert!(asks.is_empty());
        state.names.put(own, "main");
        state.builtins.0.store(1, Relaxed);
        state.builtins.1.store(2, Relaxed);
        state.main_name.lock().with(|name| name.push_str("node"));
        state.changed.store(true, Relaxed);
        state.without_slot.store(3, Relaxed);
        state.timers_refused.store(true, Relaxed);
        state.crowded.store(true, Relaxed);
        // Held by a thread that is gone.
        std::mem::forget(state.main_name.lock());

        let State {
            names,
            builtins,
            main_name,
            changed,
            without_slot,
            timers_refused,
            crowded,
        } = state.inherited();
        assert!(!crowded.load(Relaxed));
        assert_eq!(names.get(own), None);
        assert_eq!((builtins.0.load(Relaxed), builtins.1.load(Relaxed)), (0, 0));
        assert_eq!(main_name.lock().with(|name| name.clone()), "");
        assert!(!changed.load(Relaxed));
        assert_eq!(without_slot.load(Relaxed), 0);
        assert!(!timers_refused.load(Relaxed));
    }
}
