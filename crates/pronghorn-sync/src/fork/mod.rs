//! Forks: whether this process was forked off, and the agreement between forks and our native threads.
//!
//! # Two witnesses
//! `fork(3)` runs the handlers registered here, and the child's bumps the generation: one store. `_Fork`, the bare system
//! call and `clone` run no handlers; for them there is a word in a page that the kernel hands to every child zeroed
//! (MADV_WIPEONFORK, Linux 4.14), or, where the kernel does not know that, the process id. [`forked`] asks both.
//!
//! # What a fork waits for
//! A native thread of ours that is inside V8, the dynamic linker or a lock that the child needs is inside a [`Section`].
//! The prepare handler keeps others out and waits for those inside, at most [`PATIENCE_NS`]. Past that it lets the fork
//! go on and counts it; the child knows ([`late`]) and must not restart. JavaScript threads are never waited for: what
//! they hold is replaced by the reset.
//!
//! # From fork to reset
//! A forked process that has not called [`acknowledge`] is in limbo: every hook and handler of ours looks at [`forked`]
//! first and does nothing, takes no lock and writes to no descriptor. It stays there for good if nobody resets it.
//!
//! # Threads
//! [`install`], [`acknowledge`] and [`revoke`] on the thread that controls the profiler; handlers on whichever thread
//! forks, also several at a time; the rest anywhere, in signal handlers too.
//!
//! Source for which forks run handlers: glibc 2.36 (`posix/fork.c`, `posix/_Fork.c`); measured.

mod gate;

pub use gate::{Forks, Inside};

#[cfg(not(loom))]
mod process;
#[cfg(not(loom))]
pub use process::*;

/// Models check the gate alone; nothing forks in them.
#[cfg(loom)]
mod never;
#[cfg(loom)]
pub use never::*;
