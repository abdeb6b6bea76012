//! A handle of libuv's, in memory of our own that libuv keeps until it has closed the handle. Unreferenced: it keeps no loop alive.
//!
//! Threads: the loop's own. Fork: the child's loop has the same handles at the same addresses.

use std::ffi::{c_int, c_void};

use crate::host::{self, Host};

/// Which handle; the values are those of `uv_handle_type` in uv.h (positions in the list of types, unchanged since libuv 1.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum HandleKind {
    /// `uv_idle_t`: while one is active the loop does not sleep.
    Idle = 6,
    /// `uv_prepare_t`: runs right before the poll.
    Prepare = 9,
}

/// See the module documentation.
#[derive(Clone, Copy)]
pub(crate) struct UvHandle {
    place: *mut c_void,
    kind: HandleKind,
}

impl UvHandle {
    /// A handle of `event_loop`, with `data` in its first word. `None` if libuv refuses it.
    ///
    /// # Safety
    /// On the loop's thread, with a loop of libuv's.
    pub(crate) unsafe fn new(
        host: &Host,
        kind: HandleKind,
        event_loop: *mut c_void,
        data: *const c_void,
    ) -> Option<Self> {
        let init = match kind {
            HandleKind::Idle => host.uv_idle_init,
            HandleKind::Prepare => host.uv_prepare_init,
        };
        // SAFETY: sizes and calls follow uv.h; the memory is zeroed, aligned, large enough, and stays until libuv is done with it.
        unsafe {
            let words = words(host, kind);
            let place: *mut c_void = Box::leak(vec![0u64; words].into_boxed_slice())
                .as_mut_ptr()
                .cast();
            if init(event_loop, place) != 0 {
                return None;
            }
            *place.cast::<*const c_void>() = data;
            (host.uv_unref)(place);
            Some(Self { place, kind })
        }
    }

    /// From here on `callback` runs, if it does not yet.
    ///
    /// # Safety
    /// On the loop's thread, before [`UvHandle::close`].
    pub(crate) unsafe fn start(self, host: &Host, callback: host::LoopCallback) {
        let start = match self.kind {
            HandleKind::Idle => host.uv_idle_start,
            HandleKind::Prepare => host.uv_prepare_start,
        };
        // SAFETY: the caller's. A start makes no reference that `uv_unref` has taken away.
        unsafe { start(self.place, callback) };
    }

    /// From here on nothing runs.
    ///
    /// # Safety
    /// As [`UvHandle::start`].
    pub(crate) unsafe fn stop(self, host: &Host) {
        let stop = match self.kind {
            HandleKind::Idle => host.uv_idle_stop,
            HandleKind::Prepare => host.uv_prepare_stop,
        };
        // SAFETY: the caller's.
        unsafe { stop(self.place) };
    }

    /// Gives it back to libuv, at the environment's end: a loop with open handles aborts the process.
    ///
    /// # Safety
    /// On the loop's thread, once.
    pub(crate) unsafe fn close(self, host: &Host) {
        let closed: host::LoopCallback = match self.kind {
            HandleKind::Idle => on_idle_closed,
            HandleKind::Prepare => on_prepare_closed,
        };
        // SAFETY: the caller's; the memory stays until libuv is done with it.
        unsafe { (host.uv_close)(self.place, Some(closed)) };
    }
}

fn words(host: &Host, kind: HandleKind) -> usize {
    // SAFETY: reads a table of libuv's.
    unsafe { (host.uv_handle_size)(kind as c_int) }.div_ceil(8)
}

unsafe extern "C" fn on_idle_closed(place: *mut c_void) {
    // SAFETY: libuv calls it for an idle handle.
    unsafe { free(place, HandleKind::Idle) };
}

unsafe extern "C" fn on_prepare_closed(place: *mut c_void) {
    // SAFETY: libuv calls it for a prepare handle.
    unsafe { free(place, HandleKind::Prepare) };
}

/// # Safety
/// The memory of a handle of this kind that `UvHandle::new` made and libuv has closed.
unsafe fn free(place: *mut c_void, kind: HandleKind) {
    let Ok(host) = host::get_found() else {
        return;
    };
    let words = std::ptr::slice_from_raw_parts_mut(place.cast::<u64>(), words(host, kind));
    // SAFETY: as many words as were leaked; nobody refers to them any more.
    drop(unsafe { Box::from_raw(words) });
}
