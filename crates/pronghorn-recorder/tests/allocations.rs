//! Recording a stack that was seen before allocates nothing, neither from the allocator nor as a mapping.

#![cfg(not(loom))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use pronghorn_recorder::{Frame, Recorder};
use pronghorn_sync::mapping::{live_bytes, live_mappings};
use support::{function, sample, script, thread, time, values};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread what is asked of it.
struct Counting;

// SAFETY: everything is the system allocator's; the counter has no destructor and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `action` allocates on this thread.
fn allocations_of(action: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    action();
    ALLOCATIONS.get() - before
}

#[test]
fn a_known_stack_allocates_nothing_and_a_new_one_only_in_mappings() {
    let recorder = Recorder::new(time(1));
    let label = thread(1, "main");
    let functions: Vec<_> = (0..20)
        .map(|number| function(&format!("function{number}"), "app.js", 1))
        .collect();
    let stacks: Vec<Vec<Frame>> = (0..5_000)
        .map(|stack: usize| {
            (0..=(stack % 30))
                .map(|depth| script(&functions[(stack + depth) % 20], stack as u32))
                .collect()
        })
        .collect();
    let record = || {
        let samples = stacks
            .iter()
            .map(|frames| sample(&label, frames, values(1, 2, 3)));
        recorder.record(samples).expect("a free slot");
    };
    assert!(allocations_of(|| drop(Vec::<u8>::with_capacity(100))) > 0);
    let mapped = live_bytes();
    assert_eq!(allocations_of(record), 0);
    assert!(live_bytes() > mapped, "the tables have grown");
    let mapped = (live_mappings(), live_bytes());
    assert_eq!(allocations_of(record), 0);
    assert_eq!((live_mappings(), live_bytes()), mapped);
}
