//! What has to keep working inside a signal handler and across a fork.
//!
//! - [`fork`]: whether this process was forked off; nothing else in pronghorn knows of atfork.
//! - [`Resettable`]: the state of a component, replaced whole after a fork.
//! - [`RawLock`]: an atomic word with `try_lock`, `lock` and `unlock`.
//! - [`Guarded`]: a value behind such a lock, reached through a guard that always unlocks.
//! - [`Wiped`]: a static in memory that no fork copies.
//! - [`Mapping`], [`MappedVec`]: memory outside the allocator, which a child unmaps without looking into it.
//! - [`Futex`]: a word to sleep on; [`Parking`]: a thread that does, and is woken from in a signal handler.
//! - `Published`: what a process finds out once; nobody waits for whoever looks.
//! - [`own_tid`]: the calling thread.
//! - [`prefetch`]: a hint that memory is about to be read.
//! - `descriptors`: open files of our threads, which a child closes.
//! - [`Alone`]: the proof that a reset has the process to itself.
//! - [`failpoint!`]: a place at which a test can hold a thread; nothing in a normal build.
//!
//! This crate depends on libc alone and knows neither V8 nor signals nor profiles.
//!
//! Built with `--cfg loom` the atomics and cells are loom's, so that the models in pronghorn-recorder check this very code.
//! `--cfg pronghorn_weakened` on top weakens two orderings on purpose; those models have to fail then.

mod alone;
mod clock;
#[cfg(not(loom))]
pub mod descriptors;
pub mod failpoint;
pub mod fork;
mod futex;
mod guarded;
#[cfg(not(loom))]
mod histogram;
mod mapped_vec;
pub mod mapping;
mod own_tid;
mod park;
mod prefetch;
mod primitives;
#[cfg(not(loom))]
mod published;
mod raw_lock;
mod resettable;
#[cfg(not(loom))]
mod wiped;

pub use alone::Alone;
pub use futex::Futex;
pub use guarded::{Guard, Guarded, OwnedGuard};
#[cfg(not(loom))]
pub use histogram::Histogram;
pub use mapped_vec::MappedVec;
pub use mapping::Mapping;
pub use own_tid::own_tid;
pub use park::{Parking, Sleep};
pub use prefetch::{prefetch, prefetch_place};
#[cfg(not(loom))]
pub use published::Published;
pub use raw_lock::{RawLock, RawLockGuard};
pub use resettable::Resettable;
#[cfg(not(loom))]
pub use wiped::{Wiped, Zeroed};
