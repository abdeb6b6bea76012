//! A native addon for the benches: how long each turn of the event loop keeps its thread.
//!
//! A turn lasts from one time the loop is about to wait (libuv's prepare phase) to the next, less what it waited in between
//! (`uv_metrics_idle_time`, which Node has switched on). What is measured pays for two clocks a turn: nothing is allocated, no JavaScript runs,
//! and the loop goes to sleep as it would by itself. A measurement that looks from JavaScript has to keep the loop spinning, and what it allocates
//! meanwhile is collected in the very turns that it judges.
//!
//! # Threads
//! The main thread alone: the hook is never taken off, so a worker's loop could not be closed. `Cell`s behind thread-locals.
//!
//! # Fork
//! Never forked with.

mod collections;
mod meter;
#[path = "../../test-fixture/src/napi.rs"]
#[allow(dead_code, reason = "shared with test-fixture, which uses the rest")]
mod napi;
mod uv;

use core::ffi::c_void;
use napi::{Env, Value, arguments, export, from_number, number};

/// `begin()`: a span begins in the middle of a turn.
unsafe extern "C" fn begin(_env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    meter::begin();
    core::ptr::null_mut()
}

/// `called()`: what was called at the beginning has returned.
unsafe extern "C" fn called(_env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    meter::called();
    core::ptr::null_mut()
}

/// `end()`: the span is over, and so is the part of a turn up to here.
unsafe extern "C" fn end(_env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    meter::end();
    core::ptr::null_mut()
}

/// `figure(index)`: one of `meter::figures` of the last span.
unsafe extern "C" fn figure(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [index] = arguments(env, info);
    let all = meter::figures();
    let value = all.get(number(env, index) as usize).copied().unwrap_or(0);
    from_number(env, value as f64)
}

/// Called by Node when the addon is loaded into an environment: fills `exports`.
///
/// # Safety
/// `env` and `exports` are the live handles that Node passes to a module's registration function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(
    env: *mut c_void,
    exports: *mut c_void,
) -> *mut c_void {
    // SAFETY: `env` is live, and this is its thread.
    unsafe { uv::call_before_waiting(env, meter::turn) };
    collections::call_before(meter::collecting);
    let (env, object) = (Env(env), Value(exports));
    let functions: &[(&str, napi::Callback)] = &[
        ("begin", begin),
        ("called", called),
        ("end", end),
        ("figure", figure),
    ];
    for (name, callback) in functions {
        export(env, object, name, *callback);
    }
    exports
}
