//! The one thread that makes profiles, and turns them into what servers want: `pronghorn-work`. It is there from the first work on, and sleeps while there is none.
//!
//! Why not libuv's thread pool: a process that has not used it would get four threads and four arenas of the C library's for this (0.1 to 0.6 ms of the main
//! thread's time, 2 MB); a program that keeps its pool busy would keep profiles waiting; and after a fork that libuv does not hear of there is none.
//!
//! Threads: [`give`] on JavaScript threads, jobs one after the other on this one. The lock is held for a moment, and while the thread is made.
//!
//! Fork: the thread does not exist in the child, whose first work makes another. What the parent's had to do is abandoned.

use std::collections::VecDeque;
use std::thread::{self, Thread};

use pronghorn_sampler::spawn;
use pronghorn_sync::{Alone, Guarded, Resettable};

/// Must not let a panic out.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Names are demangled and profiles read by recursion, within bounds of their own.
const STACK: usize = 1 << 20;

struct State {
    shared: Guarded<Shared>,
}

struct Shared {
    jobs: VecDeque<Job>,
    worker: Option<Thread>,
}

impl State {
    const fn new() -> Self {
        Self {
            shared: Guarded::new(Shared {
                jobs: VecDeque::new(),
                worker: None,
            }),
        }
    }

    /// What a child starts with: no thread, and nothing to do.
    fn inherited(&self) -> Self {
        let Self { shared: _ } = self;
        Self::new()
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// In a forked process: what this file keeps.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

/// Has it done. Where the system refuses a thread, on this one.
pub(crate) fn give(job: Job) {
    let refused = STATE.get().shared.lock().with(|shared| {
        if shared.worker.is_none() {
            match spawn::with_stack("pronghorn-work", STACK, work) {
                Ok(handle) => shared.worker = Some(handle.thread().clone()),
                Err(_) => return Some(job),
            }
        }
        shared.jobs.push_back(job);
        if let Some(worker) = &shared.worker {
            worker.unpark();
        }
        None
    });
    if let Some(job) = refused {
        job();
    }
}

fn work() {
    loop {
        let next = STATE
            .get()
            .shared
            .lock()
            .with(|shared| shared.jobs.pop_front());
        match next {
            Some(job) => job(),
            None => thread::park(),
        }
    }
}
