//! Asking a registered thread to come to a safe point, through V8's RequestInterrupt.
//!
//! Threads: any but one that holds the registration; a native thread of ours inside a [`fork::Section`], since V8 takes a lock of the isolate's.
//! The call is made under the registration lock, which a thread has to take before it leaves: its isolate is alive.
//!
//! Fork: nothing is kept here. What was asked for in the parent may still run in the child, and does nothing there (`thread::on_interrupt`).
//!
//! [`fork::Section`]: pronghorn_sync::fork::Section

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use crate::slot::{self, ThreadSlot, ticket};
use crate::{host, thread};
use pronghorn_sync::{failpoint, fork};

/// Asks V8 to run the slot's drain on its thread at the next safe point. Returns whether one is on its way; not while a fork is under way. Any thread
/// but one that holds the registration; a native thread inside a [`fork::Section`]. Never in a signal handler.
pub(crate) fn request_drain(index: usize, slot: &'static ThreadSlot) -> bool {
    slot.armed.load(Acquire) && request_interrupt(index, slot)
}

/// The same for a registered thread that takes no part now: it looks what is to be done (`thread::on_interrupt`).
pub(crate) fn request_interrupt(index: usize, slot: &'static ThreadSlot) -> bool {
    let Ok(host) = host::get() else {
        return false;
    };
    let _guard = slot::registration();
    failpoint!("ticker-registration");
    let isolate = slot.isolate.load(Relaxed);
    if isolate.is_null() {
        return false;
    }
    if !slot.interrupt_asked.swap(true, Relaxed) {
        let data = std::ptr::without_provenance_mut(ticket::of(index, slot));
        failpoint!("ticker-v8");
        if fork::is_under_way() {
            // It waits for this thread, or has given that up: V8's lock would be held in the child for ever.
            slot.interrupt_asked.store(false, Relaxed);
            return false;
        }
        // SAFETY: the thread is registered and cannot leave while the registration is held, so its isolate is alive.
        unsafe { (host.request_interrupt)(isolate, thread::on_interrupt, data) };
    }
    true
}
