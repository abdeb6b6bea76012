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

/// Brings the calling thread up to date and asks the others to do the same; returns what to wait for.
pub fn settle() -> Waiting {
    settle_all(false)
}

/// The same at a session's end: each thread takes a last sample and takes no part any more.
pub fn settle_for_good() -> Waiting {
    settle_all(true)
}

fn settle_all(ending: bool) -> Waiting {
    if own_is_main() {
        session::refresh_images();
    }
    settle_own();
    let own = thread::current().map(|(_, slot)| std::ptr::from_ref(slot));
    let others = slot::all()
        .filter(|(_, slot)| slot.armed.load(Acquire) && Some(std::ptr::from_ref(*slot)) != own)
        .map(|(index, slot)| {
            let drains = slot.drains.load(Acquire);
            slot.ending.store(ending, Release);
            slot.whole_asked.store(true, Release);
            let has_some = ending || !slot.buffer.is_empty();
            let asked = has_some && interrupt::request_drain(index, slot);
            (slot, drains, asked)
        })
        .collect();
    Waiting { others }
}

fn own_is_main() -> bool {
    thread::current().is_some_and(|(_, slot)| session::is_main(slot))
}

/// Brings only the calling thread up to date.
pub fn settle_own() {
    if let Some((_, slot)) = thread::current() {
        thread::settle(slot);
    }
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
