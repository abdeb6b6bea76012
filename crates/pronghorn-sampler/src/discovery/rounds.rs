//! The ticker's rounds: which threads there are, which of them are new, and who is to be asked.
//!
//! Threads, fork: `discovery.rs`. A [`Discovery`] is the ticker's alone and ends with it; the questions and the flags it shares are in the state there.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use pronghorn_sync::mapping::Kind;
use pronghorn_sync::{MappedVec, fork};

use super::handshake::Opened;
use super::{ASKS, STATE, State, is_v8_code, on_found, tasks};
use crate::{clock, host, session, signal, slot, spawn, ticker};

/// The number of threads is not looked at more often than this: a look by path at each tick was two fifths of the ticker's CPU time, each
/// 50 ms still a sixth. Workers are announced by who makes them.
const LOOK_NS: u64 = 200_000_000;
/// The same while threads come or are about to: one that was announced may not be there yet, and where one is, there are others.
const SOON_NS: u64 = 4_000_000;
/// For so long.
const SOON_FOR_NS: u64 = 200_000_000;
/// Threads are listed at least this often: one may have ended and another begun.
const LIST_NS: u64 = 1_000_000_000;

/// How long a stop waits for threads that are being asked.
const CLOSE_NS: u64 = 10_000_000;

/// The ticker's part. Dropped with the ticker: nobody is asked any more.
pub(crate) struct Discovery {
    /// Threads that are asked, were asked, or are registered, with their CPU clocks when last seen; in the order of their ids.
    known: MappedVec<(i32, u64)>,
    /// What the last listing found, for the next `known`.
    seen: MappedVec<(i32, u64)>,
    living: MappedVec<i32>,
    counter: tasks::Counter,
    threads: u64,
    look_at: u64,
    soon_until: u64,
    list_at: u64,
}

impl Discovery {
    pub(crate) fn new() -> Self {
        Self {
            known: with_room(),
            seen: with_room(),
            living: with_room(),
            counter: tasks::Counter::default(),
            threads: 0,
            look_at: 0,
            soon_until: 0,
            list_at: 0,
        }
    }

    /// One round: serves threads that are held, then looks for new ones if it is time. `now` is monotonic.
    pub(crate) fn look(&mut self, now: u64) {
        let state = STATE.get();
        if ASKS.get().any_held() {
            serve(state);
        }
        // Looked at before it is written: a write is what a fork has to copy.
        let told = state.changed.load(SeqCst) && state.changed.swap(false, SeqCst);
        if !told && now < self.look_at {
            return;
        }
        let threads = self.counter.count();
        let has_changed = told || threads != self.threads;
        if has_changed {
            self.soon_until = now + SOON_FOR_NS;
        }
        self.look_at = now
            + if now < self.soon_until {
                SOON_NS
            } else {
                LOOK_NS
            };
        if has_changed || now >= self.list_at {
            self.threads = threads;
            self.list_at = now + LIST_NS;
            if !self.list(state) {
                // Once more, when the fork is over.
                state.changed.store(true, SeqCst);
            }
        }
    }

    /// Looks at every thread that there is; false if a fork is under way. Nothing is forgotten where memory runs out: those that are not seen are new the next
    /// time.
    fn list(&mut self, state: &State) -> bool {
        let Self {
            known,
            seen,
            living,
            ..
        } = self;
        let before = state.names.next_number();
        {
            let section = fork::enter();
            if !session::refresh_images_inside(&section) {
                return false;
            }
            if tasks::list(living).is_err() {
                return true;
            }
        }
        state.names.retain(living, before);
        let is_over =
            |tid| !living.contains(&tid) || is_ours(tid) || slot::of_thread(tid).is_some();
        ASKS.get().close_if(is_over);
        let mut crowded = false;
        seen.truncate(0);
        for &tid in living.iter() {
            let Some(cpu) = clock::cpu_ns_of(tid) else {
                continue;
            };
            let before = known
                .binary_search_by_key(&tid, |&(tid, _)| tid)
                .ok()
                .and_then(|place| known.get(place));
            // A clock that went back is another thread's, with the id of one that is gone.
            let is_new = before.is_none_or(|&(_, before)| cpu < before);
            let is_candidate = !is_ours(tid) && slot::of_thread(tid).is_none();
            if is_new && is_candidate {
                let is_worker = state.names.get(tid).is_some();
                match ASKS.get().open(tid, signal::number(), is_worker) {
                    Opened::Yes => {}
                    Opened::Gone => continue,
                    Opened::Full => {
                        crowded = true;
                        continue;
                    }
                    Opened::Refused => {
                        state.timers_refused.store(true, Relaxed);
                        continue;
                    }
                }
            }
            if seen.push((tid, cpu)).is_err() {
                break;
            }
        }
        state.crowded.store(crowded, Relaxed);
        seen.sort_unstable_by_key(|&(tid, _)| tid);
        std::mem::swap(known, seen);
        true
    }
}

/// A thread of ours, which blocks every signal.
fn is_ours(tid: i32) -> bool {
    ticker::is_ticker(tid) || spawn::is_own(tid)
}

/// Room for the threads of nearly every program, from the start on; if there is no memory, the first listing asks again.
fn with_room<T>() -> MappedVec<T> {
    MappedVec::with_capacity(64, Kind::Ticker).unwrap_or_else(|_| MappedVec::new(Kind::Ticker))
}

impl Drop for Discovery {
    fn drop(&mut self) {
        // A thread that is being held gives up within two milliseconds, if it has a processor.
        ASKS.get().end(clock::monotonic_ns() + CLOSE_NS);
    }
}

fn serve(state: &State) {
    let Ok(host) = host::get_found() else {
        return;
    };
    let is_v8 = |section: &fork::Section, pc| {
        session::refresh_images_inside(section).then(|| is_v8_code(state, pc))
    };
    ASKS.get().serve(is_v8, |isolate, data| {
        // SAFETY: the isolate's thread is held in our handler, where it runs V8's code: the isolate is alive and stays so.
        unsafe { (host.request_interrupt)(isolate, on_found, data) };
    });
}
