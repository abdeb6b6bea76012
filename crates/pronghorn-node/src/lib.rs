//! The Node addon: a thin layer that turns calls from JavaScript into calls of the sampler and the recorder, and their
//! errors into JavaScript errors with a code.
//!
//! Every entry catches panics (napi-rs turns one in a `#[napi]` function into an exception; work on threads of ours and
//! hooks are guarded here and in the sampler). The image stays loaded when an environment ends, since signal handlers and
//! threads of ours point into it.

#![allow(
    unreachable_pub,
    reason = "what JavaScript calls is public, though no crate imports it"
)]
#![cfg_attr(
    test,
    allow(dead_code, reason = "under test nothing is exported to JavaScript")
)]

mod claim;
mod error;
mod fork;
#[cfg(feature = "failpoints")]
mod inspect;
mod labels;
mod lifecycle;
mod listener;
mod options;
mod otlp;
mod outcomes;
mod own_work;
mod registry;
mod retain;
mod rotation;
mod sessions;
mod source_maps;
mod stalls;
mod statistics;
mod termination;
mod work_thread;
mod worker_threads;
