//! A hook at the beginning of V8's collections.

use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::ptr;

type Callback = unsafe extern "C" fn(*mut c_void, c_int, c_int, *mut c_void);

/// `kGCTypeAll` (v8-callbacks.h, V8 11.3 to 14.6): young and old, and what V8 does of them bit by bit.
const ALL: c_int = 31;

unsafe extern "C" {
    #[link_name = "_ZN2v87Isolate13TryGetCurrentEv"]
    fn current_isolate() -> *mut c_void;
    #[link_name = "_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_"]
    fn add_prologue(isolate: *mut c_void, callback: Callback, data: *mut c_void, kinds: c_int);
}

thread_local! {
    static BEFORE: Cell<fn()> = const { Cell::new(|| ()) };
}

unsafe extern "C" fn prologue(_: *mut c_void, _: c_int, _: c_int, _: *mut c_void) {
    BEFORE.get()();
}

/// Has V8 call `callback` at the beginning of each collection of this thread's isolate, for as long as that exists.
pub(crate) fn call_before(callback: fn()) {
    BEFORE.set(callback);
    // SAFETY: the types follow v8-isolate.h; the isolate is this thread's, which runs JavaScript.
    unsafe {
        let isolate = current_isolate();
        if !isolate.is_null() {
            add_prologue(isolate, prologue, ptr::null_mut(), ALL);
        }
    }
}
