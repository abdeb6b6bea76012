//! A native addon for the fork tests: it forks this process for real, and the child goes on running JavaScript.
//!
//! What such a fork takes is known (docs/fork-safety.md, "The recipe"): Node runs with `--single-threaded
//! --v8-pool-size=1`, V8's pages are handed to the child, the child makes its event loop anew, and ends through `_exit`. The functions
//! here do that, or leave parts of it out, from JavaScript, from a signal handler and from inside a garbage collection.
//!
//! # Fork
//! The addon's own state is a few atomics that mean the same in the child: what the last fork came to, and counters.

mod atfork;
mod children;
mod deny;
mod dont_fork;
mod handlers;
mod meeting;
#[path = "../../test-fixture/src/napi.rs"]
#[allow(dead_code, reason = "shared with test-fixture, which uses the rest")]
mod napi;
mod process;
mod recipe;
mod values;

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
    recipe::find();
    let (env, object) = (Env(env), Value(exports));
    let functions: &[(&str, napi::Callback)] = &[
        ("fork", recipe::fork),
        ("loopFork", recipe::loop_fork),
        ("loopIsAlive", recipe::loop_is_alive),
        ("armFork", handlers::arm_fork),
        ("forkFunctionAddress", handlers::fork_function_address),
        ("forkInGc", handlers::fork_in_gc),
        ("collectionHooks", handlers::collection_hooks),
        ("lastFork", handlers::last_fork),
        ("forkAtMeeting", meeting::fork_at_meeting),
        ("meetingFunctionAddress", meeting::meeting_function_address),
        ("notingFunctionAddress", meeting::noting_function_address),
        ("notedInForks", meeting::noted_in_forks),
        ("forkNativeOnly", children::fork_native_only),
        ("daemonize", children::daemonize),
        ("denyForks", deny::deny_forks),
        ("denyThreads", deny::deny_threads),
        ("countForkHandlers", atfork::count_fork_handlers),
        ("forkHandlerCounts", atfork::fork_handler_counts),
        ("waitpid", process::wait_pid),
        ("kill", process::kill),
        ("sendSignal", process::send_signal),
        ("pendingSignals", process::pending_signals),
        ("exitNow", process::exit_now),
        ("getpid", process::pid),
        ("getppid", process::parent_pid),
        ("gettid", process::thread_id),
        ("threadCpuNanos", process::thread_cpu_nanos),
        ("clockNanos", process::clock_nanos),
    ];
    for (name, callback) in functions {
        export(env, object, name, *callback);
    }
    exports
}
