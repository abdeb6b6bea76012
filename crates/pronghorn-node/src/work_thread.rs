//! The threads that make profiles (`pronghorn-work`), and what servers want of them (`pronghorn-body`): apart, since whoever waits for a profile, at a process's
//! end, does so for a second. Each is there from its first work on, and sleeps while it has none.
//!
//! Why not libuv's thread pool: a process that has not used it would get four threads for this and four arenas of the C library's (2 MB); a program that keeps its
//! pool busy would keep profiles waiting; Node begins a process's first work there under a lock of V8's, which a child of a fork in that moment would find
//! taken for ever; and after a fork that libuv does not hear of there is none.
//!
//! Threads: [`give`] on JavaScript threads, jobs one after the other on their thread. The lock is held for a moment, and while the thread is made.
//!
//! Fork: the threads do not exist in the child, whose first work makes others. What the parent's had to do is abandoned. A handler of the host's that forks in
//! the middle of [`give`] waits until it is over: signals are blocked.

use std::collections::VecDeque;
use std::thread::{self, Thread};

use pronghorn_sampler::failure;
use pronghorn_sampler::spawn::{self, BlockedSignals};
use pronghorn_sync::{Alone, Guarded, Resettable};

use crate::fork::OwnProcess;

/// Where a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    ItsThread,
    /// The system refuses a thread.
    CallingThread,
}

/// Says what has come of it even if it fails.
pub(crate) type Job = Box<dyn FnOnce(On) + Send>;

/// Which thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Profiles,
    Bodies,
}

/// Names are demangled, profiles and source maps read by recursion, within bounds of their own.
const STACK: usize = 2 << 20;

/// A thread, if it was needed yet, and what it has to do.
#[derive(Default)]
struct Worker {
    jobs: VecDeque<Job>,
    thread: Option<Thread>,
}

struct State {
    profiles: Guarded<Option<Worker>>,
    bodies: Guarded<Option<Worker>>,
}

impl State {
    const fn new() -> Self {
        Self {
            profiles: Guarded::new(None),
            bodies: Guarded::new(None),
        }
    }

    /// What a child starts with: no thread, and nothing to do.
    fn inherited(&self) -> Self {
        let Self {
            profiles: _,
            bodies: _,
        } = self;
        Self::new()
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// In a forked process: what this file keeps.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

fn with_worker<R>(line: Line, act: impl FnOnce(&mut Worker) -> R) -> R {
    let state = STATE.get();
    let place = match line {
        Line::Profiles => &state.profiles,
        Line::Bodies => &state.bodies,
    };
    place
        .lock()
        .with(|worker| act(worker.get_or_insert_default()))
}

/// Has it done; nothing in a child in which a call of its parent's goes on.
pub(crate) fn give(line: Line, process: OwnProcess, job: Job) {
    let blocked = BlockedSignals::all();
    if !process.is_here() {
        std::mem::forget(job);
        return;
    }
    let refused = with_worker(line, |worker| {
        if worker.thread.is_none() {
            let (name, work): (_, fn()) = match line {
                Line::Profiles => ("pronghorn-work", || work(Line::Profiles)),
                Line::Bodies => ("pronghorn-body", || work(Line::Bodies)),
            };
            match spawn::with_stack(name, STACK, work) {
                Ok(handle) => worker.thread = Some(handle.thread().clone()),
                Err(_) => return Some(job),
            }
        }
        worker.jobs.push_back(job);
        if let Some(thread) = &worker.thread {
            thread.unpark();
        }
        None
    });
    drop(blocked);
    if let Some(job) = refused {
        job(On::CallingThread);
    }
}

fn work(line: Line) {
    loop {
        match with_worker(line, |worker| worker.jobs.pop_front()) {
            // Its own failures it tells of itself; the thread goes on in any case.
            Some(job) => drop(failure::guarded("work beside the program", || {
                job(On::ItsThread);
            })),
            None => thread::park(),
        }
    }
}
