//! Threads that are none of Node's: native ones, and one that runs JavaScript in an isolate of its own, without an environment, as
//! isolated-vm does. A profiler has to leave both alone.

use crate::napi::{Env, arguments, from_number, number};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

static STOPPING: AtomicBool = AtomicBool::new(false);
static THREADS: AtomicU64 = AtomicU64::new(0);
/// Sleeps of foreign threads that a signal cut short.
static INTERRUPTED: AtomicU64 = AtomicU64::new(0);
/// 0: it runs; 1: it ran to its end; 2: it could not be made.
static ISOLATE: AtomicU64 = AtomicU64::new(0);

/// `startForeignThreads(count)`: native threads that compute for 2 ms and sleep for 1 ms by turns, until they are stopped.
pub(crate) unsafe extern "C" fn start_foreign_threads(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [count] = arguments::<1>(env, info);
    STOPPING.store(false, Ordering::Relaxed);
    for _ in 0..number(env, count) as u32 {
        THREADS.fetch_add(1, Ordering::Relaxed);
        std::thread::spawn(|| {
            while !STOPPING.load(Ordering::Relaxed) {
                crate::work::pronghorn_fixture_burn(2.0);
                let interrupted = crate::work::pronghorn_fixture_sleep(1.0);
                INTERRUPTED.fetch_add(interrupted as u64, Ordering::Relaxed);
            }
            THREADS.fetch_sub(1, Ordering::Relaxed);
        });
    }
    from_number(env, 0.0)
}

/// `stopForeignThreads()`: ends them, and returns how many of their sleeps a signal cut short.
pub(crate) unsafe extern "C" fn stop_foreign_threads(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    STOPPING.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(10);
    while THREADS.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    from_number(Env(env), INTERRUPTED.load(Ordering::Relaxed) as f64)
}

/// `runForeignIsolate(handleScopes)`: a thread with an isolate that has no environment of Node's runs JavaScript for a second. `handleScopes`
/// is where V8 keeps the isolate's handle scopes, from v8-internal.h; 0 where V8 exports what makes one. The isolate and
/// the thread are left as they are: there is no orderly end without V8's headers.
pub(crate) unsafe extern "C" fn run_foreign_isolate(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [handle_scopes] = arguments::<1>(env, info);
    let handle_scopes = number(env, handle_scopes) as usize;
    // SAFETY: on the main thread, in a callback of its environment.
    let Some(platform) = (unsafe { platform() }) else {
        return from_number(env, 2.0);
    };
    ISOLATE.store(0, Ordering::SeqCst);
    let platform = platform.expose_provenance();
    std::thread::spawn(move || {
        // SAFETY: the platform lives as long as the process; the thread is fresh.
        let ran = unsafe { run(ptr::with_exposed_provenance_mut(platform), handle_scopes) };
        ISOLATE.store(if ran.is_some() { 1 } else { 2 }, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    });
    from_number(env, 0.0)
}

/// `foreignIsolate()`: 0 while it runs, 1 once it ran to its end, 2 if it could not be made.
pub(crate) unsafe extern "C" fn foreign_isolate(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    from_number(Env(env), ISOLATE.load(Ordering::SeqCst) as f64)
}

/// A function of the process by its mangled name, as type `F`.
///
/// # Safety
/// `F` is the function pointer type that the name stands for.
unsafe fn function<F: Copy>(name: &CStr) -> Option<F> {
    // SAFETY: a NUL-terminated name; the size is checked.
    unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!address.is_null() && size_of::<F>() == size_of::<*mut c_void>())
            .then(|| core::mem::transmute_copy(&address))
    }
}

type Pointer = *mut c_void;

/// The platform of the current environment.
///
/// # Safety
/// On a thread that runs JavaScript of Node's.
unsafe fn platform() -> Option<Pointer> {
    // SAFETY: the types are those of node.h and v8-isolate.h; a Local is a pointer.
    unsafe {
        let current: unsafe extern "C" fn() -> Pointer =
            function(c"_ZN2v87Isolate13TryGetCurrentEv")?;
        let context: unsafe extern "C" fn(Pointer) -> Pointer =
            function(c"_ZN2v87Isolate17GetCurrentContextEv")?;
        let environment: unsafe extern "C" fn(Pointer) -> Pointer =
            function(c"_ZN4node21GetCurrentEnvironmentEN2v85LocalINS0_7ContextEEE")?;
        let platform: unsafe extern "C" fn(Pointer) -> Pointer =
            function(c"_ZN4node23GetMultiIsolatePlatformEPNS_11EnvironmentE")?;
        let platform = platform(environment(context(current())));
        (!platform.is_null()).then_some(platform)
    }
}

const NEW_ISOLATE: &CStr = c"_ZN4node10NewIsolateEPNS_20ArrayBufferAllocatorEP9uv_loop_sPNS_20MultiIsolatePlatformEPKNS_20EmbedderSnapshotDataERKNS_15IsolateSettingsE";
/// `Context::New` of Node 20, 22, and 24 and 26: what came later is appended.
const NEW_CONTEXT: [&CStr; 3] = [
    c"_ZN2v87Context3NewEPNS_7IsolateEPNS_22ExtensionConfigurationENS_10MaybeLocalINS_14ObjectTemplateEEENS5_INS_5ValueEEENS_33DeserializeInternalFieldsCallbackEPNS_14MicrotaskQueueE",
    c"_ZN2v87Context3NewEPNS_7IsolateEPNS_22ExtensionConfigurationENS_10MaybeLocalINS_14ObjectTemplateEEENS5_INS_5ValueEEENS_33DeserializeInternalFieldsCallbackEPNS_14MicrotaskQueueENS_30DeserializeContextDataCallbackE",
    c"_ZN2v87Context3NewEPNS_7IsolateEPNS_22ExtensionConfigurationENS_10MaybeLocalINS_14ObjectTemplateEEENS5_INS_5ValueEEENS_33DeserializeInternalFieldsCallbackEPNS_14MicrotaskQueueENS_30DeserializeContextDataCallbackENS_29DeserializeAPIWrapperCallbackE",
];
/// What runs in the foreign isolate. It has no clock of ours to look at but Date.
const SOURCE: &CStr = c"(function inForeignIsolate() { let sink = 1; const end = Date.now() + 1000; while (Date.now() < end) { for (let i = 0; i < 100000; i++) sink = (sink * 31 + i) | 0; } return sink; })()";

/// Makes an isolate and a context, and runs the source.
///
/// # Safety
/// On a fresh thread; `platform` is Node's.
unsafe fn run(platform: Pointer, handle_scopes: usize) -> Option<()> {
    // SAFETY: the types are those of node.h, v8-*.h and uv.h of Node 20 to 26, where references, Locals and MaybeLocals are pointers and
    // arguments behind those that a version has are not looked at. Settings, loop and scope are zeroed, large enough and never freed.
    unsafe {
        let allocator: unsafe extern "C" fn() -> Pointer =
            function(c"_ZN4node26CreateArrayBufferAllocatorEv")?;
        let new_isolate: unsafe extern "C" fn(
            Pointer,
            Pointer,
            Pointer,
            Pointer,
            Pointer,
        ) -> Pointer = function(NEW_ISOLATE)?;
        let loop_size: unsafe extern "C" fn() -> usize = function(c"uv_loop_size")?;
        let loop_init: unsafe extern "C" fn(Pointer) -> c_int = function(c"uv_loop_init")?;
        let enter: unsafe extern "C" fn(Pointer) = function(c"_ZN2v87Isolate5EnterEv")?;
        let enter_context: unsafe extern "C" fn(Pointer) = function(c"_ZN2v87Context5EnterEv")?;
        let text: unsafe extern "C" fn(Pointer, *const c_char, c_int, c_int) -> Pointer =
            function(c"_ZN2v86String11NewFromUtf8EPNS_7IsolateEPKcNS_13NewStringTypeEi")?;
        let compile: unsafe extern "C" fn(Pointer, Pointer, Pointer) -> Pointer = function(
            c"_ZN2v86Script7CompileENS_5LocalINS_7ContextEEENS1_INS_6StringEEEPNS_12ScriptOriginE",
        )?;
        let run: unsafe extern "C" fn(Pointer, Pointer) -> Pointer =
            function(c"_ZN2v86Script3RunENS_5LocalINS_7ContextEEE")?;
        type NewContext = unsafe extern "C" fn(
            Pointer,
            Pointer,
            Pointer,
            Pointer,
            Pointer,
            Pointer,
            Pointer,
            Pointer,
            Pointer,
            Pointer,
            Pointer,
        ) -> Pointer;
        let new_context: NewContext = NEW_CONTEXT.iter().find_map(|name| function(name))?;

        let event_loop = libc::calloc(1, loop_size());
        if loop_init(event_loop) != 0 {
            return None;
        }
        let null = ptr::null_mut();
        let settings = libc::calloc(1, 512);
        let isolate = new_isolate(allocator(), event_loop, platform, null, settings);
        if isolate.is_null() {
            return None;
        }
        enter(isolate);
        if handle_scopes == 0 {
            let open: unsafe extern "C" fn(Pointer, Pointer) =
                function(c"_ZN2v811HandleScopeC1EPNS_7IsolateE")?;
            open(libc::calloc(1, 64), isolate);
        } else {
            // What HandleScope's inline constructor does: next and limit stay, the level grows.
            *isolate.byte_add(handle_scopes + 16).cast::<c_int>() += 1;
        }
        let context = new_context(
            isolate, null, null, null, null, null, null, null, null, null, null,
        );
        if context.is_null() {
            return None;
        }
        enter_context(context);
        let script = compile(context, text(isolate, SOURCE.as_ptr(), 0, -1), null);
        (!script.is_null() && !run(script, context).is_null()).then_some(())
    }
}
