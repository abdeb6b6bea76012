//! What V8 runs on a registered thread when somebody has asked it to come to a safe point (`interrupt.rs`): it resolves what it has, joins a session that has begun, or
//! takes its hooks off.
//!
//! Threads: the interrupted one. Fork: an interrupt that was asked for in the parent does nothing in the child.

use std::ffi::c_void;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use pronghorn_sync::{fork, own_tid};

use super::{Extent, JsThread, SLICE, begin, settle, timed, with};
use crate::host::IsolatePtr;
use crate::observed::{Entry, entered};
use crate::slot::{ThreadSlot, ticket};
use crate::{clock, failure, session, ticker};

/// What V8 runs on the isolate's thread after `interrupt::request_drain`.
///
/// # Safety
/// V8 calls it; `data` is a [`ticket`], and no pointer.
pub unsafe extern "C" fn on_interrupt(_isolate: IsolatePtr, data: *mut c_void) {
    entered(Entry::Interrupt);
    if fork::forked() {
        // Asked for in the parent.
        return;
    }
    let is_own = |slot: &&ThreadSlot| slot.tid.load(Relaxed) == own_tid();
    let Some(slot) = ticket::slot(data.addr()).filter(is_own) else {
        return;
    };
    slot.interrupt_asked.store(false, Relaxed);
    failure::guarded("the interrupt", || interrupted(slot));
}

fn interrupted(slot: &'static ThreadSlot) {
    if !session::is_running() {
        // The session is over: nothing of ours is to run here any more. A later one asks again. The main thread takes its hooks off
        // itself, in the stop; until then it has to tell of the failure that may have closed the gate.
        if !session::is_main(slot)
            && let Some(_busy) = slot.work()
        {
            with(slot, JsThread::unhook);
        }
    } else if slot.session.load(Relaxed) != session::session() {
        if session::is_about(slot) {
            begin(slot, clock::monotonic_ns(), clock::own_cpu_ns());
            ticker::wake();
        }
    } else if slot.ending.load(Acquire) {
        settle(slot, Extent::Whole);
        let has_all = slot.buffer.is_empty() && slot.backlog.load(Relaxed) == 0;
        if has_all {
            slot.armed.store(false, Release);
        }
    } else {
        timed(slot, ThreadSlot::work_in_session, || {
            let extent = if slot.whole_asked.swap(false, Acquire) {
                Extent::Whole
            } else {
                Extent::Slice(SLICE)
            };
            with(slot, |thread| thread.drain(extent));
        });
    }
}
