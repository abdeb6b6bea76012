//! Before a period ends: every thread's samples are resolved, as far as the thread comes to a safe point in time.
//!
//! Threads: a JavaScript thread that rotates or stops, or the watcher when a signal ends the process; [`Waiting::finish`] on whichever
//! thread goes on with the rotation. Threads that are asked answer at their own safe points; nobody reads another's samples.
//!
//! Fork: what waits is bounded, so a child that a handler forked off in here comes out again; its callers look whether they are
//! still in their own process.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::session::{self, recorder};
use crate::slot::{self, ThreadSlot};
use crate::{clock, fault_users, interrupt, thread};

pub use crate::thread::{Extent, FIRST_SLICE, SLICE};

/// Brings the calling thread up to date and asks the others to do the same; returns what to wait for.
pub fn settle() -> Waiting {
    settle_own(Extent::Whole);
    ask_others()
}

/// The same, as far as a first slice allows: the rest is waited for like that of the others.
pub fn begin() -> Waiting {
    let has_all = settle_own(Extent::Slice(FIRST_SLICE));
    let own = thread::current().filter(|_| !has_all);
    Waiting {
        own: own.map(|(_, slot)| (slot, slot.drains.load(Acquire))),
        ..ask_others()
    }
}

fn ask_others() -> Waiting {
    ask(false)
}

/// At a session's end: each thread but the calling one takes a last sample and takes no part any more.
pub fn end_others() -> Waiting {
    ask(true)
}

fn ask(ending: bool) -> Waiting {
    let own = thread::current().map(|(_, slot)| std::ptr::from_ref(slot));
    let others = slot::all()
        .filter(|(_, slot)| slot.armed.load(Acquire) && Some(std::ptr::from_ref(*slot)) != own)
        .map(|(index, slot)| {
            let drains = slot.drains.load(Acquire);
            slot.ending.store(ending, Release);
            let waits = !slot.buffer.is_empty() || slot.unfinished.load(Relaxed);
            let asked = (ending || waits) && {
                slot.whole_asked.store(true, Release);
                interrupt::request_drain(index, slot)
            };
            (slot, drains, asked)
        })
        .collect();
    Waiting { others, own: None }
}

/// Brings only the calling thread up to date, as far as `extent` says. False if something is left that there was no time for.
pub fn settle_own(extent: Extent) -> bool {
    let Some((_, slot)) = thread::current() else {
        return true;
    };
    if session::is_main(slot) {
        // For the walk.
        session::refresh_images();
    }
    thread::settle(slot, extent)
}

/// After a stop: goes on with what the calling thread has kept. False if something is left that there was no time for.
///
/// What is kept leads into V8's heap, where a bad pointer is survived by the handlers of faults, which the session's end has taken off. Where they
/// cannot be put back nothing is read, and what is left is lost.
pub fn go_on(extent: Extent) -> bool {
    let Some((_, slot)) = thread::current() else {
        return true;
    };
    fault_users::while_looking(|| thread::go_on(slot, extent)).unwrap_or(true)
}

/// Whether nothing of the calling thread's waits for another slice.
pub fn has_all() -> bool {
    thread::current().is_none_or(|(_, slot)| !slot.unfinished.load(Relaxed))
}

/// After a stop: how many samples the thread that stopped still keeps. From any thread: a snapshot.
pub fn kept_by_main() -> u64 {
    slot::all()
        .filter(|(_, slot)| session::is_main(slot))
        .map(|(_, slot)| u64::from(slot.kept.load(Relaxed)))
        .sum()
}

/// Threads that were asked to resolve what they have.
pub struct Waiting {
    others: Vec<(&'static ThreadSlot, u32, bool)>,
    /// The asking thread itself, if it has something left.
    own: Option<(&'static ThreadSlot, u32)>,
}

/// How long the rest of the asking thread is waited for. It comes to slices of it before each poll, or is asked for one when it has had none for 5 ms: more than ten are rare. What is left
/// then belongs to the next period.
const OWN_PATIENCE_NS: u64 = 250_000_000;

impl Waiting {
    /// Whether there is nobody to wait for.
    pub fn is_over(&self) -> bool {
        self.others.iter().all(|(_, _, asked)| !asked)
    }

    /// Waits until every thread that was asked has resolved its samples, at most until `deadline` (monotonic), and for the one that asks a little longer. A thread that
    /// sleeps in its loop's poll has nothing to resolve, or comes round by itself (`event_loop.rs`); its idle time is recorded from here.
    pub fn finish(self, deadline: u64) {
        let pause = std::time::Duration::from_micros(200);
        for (slot, drains, asked) in &self.others {
            while *asked
                && slot.drains.load(Acquire) == *drains
                && (slot.account.poll_since() == 0 || slot.unfinished.load(Relaxed))
                && clock::monotonic_ns() < deadline
            {
                std::thread::sleep(pause);
            }
        }
        let until = deadline.max(clock::monotonic_ns() + OWN_PATIENCE_NS);
        while let Some((slot, drains)) = self.own
            && slot.drains.load(Acquire) == drains
            && slot.unfinished.load(Relaxed)
            && clock::monotonic_ns() < until
        {
            std::thread::sleep(pause);
        }
        let Some(recorder) = recorder() else {
            return;
        };
        let own = self.own.iter().map(|(slot, _)| slot);
        for slot in self.others.iter().map(|(slot, ..)| slot).chain(own) {
            thread::record_idle_of_poller(slot, &recorder);
        }
    }
}
