//! The functions of the host process that the sampler calls: V8's, Node's and libuv's, found by name when they are first needed: when the package is loaded.
//!
//! All are exported by the official Node binaries 20 to 26 under these names (docs/architecture.md, "What the host
//! gives"). Found once per process, never called from a signal handler but for `current_isolate`, which reads a
//! thread-local word of V8.

use std::ffi::{CStr, c_char, c_int, c_void};

use pronghorn_sync::Published;

/// A `v8::Isolate*`.
pub type IsolatePtr = *mut c_void;
/// A garbage collection hook: isolate, type of collection, flags, data.
pub type GcCallback = unsafe extern "C" fn(IsolatePtr, c_int, c_int, *mut c_void);
/// Runs on an isolate's own thread.
pub type InterruptCallback = unsafe extern "C" fn(IsolatePtr, *mut c_void);
/// Runs before JavaScript is entered from native code.
pub type CallEnteredCallback = unsafe extern "C" fn(IsolatePtr);
/// Runs when an environment ends.
pub type CleanupCallback = unsafe extern "C" fn(*mut c_void);
/// A callback of a `uv_prepare_t` or `uv_idle_t`, or that one is closed.
pub type LoopCallback = unsafe extern "C" fn(*mut c_void);

type GcHookFunction = unsafe extern "C" fn(IsolatePtr, GcCallback, *mut c_void, c_int);
type GcUnhookFunction = unsafe extern "C" fn(IsolatePtr, GcCallback, *mut c_void);
type CleanupHookFunction = unsafe extern "C" fn(IsolatePtr, CleanupCallback, *mut c_void);

/// See the module documentation. Each field carries the name of the function it is.
#[derive(Clone, Copy)]
#[allow(missing_docs, reason = "the fields are named like the functions")]
pub struct Host {
    pub current_isolate: unsafe extern "C" fn() -> IsolatePtr,
    pub request_interrupt: unsafe extern "C" fn(IsolatePtr, InterruptCallback, *mut c_void),
    pub add_gc_prologue: GcHookFunction,
    pub remove_gc_prologue: GcUnhookFunction,
    pub add_gc_epilogue: GcHookFunction,
    pub remove_gc_epilogue: GcUnhookFunction,
    pub add_call_entered: unsafe extern "C" fn(IsolatePtr, CallEnteredCallback),
    pub remove_call_entered: unsafe extern "C" fn(IsolatePtr, CallEnteredCallback),
    pub current_event_loop: unsafe extern "C" fn(IsolatePtr) -> *mut c_void,
    pub add_cleanup_hook: CleanupHookFunction,
    pub uv_handle_size: unsafe extern "C" fn(c_int) -> usize,
    pub uv_prepare_init: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    pub uv_prepare_start: unsafe extern "C" fn(*mut c_void, LoopCallback) -> c_int,
    pub uv_prepare_stop: unsafe extern "C" fn(*mut c_void) -> c_int,
    pub uv_idle_init: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    pub uv_idle_start: unsafe extern "C" fn(*mut c_void, LoopCallback) -> c_int,
    pub uv_idle_stop: unsafe extern "C" fn(*mut c_void) -> c_int,
    pub uv_unref: unsafe extern "C" fn(*mut c_void),
    pub uv_close: unsafe extern "C" fn(*mut c_void, Option<LoopCallback>),
    /// `v8::Object::InternalFieldCount`, and the field itself; for names of workers alone, so there need be none.
    pub internal_field_count: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    pub internal_field: Option<unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void>,
    /// `v8::api_internal::GlobalizeReference`: a handle that lasts. On V8 12 and later of an object.
    pub globalize: Option<unsafe extern "C" fn(IsolatePtr, u64) -> *const u64>,
    /// Before that of the place where the object's address is.
    pub globalize_place: Option<unsafe extern "C" fn(IsolatePtr, *const u64) -> *const u64>,
    /// `v8::api_internal::DisposeGlobal`: the end of such a handle.
    pub dispose_global: Option<unsafe extern "C" fn(*const u64)>,
    /// Where the main thread's stack began, as glibc's loader remembers it.
    pub main_stack_end: Option<*const u64>,
}

// SAFETY: functions, which any thread may have, and the place of a word that nobody writes after the program has begun.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

/// The host's functions, or the name of the first one that is missing.
pub fn get() -> Result<&'static Host, &'static str> {
    HOST.get_or_find(find).as_ref().map_err(|name| *name)
}

/// The host's functions if an earlier call of [`get`] has found them. Async-signal-safe: it never looks.
pub fn get_found() -> Result<&'static Host, &'static str> {
    match HOST.get() {
        Some(found) => found.as_ref().map_err(|name| *name),
        None => Err("not looked for"),
    }
}

// Fork: kept; it is the same host.
static HOST: Published<Result<Host, &'static str>> = Published::new();

/// The function, or the place of the object, `name` of the running process. `F` must be its type.
///
/// # Safety
/// `F` is a function pointer type that fits the function of that name, or a pointer to what has it.
unsafe fn function<F: Copy>(name: &'static CStr) -> Result<F, &'static str> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: a NUL-terminated name; RTLD_DEFAULT looks through the images that are loaded.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast::<c_char>()) };
    if address.is_null() {
        return Err(name.to_str().unwrap_or("a function of the host"));
    }
    // SAFETY: same size (asserted); the caller vouches for the type.
    Ok(unsafe { std::mem::transmute_copy(&address) })
}

fn find() -> Result<Host, &'static str> {
    // SAFETY: the types follow v8-isolate.h, node.h and uv.h of Node 20 to 26; references and enums pass as pointers and ints.
    unsafe {
        Ok(Host {
            current_isolate: function(c"_ZN2v87Isolate13TryGetCurrentEv")?,
            request_interrupt: function(c"_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_")?,
            add_gc_prologue: function(
                c"_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
            )?,
            remove_gc_prologue: function(
                c"_ZN2v87Isolate24RemoveGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
            )?,
            add_gc_epilogue: function(
                c"_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
            )?,
            remove_gc_epilogue: function(
                c"_ZN2v87Isolate24RemoveGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
            )?,
            add_call_entered: function(c"_ZN2v87Isolate28AddBeforeCallEnteredCallbackEPFvPS0_E")?,
            remove_call_entered: function(
                c"_ZN2v87Isolate31RemoveBeforeCallEnteredCallbackEPFvPS0_E",
            )?,
            current_event_loop: function(c"_ZN4node19GetCurrentEventLoopEPN2v87IsolateE")?,
            add_cleanup_hook: function(
                c"_ZN4node25AddEnvironmentCleanupHookEPN2v87IsolateEPFvPvES3_",
            )?,
            uv_handle_size: function(c"uv_handle_size")?,
            uv_prepare_init: function(c"uv_prepare_init")?,
            uv_prepare_start: function(c"uv_prepare_start")?,
            uv_prepare_stop: function(c"uv_prepare_stop")?,
            uv_idle_init: function(c"uv_idle_init")?,
            uv_idle_start: function(c"uv_idle_start")?,
            uv_idle_stop: function(c"uv_idle_stop")?,
            uv_unref: function(c"uv_unref")?,
            uv_close: function(c"uv_close")?,
            internal_field_count: function(c"_ZNK2v86Object18InternalFieldCountEv").ok(),
            internal_field: function(c"_ZN2v86Object38SlowGetAlignedPointerFromInternalFieldEi")
                .ok(),
            globalize: function(
                c"_ZN2v812api_internal18GlobalizeReferenceEPNS_8internal7IsolateEm",
            )
            .ok(),
            globalize_place: function(
                c"_ZN2v812api_internal18GlobalizeReferenceEPNS_8internal7IsolateEPm",
            )
            .ok(),
            dispose_global: function(c"_ZN2v812api_internal13DisposeGlobalEPm").ok(),
            main_stack_end: function(c"__libc_stack_end").ok(),
        })
    }
}
