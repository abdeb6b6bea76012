//! The threads that make profiles (`pronghorn-work`), and what servers want of them (`pronghorn-body`): apart, since whoever waits for a profile, at a process's
//! end, does so for a second. Each sleeps while it has no work. The one for bodies is there from its first work on, the one for profiles from the first poll of the
//! event loop behind a start: to make a thread takes 0.15 ms, which the first rotation need not take from the program in one piece with all else.
//!
//! Why not libuv's thread pool: a process that has not used it would get four threads for this and four arenas of the C library's (2 MB); a program that keeps its
//! pool busy would keep profiles waiting; Node begins a process's first work there under a lock of V8's, which a child of a fork in that moment would find
//! taken for ever; and after a fork that libuv does not hear of there is none.
//!
//! Threads: [`give`] and [`stand_ready`] on JavaScript threads, jobs one after the other on their thread. The lock is held for a moment, and while the thread is made.
//!
//! Fork: the threads do not exist in the child, where others are made in the same way, but not before it has been reset. What the parent's had to do is
//! abandoned. A handler of the host's that forks in the middle of either function waits until it is over: signals are blocked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, Thread};

use pronghorn_sampler::slot::ThreadSlot;
use pronghorn_sampler::spawn::{self, BlockedSignals};
use pronghorn_sampler::{failure, session};
use pronghorn_sync::{Alone, Guarded, Resettable};

use crate::fork::{OwnProcess, in_own_process};

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

/// A thread, once it was needed, and what it has to do.
struct Worker {
    line: Line,
    thread: Option<Thread>,
    jobs: VecDeque<Job>,
}

impl Worker {
    const fn new(line: Line) -> Self {
        Self {
            line,
            thread: None,
            jobs: VecDeque::new(),
        }
    }

    /// Its thread, which is made if there is none; `None` if the system refuses it.
    fn thread(&mut self) -> Option<Thread> {
        if self.thread.is_none() {
            let (name, work): (_, fn()) = match self.line {
                Line::Profiles => ("pronghorn-work", || work(Line::Profiles)),
                Line::Bodies => ("pronghorn-body", || work(Line::Bodies)),
            };
            let made = spawn::in_background(name, STACK, work).ok()?;
            self.thread = Some(made.thread().clone());
        }
        self.thread.clone()
    }
}

struct State {
    /// Whether [`stand_ready`] has done what it is for.
    ready: AtomicBool,
    profiles: Guarded<Worker>,
    bodies: Guarded<Worker>,
}

impl State {
    const fn new() -> Self {
        Self {
            ready: AtomicBool::new(false),
            profiles: Guarded::new(Worker::new(Line::Profiles)),
            bodies: Guarded::new(Worker::new(Line::Bodies)),
        }
    }

    /// What a child starts with: no thread, and nothing to do.
    fn inherited(&self) -> Self {
        let Self {
            ready: _,
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
    place.lock().with(act)
}

/// Before a poll of the main thread's loop: if a session runs, its profiles will be wanted.
pub(crate) fn stand_ready(slot: &ThreadSlot) {
    if STATE.get().ready.load(Relaxed) || !session::is_running() || !session::is_main(slot) {
        return;
    }
    make_ready();
}

#[cold]
fn make_ready() {
    let _blocked = BlockedSignals::all();
    // A handler of the host's may have forked just before.
    if in_own_process().is_err() {
        return;
    }
    STATE.get().ready.store(true, Relaxed);
    // Where the system refuses it, the first work asks once more.
    drop(with_worker(Line::Profiles, Worker::thread));
}

/// Has it done; nothing in a child in which a call of its parent's goes on.
pub(crate) fn give(line: Line, process: OwnProcess, job: Job) {
    let blocked = BlockedSignals::all();
    if !process.is_here() {
        std::mem::forget(job);
        return;
    }
    let refused = with_worker(line, |worker| match worker.thread() {
        Some(thread) => {
            worker.jobs.push_back(job);
            thread.unpark();
            None
        }
        None => Some(job),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_leaves_no_thread_and_nothing_to_do() {
        let state = State::new();
        state.ready.store(true, Relaxed);
        for worker in [&state.profiles, &state.bodies] {
            worker.lock().with(|worker| {
                worker.thread = Some(thread::current());
                worker.jobs.push_back(Box::new(|_| ()));
            });
            // Held by a thread that is gone.
            std::mem::forget(worker.lock());
        }
        let State {
            ready,
            profiles,
            bodies,
        } = state.inherited();
        assert!(!ready.load(Relaxed));
        for worker in [profiles, bodies] {
            worker.lock().with(|worker| {
                assert!(worker.thread.is_none() && worker.jobs.is_empty());
            });
        }
    }
}
