//! A native addon for the end-to-end tests, whose every function has an effect that is known beforehand.
//!
//! It is raw N-API, without a binding library, so that the frames between two JavaScript functions are exactly the
//! ones written here: plain Rust functions, compiled without frame pointers like any third-party addon. The functions
//! a test looks for in a profile are `#[inline(never)]`; `pronghorn_fixture_*` are unmangled, the others are mangled
//! on purpose, so that a profile also shows whether names are demangled.

mod faults;
mod foreign;
mod napi;
mod signals;
mod stack;
mod work;

use core::ffi::c_void;
use napi::{Env, Value, export};

/// Called by Node when the addon is loaded into an environment: fills `exports`.
///
/// # Safety
/// `env` and `exports` are the live handles that Node passes to a module's registration function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(
    env: *mut c_void,
    exports: *mut c_void,
) -> *mut c_void {
    let (env, object) = (Env(env), Value(exports));
    let functions: &[(&str, napi::Callback)] = &[
        ("burn", work::burn),
        ("burnMangled", work::burn_mangled),
        ("churn", work::churn),
        ("callBack", work::call_back),
        ("blockingNanosleep", work::blocking_nanosleep),
        ("threadCpuNanos", work::thread_cpu_nanos),
        ("threadId", work::thread_id),
        ("errnoAfterBurn", work::errno_after_burn),
        ("sendForgedSignal", signals::send_forged_signal),
        ("dispositionOf", signals::disposition_of),
        ("changeDisposition", signals::change_disposition),
        ("ownHandlerCalls", signals::own_handler_calls),
        ("blockSignal", signals::block_signal),
        ("swallowSignal", signals::swallow_signal),
        ("paintSignalStack", stack::paint_signal_stack),
        ("usedSignalStack", stack::used_signal_stack),
        ("installSegvHandler", faults::install_segv_handler),
        ("segvHandlerCalls", faults::segv_handler_calls),
        ("dereferenceNull", faults::dereference_null),
        ("startForeignThreads", foreign::start_foreign_threads),
        ("stopForeignThreads", foreign::stop_foreign_threads),
        ("runForeignIsolate", foreign::run_foreign_isolate),
        ("foreignIsolate", foreign::foreign_isolate),
    ];
    for (name, callback) in functions {
        export(env, object, name, *callback);
    }
    exports
}
