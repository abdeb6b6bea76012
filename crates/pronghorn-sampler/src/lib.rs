//! The sampler: when to sample which JavaScript thread, how to take one stack in a signal handler, and what happens to it
//! at that thread's next safe point.
//!
//! Read it in the order of a sample's way: [`ticker`] (when), [`signal`] (how the thread is told), [`handler`] and [`walk`]
//! (the sample), [`account`] and [`buffer`] (what it carries and where it waits), [`thread`] (its safe points), [`stack`]
//! (from raw frames to a stack). [`labels`] is what the application
//! says of its work, [`stall`] watches for an event loop that is blocked. [`gc`] and [`event_loop`] are the hooks, [`slot`] is what all of it hangs on, and
//! [`session`] holds the gate, [`collector`] switches it on and off, [`settle`] ends a period,
//! [`reset`] is what happens in a forked process.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::new_without_default,
    reason = "what has a `new` here is made in statics, where a Default cannot be called"
)]

pub mod account;
mod background;
pub mod bare_thread;
pub mod breaker;
pub mod buffer;
pub mod capabilities;
pub mod clock;
pub mod collector;
mod cpu_timer;
pub mod discovery;
pub mod event_loop;
pub mod failure;
mod fault_users;
pub mod gc;
pub mod handler;
pub mod host;
mod interrupt;
pub mod labels;
mod mapping;
pub mod observed;
mod own_stack;
pub mod proof;
mod protection_keys;
pub mod registers;
pub mod reset;
pub mod session;
pub mod settle;
pub mod signal;
pub mod slot;
pub mod spawn;
pub mod stack;
mod stack_bounds;
pub mod stall;
mod standing;
pub mod statistics;
pub mod symbolizer;
mod task_file;
pub mod thread;
pub mod ticker;
mod uv_handle;
mod waker;
pub mod walk;

/// Whether the handler of the sampling signal is installed.
#[cfg(feature = "failpoints")]
pub fn handler_is_installed() -> bool {
    signal::is_ours(handler::on_sampling_signal)
}

/// Whether the handlers of faults are.
#[cfg(feature = "failpoints")]
pub fn fault_handlers_are_installed() -> bool {
    pronghorn_v8::fault::is_ours()
}

pub use capabilities::{Capabilities, capabilities};
pub use collector::{Options, StartError};
pub use pronghorn_v8::{Frames, Proof};
pub use stack::NativeFrames;
pub use stall::{StallOptions, StallOutput};
