//! The few functions of libuv that the meter needs, of the Node process that loads the addon.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr;

/// `UV_PREPARE` of `uv_handle_type` (libuv 1.46 to 1.52, `include/uv.h`).
const PREPARE: i32 = 9;

unsafe extern "C" {
    fn napi_get_uv_event_loop(env: *mut c_void, uv_loop: *mut *mut c_void) -> i32;
    fn uv_handle_size(kind: i32) -> usize;
    fn uv_prepare_init(uv_loop: *mut c_void, handle: *mut c_void) -> i32;
    fn uv_prepare_start(handle: *mut c_void, callback: unsafe extern "C" fn(*mut c_void)) -> i32;
    fn uv_unref(handle: *mut c_void);
    fn uv_metrics_idle_time(uv_loop: *mut c_void) -> u64;
}

thread_local! {
    /// The loop of this thread, and what it calls.
    static LOOP: Cell<*mut c_void> = const { Cell::new(ptr::null_mut()) };
    static BEFORE_WAITING: Cell<fn()> = const { Cell::new(|| ()) };
}

unsafe extern "C" fn prepare(_handle: *mut c_void) {
    BEFORE_WAITING.get()();
}

/// Has the loop call `callback` each time that it is about to wait, for as long as it exists. Hooks that are made later are called before this one, so their time counts as
/// of the turn that ends here.
///
/// # Safety
/// `env` is live, and the caller runs on its thread.
pub(crate) unsafe fn call_before_waiting(env: *mut c_void, callback: fn()) {
    let mut uv_loop = ptr::null_mut();
    // SAFETY: `env` is live, and `uv_loop` is a place for one pointer.
    if unsafe { napi_get_uv_event_loop(env, &raw mut uv_loop) } != 0 {
        return;
    }
    LOOP.set(uv_loop);
    BEFORE_WAITING.set(callback);
    // SAFETY: the size is asked of the libuv that will use it; the handle is never freed, as it is never closed. u64 has its alignment.
    unsafe {
        let words = uv_handle_size(PREPARE).div_ceil(8);
        let handle = Box::leak(vec![0_u64; words].into_boxed_slice())
            .as_mut_ptr()
            .cast();
        uv_prepare_init(uv_loop, handle);
        uv_prepare_start(handle, prepare);
        uv_unref(handle);
    }
}

/// What the loop of this thread has waited since it exists, in nanoseconds.
pub(crate) fn waited() -> u64 {
    let uv_loop = LOOP.get();
    if uv_loop.is_null() {
        return 0;
    }
    // SAFETY: the loop lives as long as its thread runs JavaScript.
    unsafe { uv_metrics_idle_time(uv_loop) }
}
