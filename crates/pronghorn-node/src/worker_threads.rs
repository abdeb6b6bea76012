//! What JavaScript says of worker threads: that one takes part, and what they are called.
//!
//! Threads: the worker itself, or whoever made it. Fork: nothing is kept here; a process that was forked off and has not been reset is refused.

use napi::bindgen_prelude::{JsValue, Object};
use napi_derive::napi;
use pronghorn_sampler::{collector, discovery, session};

use crate::error::{Failure, Result, guarded};
use crate::fork::in_own_process;

/// Lets the calling thread, a worker's, take part if a profiler runs in this process. `name` is its label in profiles, unless it is not
/// sure of it and whoever made it has said another. False if none runs.
#[napi]
pub fn join_thread(name: String, is_sure: Option<bool>) -> Result<bool> {
    guarded(|| {
        in_own_process()?;
        collector::join(&name, is_sure.unwrap_or(true)).map_err(Failure::from)
    })
    .map_err(Into::into)
}

/// The name in the C++ object behind a Worker's handle, on Node 20, where JavaScript is not told. `handle` is what Node keeps the
/// Worker in, and nothing else; `thread_id` the Worker's number. Null if there is none, or no profiler runs.
#[napi]
pub fn worker_name(handle: Object, thread_id: u32) -> Result<Option<String>> {
    guarded(|| {
        in_own_process()?;
        if !session::is_running() {
            return Ok(None);
        }
        // SAFETY: a napi_value is a local handle of V8's, here for an object, on its isolate's thread.
        Ok(unsafe { discovery::name_behind(handle.raw().cast(), thread_id.into()) })
    })
    .map_err(Into::into)
}

/// The calling thread has just made the worker thread `tid` (the kernel's id), called `name`.
#[napi]
pub fn name_thread(tid: i32, name: String) -> Result<()> {
    guarded(|| {
        in_own_process()?;
        discovery::announce(tid, &name);
        Ok(())
    })
    .map_err(Into::into)
}
