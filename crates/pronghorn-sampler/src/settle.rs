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
use crate::{clock, interrupt, thread};

pub use crate::thread::Extent;

/// Brings the calling thread up to date and asks the others to do the same; returns what to wait for.
pub fn settle() -> Waiting {
    settle_own(Extent::Whole);
    ask_others()
}

/// Asks all threads but the calling one to resolve what they have.
pub fn ask_others() -> Waiting {
    ask(false)
}

/// At a session's end: the calling thread is brought up to date, and each other one takes a last sample and takes no part any more.
pub fn settle_for_good(own: Extent) -> Waiting {
    settle_own(own);
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
    Waiting { others }
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
pub fn go_on(extent: Extent) -> bool {
    thread::current().is_none_or(|(_, slot)| thread::go_on(slot, extent))
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
}

impl Waiting {
    /// Waits until every thread that was asked has resolved its samples, at most until `deadline` (monotonic). A thread that
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
        let Some(recorder) = recorder() else {
            return;
        };
        for (slot, ..) in &self.others {
            thread::record_idle_of_poller(slot, &recorder);
        }
    }
}
