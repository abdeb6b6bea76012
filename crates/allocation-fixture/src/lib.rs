//! Put in front of libc by LD_PRELOAD, it counts what a whole Node process allocates while a handler of a real-time signal runs:
//! by malloc and its like, and by mmap. pronghorn's sampling signal is the only real-time signal that Node handles.
//!
//! - `handlers.rs` puts a function of ours in front of every such handler, and hides it from those who ask for the handler.
//! - `allocators.rs` stands in for malloc and the others.
//!
//! At the end of the process the counts are written to the file that `PRONGHORN_ALLOCATIONS` names. With
//! `PRONGHORN_ALLOCATE_IN_HANDLER=1` each handler also asks for memory: a count that cannot be anything but 0 would prove nothing.

mod allocators;
mod handlers;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

thread_local! {
    /// Handlers that run on this thread, one in another. A library that is there from the start has its thread-locals in place
    /// on every thread: reading one allocates nothing.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// A count of calls made inside handlers.
struct Count(&'static str, AtomicU64);

impl Count {
    const fn new(name: &'static str) -> Self {
        Self(name, AtomicU64::new(0))
    }

    /// Counts, if a handler runs on this thread.
    fn count_in_handler(&self) {
        if DEPTH.get() > 0 {
            self.1.fetch_add(1, Relaxed);
        }
    }
}

static HANDLED: Count = Count::new("handled");
static ALLOCATED: Count = Count::new("allocated");
static FREED: Count = Count::new("freed");
static MAPPED: Count = Count::new("mapped");
/// Outside of handlers too: shows that this library is the one that is asked.
static ALL: Count = Count::new("all");

/// Runs when the process ends in order.
extern "C" fn report() {
    let Some(path) = std::env::var_os("PRONGHORN_ALLOCATIONS") else {
        return;
    };
    let counts = [&HANDLED, &ALLOCATED, &FREED, &MAPPED, &ALL]
        .map(|Count(name, count)| format!("\"{name}\":{}", count.load(Relaxed)));
    let _ = std::fs::write(path, format!("{{{}}}\n", counts.join(",")));
}

#[used]
#[unsafe(link_section = ".fini_array")]
static REPORT: extern "C" fn() = report;
