//! The native steps after a fork, in the child, in their order: [`hooks_off`], [`reset_after_fork`], [`reset_recorder`], and then a
//! start (`collector::start`), whose last step but the ticker acknowledges the fork, or [`acknowledge_fork`].
//!
//! Threads: the JavaScript thread that forked; there is no other of ours. Each step is complete before the next. Until the fork is
//! acknowledged no hook or handler of ours does anything, see [`pronghorn_sync::fork`]; the proof that a step takes says that
//! nobody else is there.

use pronghorn_sync::mapping::{Kind, unmap_inherited};
use pronghorn_sync::{Alone, fork, own_tid};

use crate::clock::Reading;
use crate::session::{self, disarm, recorder};
use crate::{
    breaker, discovery, event_loop, failure, fault_users, labels, slot, spawn, stall, statistics,
    thread, ticker,
};

/// In a forked process: whether the calling thread is the one that forked. Others have been made since.
pub fn is_forking_thread() -> bool {
    // The kernel gives the only thread of a child the child's own id.
    // SAFETY: no preconditions.
    own_tid() == unsafe { libc::getpid() }
}

/// In a forked process: whether the calling thread has forked it off, and is another than the one that controls the profiler.
pub fn forked_in_worker() -> bool {
    is_forking_thread()
        && session::has_main()
        && !event_loop::own_slot().is_some_and(session::is_main)
}

/// In a forked process, step one: gate and hooks off, handlers of faults back to what they were. Safe to repeat. The handler of
/// the sampling signal stays, and does nothing: a signal that somebody sends by hand must not kill. So does the look before the
/// loop polls, which in limbo does nothing but try the reset again.
pub fn hooks_off() {
    disarm();
    if let Some(slot) = event_loop::own_slot() {
        thread::hooks_off(slot);
    }
    pronghorn_v8::fault::reset_after_fork();
    pronghorn_v8::fault::restore();
}

/// In a forked process, step two: threads, accounts, buffers, then statistics, breaker and failure. The calling thread's hooks are
/// off.
pub fn reset_after_fork(alone: &Alone) {
    let tid = own_tid();
    if let Some(slot) = event_loop::own_slot() {
        thread::reset_after_fork(slot, tid);
        slot::reset_after_fork(alone, slot, tid);
    }
    ticker::reset_after_fork(alone);
    discovery::reset_after_fork(alone);
    labels::reset_after_fork(alone);
    stall::reset_after_fork(alone);
    statistics::reset_after_fork(alone);
    breaker::reset_after_fork(alone);
    failure::reset_after_fork(alone);
    fault_users::reset_after_fork(alone);
    session::reset_after_fork(alone);
    spawn::reset_after_fork(alone);
}

/// In a forked process, step three: the recorder begins at `reading`, with nothing in either slot.
pub fn reset_recorder(alone: &Alone, reading: Reading) {
    match recorder() {
        Some(recorder) => recorder.reset_after_fork(alone, reading),
        None => {
            // That of a session which was stopped in the parent.
            unmap_inherited(Kind::Slot, alone);
        }
    }
}

/// In a forked process in which nothing shall be started, last step: it is its own, and its loop is not looked at any more.
pub fn acknowledge_fork() {
    if let Some(recorder) = recorder() {
        recorder.give_back();
    }
    session::release_recorder();
    if let Some(slot) = event_loop::own_slot() {
        thread::end_watch(slot);
    }
    fork::acknowledge();
}

/// In a process that a worker thread has forked off, where nothing is ever reset: all hooks off, for good.
pub fn give_up() {
    hooks_off();
    if let Some(slot) = event_loop::own_slot() {
        thread::end_watch(slot);
    }
}
