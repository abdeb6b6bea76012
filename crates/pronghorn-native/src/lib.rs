//! What is known about the native images of the process: where they lie, how to step out of their frames, and what their
//! functions are called.
//!
//! - [`ImageList`] is an immutable snapshot of the loaded images, taken on a normal thread and read from signal handlers.
//! - [`unwind`] steps from a frame to its caller, in a signal handler.
//! - [`Symbolizer`] names addresses, off the main thread.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod build_id;
mod demangle;
mod elf;
#[cfg(all(any(test, fuzzing), target_os = "linux", target_arch = "x86_64"))]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "it is for tests"
)]
pub mod fuzz;
mod images;
mod memory;
#[doc(hidden)]
pub mod offline;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod scan;
mod symbol_scan;
mod symbol_source;
mod symbols;
pub mod unwind;

pub use demangle::demangle;
pub use images::{Image, ImageList, Segment};
pub use memory::Memory;
pub use symbols::{Symbol, Symbolizer};
