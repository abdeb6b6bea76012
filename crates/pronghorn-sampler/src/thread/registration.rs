//! How a JavaScript thread comes by its slot, and how it leaves it.
//!
//! Threads: both on the thread itself, under the registration lock where others look. Fork: a child's environment that ends before anything was reset gives nothing back but the
//! loop's handle.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;

use pronghorn_recorder::ThreadLabel;
use pronghorn_sync::{fork, own_tid};

use super::stacks::Stacks;
use super::{JsThread, slot_data, take_here, with};
use crate::event_loop::LoopHook;
use crate::failure;
use crate::host::Host;
use crate::slot::{self, ThreadSlot};
use crate::stack::StackBuilder;

/// Why a thread cannot be registered.
#[derive(Debug)]
pub enum RegisterError {
    /// The thread runs no isolate of Node's, or its loop takes no handle.
    NoEnvironment,
    /// All slots are in use, or there is no memory for another.
    NoSlot,
}

/// Registers the calling JavaScript thread; hooks and sampling are still off. Registering twice gives the same slot.
pub fn register(
    host: &'static Host,
    name: &str,
    builder: StackBuilder,
) -> Result<(usize, &'static ThreadSlot), RegisterError> {
    // SAFETY: TryGetCurrent reads a thread-local word.
    let (isolate, tid) = (unsafe { (host.current_isolate)() }, own_tid());
    if isolate.is_null() {
        return Err(RegisterError::NoEnvironment);
    }
    let guard = slot::registration();
    let (index, slot) = slot::take(tid).ok_or(RegisterError::NoSlot)?;
    drop(guard);
    // SAFETY: this is the isolate's thread, called from its JavaScript.
    let Some(hook) = (unsafe { LoopHook::install(host, isolate, slot) }) else {
        slot::release(slot);
        return Err(RegisterError::NoEnvironment);
    };
    let thread = Box::new(JsThread {
        slot,
        label: ThreadLabel {
            id: tid as u32,
            name: Arc::from(name),
        },
        isolate,
        host,
        hook,
        hooked: false,
        builder,
        stacks: Stacks::new(),
        had_first_slice: false,
    });
    slot.thread.store(Box::into_raw(thread), Release);
    // SAFETY: on the isolate's thread; the slot lives for ever, and the hook is there as long as the environment.
    unsafe { (host.add_cleanup_hook)(isolate, on_environment_end, slot_data(slot)) };
    // Last: whoever sees it may call the isolate, which from here on is told when that ends.
    slot.isolate.store(isolate, Release);
    Ok((index, slot))
}

/// The environment of a registered thread ends: what is in the buffer is resolved and recorded, and the slot is given back.
unsafe extern "C" fn on_environment_end(data: *mut c_void) {
    // SAFETY: registered with a slot, which lives for ever.
    let slot = unsafe { &*data.cast::<ThreadSlot>() };
    failure::guarded("the end of an environment", || say_last(slot));
    // Whatever came of that: a loop with open handles would abort the process, and an isolate that is gone must not be called.
    leave(slot);
}

/// On the thread itself, at its environment's end: a last sample, and everything recorded.
fn say_last(slot: &'static ThreadSlot) {
    if let Some(_busy) = slot.work_in_session() {
        if let Some(context) = slot.context() {
            take_here(slot, context);
        }
        with(slot, JsThread::hand_over);
    }
}

/// On the thread itself, in its environment's cleanup hook. In a forked process that has not been reset it takes no lock and lets
/// go of nothing but the loop's handle.
fn leave(slot: &'static ThreadSlot) {
    // Nobody else works on the slot here: this is its thread, and not in one of our hooks. The handle has to be closed in
    // any case.
    let busy = slot.work();
    with(slot, JsThread::unhook);
    with(slot, |thread| thread.hook.close());
    // Before the slot is given back: it may be another thread's at once. The handler does nothing on a slot that is not armed.
    slot.armed.store(false, Release);
    drop(busy);
    if fork::forked() {
        // An environment that ends in a child before anything was reset: the record holds what was the parent's, and is abandoned.
        return;
    }
    let _guard = slot::registration();
    slot.isolate.store(std::ptr::null_mut(), Release);
    let thread = slot.thread.swap(std::ptr::null_mut(), Release);
    if !thread.is_null() {
        // SAFETY: made by `register` with Box::into_raw, taken back once; nobody else holds it.
        drop(unsafe { Box::from_raw(thread) });
    }
    slot::release(slot);
}

/// Gives the calling thread another name: it knows better than whoever registered it. What is recorded keeps the old one.
pub fn rename(slot: &ThreadSlot, name: &str) {
    let Some(_busy) = slot.work() else {
        return;
    };
    // Other threads read the label under the registration.
    let _guard = slot::registration();
    with(slot, |thread| {
        if &*thread.label.name != name {
            thread.label.name = Arc::from(name);
        }
    });
}
