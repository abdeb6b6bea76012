//! The event loop of a JavaScript thread: when it is about to wait, and when it runs JavaScript again.
//!
//! A prepare handle (unreferenced, so it keeps no loop alive, and free while the loop sleeps) runs right before the poll:
//! a safe point. libuv runs I/O callbacks inside the poll phase, before check handles, so the end of the wait is seen where
//! V8 is entered: its BeforeCallEntered callback costs one load while the thread is not known to poll.
//!
//! Threads: all of it runs on the loop's own thread.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::host::{Host, IsolatePtr};
use crate::slot::ThreadSlot;
use crate::{clock, collector, failure, thread, ticker};

/// `UV_PREPARE` in uv.h (position in the list of handle types; unchanged since libuv 1.0).
const UV_PREPARE: c_int = 9;
/// Idle time is recorded at the latest after so long, if the loop comes round.
const IDLE_FLUSH_NS: u64 = 100_000_000;

thread_local! {
    /// The slot of this thread, for the callback that V8 gives no data. Not used in the signal handler.
    static SLOT: Cell<*const ThreadSlot> = const { Cell::new(ptr::null()) };
}

/// Called at every safe point before a poll, after ours is done: the binding's chance to tell the application something.
static AFTER_SAFE_POINT: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets what runs after every safe point before a poll, on the loop's thread.
pub fn set_after_safe_point(hook: fn(&ThreadSlot)) {
    AFTER_SAFE_POINT.store(hook as *mut (), Relaxed);
}

/// The prepare handle of one loop: memory of our own, which libuv keeps until the loop ends.
pub struct LoopHook {
    handle: *mut c_void,
    isolate: IsolatePtr,
    host: &'static Host,
}

impl LoopHook {
    /// Hooks the loop of the current environment. `None` if it has no loop or libuv refuses the handle.
    ///
    /// # Safety
    /// On the isolate's own thread, with the isolate entered.
    pub unsafe fn install(
        host: &'static Host,
        isolate: IsolatePtr,
        slot: &'static ThreadSlot,
    ) -> Option<Self> {
        // SAFETY: the isolate is this thread's; sizes and calls follow uv.h; the handle's memory is zeroed, aligned, large
        // enough and never freed. Its first word is `data`.
        let handle = unsafe {
            let event_loop = (host.current_event_loop)(isolate);
            if event_loop.is_null() {
                return None;
            }
            let words = (host.uv_handle_size)(UV_PREPARE).div_ceil(8);
            let handle: *mut c_void = Box::leak(vec![0u64; words].into_boxed_slice())
                .as_mut_ptr()
                .cast();
            if (host.uv_prepare_init)(event_loop, handle) != 0 {
                return None;
            }
            *handle.cast::<*const ThreadSlot>() = slot;
            (host.uv_unref)(handle);
            handle
        };
        SLOT.set(slot);
        Some(Self {
            handle,
            isolate,
            host,
        })
    }

    /// Starts both callbacks.
    pub fn start(&self) {
        // SAFETY: on the loop's thread, with a handle of that loop; adding a callback twice is harmless to V8.
        unsafe {
            (self.host.uv_prepare_start)(self.handle, before_poll);
            (self.host.uv_unref)(self.handle);
            (self.host.add_call_entered)(self.isolate, on_call_entered);
        }
    }

    /// Stops both callbacks.
    pub fn stop(&self) {
        // SAFETY: on the loop's thread, with a handle of that loop.
        unsafe {
            (self.host.uv_prepare_stop)(self.handle);
            (self.host.remove_call_entered)(self.isolate, on_call_entered);
        }
    }

    /// Gives the handle back to libuv, at the environment's end. A loop with open handles aborts the process.
    pub fn close(&self) {
        self.stop();
        SLOT.set(ptr::null());
        // SAFETY: on the loop's thread; the handle's memory stays.
        unsafe { (self.host.uv_close)(self.handle, None) };
    }
}

unsafe extern "C" fn before_poll(handle: *mut c_void) {
    // SAFETY: the handle's data is the slot, which lives for ever.
    let slot: &'static ThreadSlot = unsafe { &**handle.cast::<*const ThreadSlot>() };
    if collector::is_running() {
        failure::guarded("the safe point before the poll", || safe_point(slot));
    }
    let hook = AFTER_SAFE_POINT.load(Relaxed);
    if !hook.is_null() {
        // SAFETY: only `set_after_safe_point` stores here, a function of this type.
        let hook = unsafe { std::mem::transmute::<*mut (), fn(&ThreadSlot)>(hook) };
        failure::guarded("the safe point before the poll", || hook(slot));
    }
}

fn safe_point(slot: &'static ThreadSlot) {
    if slot.session.load(Relaxed) != collector::session() {
        // This thread took part in an earlier session: it joins this one, with nothing of the other's.
        collector::begin_thread(slot);
    }
    let Some(_busy) = slot.work_in_session() else {
        return;
    };
    let now = clock::monotonic_ns();
    slot.account.leave_poll(now);
    if !slot.buffer.is_empty() || slot.account.idle_ns() > IDLE_FLUSH_NS {
        thread::with(slot, |thread| thread.drain(false));
        slot.account.enter_poll(clock::monotonic_ns());
    } else {
        slot.account.enter_poll(now);
    }
}

unsafe extern "C" fn on_call_entered(_isolate: IsolatePtr) {
    let slot = SLOT.get();
    if slot.is_null() {
        return;
    }
    // SAFETY: a slot lives for ever.
    let slot = unsafe { &*slot };
    if slot.account.poll_since() == 0 {
        return;
    }
    if let Some(_busy) = slot.work_in_session() {
        slot.account.leave_poll(clock::monotonic_ns());
    }
    ticker::wake();
}
