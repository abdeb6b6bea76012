//! How a JavaScript thread that we do not know yet is asked, found and held for a moment.
//!
//! `Isolate::TryGetCurrent` goes on naming an isolate while it is torn down, and any call on that isolate from outside then
//! crashes. So nobody calls an isolate from another thread unless its thread is *held*: it stands in our signal handler, which
//! interrupted V8's own code (the builtins, or code that lies in no loaded image). There the isolate is alive and entered, and
//! the thread holds no lock of V8's or malloc's.
//!
//! ```text
//!  the thread                                   the ticker
//!  ──────────                                   ──────────
//!                                               opens a question: a timer on the thread's own CPU clock
//!  runs; the timer's signal comes
//!  in V8's code? no: asked again later
//!  yes: HELD, wakes the ticker, waits 2 ms ───▶ CLAIMED, inside a fork section
//!                                               RequestInterrupt
//!  goes on                                 ◀─── REQUESTED
//!  at the next safe point, the interrupt: an environment of Node's? registers itself: DONE
//! ```
//!
//! Why a timer of the thread's own CPU clock: its signal comes while the thread runs, at the kernel's tick, so no system call
//! of somebody's native thread is cut short, and a thread that sleeps costs nothing and is not disturbed. `policy.rs` bounds
//! the number of questions.
//!
//! # Threads
//! The ticker opens and closes questions. A question's thread answers it, in the handler or in the interrupt. The state word
//! says whose turn it is: WAITING, ANSWERING, HELD and REQUESTED belong to the thread, CLAIMED to the ticker; the exchanges
//! HELD → CLAIMED (ticker) and HELD → ANSWERING (the thread gives up) exclude each other. Only WAITING, REQUESTED and DONE are closed.
//!
//! # End
//! A stop waits for threads that are at work on an answer, but one that has lost its processor may come back at any time, and would let its timer ask again.
//! So a question that is not closed in time becomes ABANDONED, and its timer is deleted under the thread. Arming it then fails, since the kernel gives a number
//! once to a process (until it has given two thousand million). The thread finds the state changed and makes it DONE, for the next session to close.
//!
//! # Orderings
//! The state is a [`Futex`](pronghorn_sync::Futex), all of it sequentially consistent, so the isolate and the pc written before HELD are seen by whoever claims.
//! `held` is sequentially consistent with the ticker's parking.
//!
//! # Signal handler
//! [`Asks::answer`] takes no lock, allocates nothing and waits at most 2 ms for a claim, and for a claim's end: some microseconds,
//! since the ticker enters its fork section first. timer_settime(2) and futex(2) are plain system calls.
//!
//! # Fork
//! Timers do not exist in the child, nor does any thread that was asked. The reset puts an empty table in place.

mod ask;

use std::ffi::c_void;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};

use pronghorn_sync::fork;

use self::ask::{
    ABANDONED, ANSWERING, Ask, BASE, CLAIMED, DONE, FREE, HELD, REFUSED, REQUESTED, WAITING,
};
use super::policy::{self, Seen};
use crate::clock;
use crate::cpu_timer::CpuTimer;

/// Threads that are asked at a time; others wait for their turn.
const ASKS: usize = 512;
/// How long a thread is held for the ticker.
const HOLD_NS: u64 = 2_000_000;

/// The table of questions.
pub(super) struct Asks {
    table: [Ask; ASKS],
    /// Questions that are HELD.
    held: AtomicU32,
    /// Threads that have an isolate and were never in V8's code when they were asked.
    given_up: AtomicU32,
}

/// What [`Asks::open`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// The thread will be asked.
    Yes,
    /// The thread is gone.
    Gone,
    /// The table is full.
    Full,
    /// The kernel grants no more timers.
    Refused,
}

impl Asks {
    pub(super) const fn new() -> Self {
        Self {
            table: [const { Ask::new() }; ASKS],
            held: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
        }
    }

    /// Threads that may run JavaScript and are not asked any more, since the last [`Asks::begin`].
    pub(super) fn given_up(&self) -> u32 {
        self.given_up.load(Relaxed)
    }

    /// A session begins.
    pub(super) fn begin(&self) {
        self.given_up.store(0, Relaxed);
    }

    /// Ticker: begins to ask thread `tid`, with signal `number`. `is_worker`: it is known to be a worker of Node's, and asked
    /// until it answers.
    pub(super) fn open(&self, tid: i32, number: i32, is_worker: bool) -> Opened {
        let is_free = |(_, ask): &(usize, &Ask)| ask.state.load() == FREE;
        let Some((index, ask)) = self.table.iter().enumerate().find(is_free) else {
            return Opened::Full;
        };
        ask.nonce.fetch_add(1, Relaxed);
        let Some(timer) = CpuTimer::new(tid, number, tid, ask.value(index)) else {
            return match clock::cpu_ns_of(tid) {
                Some(_) => Opened::Refused,
                None => Opened::Gone,
            };
        };
        ask.tid.store(tid, Relaxed);
        ask.timer.store(timer.into_raw(), Relaxed);
        ask.without.store(0, Relaxed);
        ask.with.store(0, Relaxed);
        ask.counted.store(false, Relaxed);
        ask.is_worker.store(is_worker, Relaxed);
        ask.state.store(WAITING);
        if !timer.arm(policy::FIRST_NS) {
            ask.close(WAITING);
            return Opened::Refused;
        }
        Opened::Yes
    }

    /// Ticker: closes the questions whose threads fit, or that have their answer. False if one of them is just being answered.
    pub(super) fn close_if(&self, fits: impl Fn(i32) -> bool) -> bool {
        let mut all = true;
        for ask in &self.table {
            let state = ask.state.load();
            if state == FREE || !(state == DONE || fits(ask.tid.load(Relaxed))) {
                continue;
            }
            // In any other state the thread is at work on it: next time.
            let closed = [WAITING, REQUESTED, DONE].contains(&state) && ask.close(state);
            all &= closed;
        }
        all
    }

    /// Ticker, at its end: nobody is asked any more when this returns. Threads that are at work on an answer are waited for until `until` (monotonic).
    pub(super) fn end(&self, until: u64) {
        while !self.close_if(|_| true) {
            if clock::monotonic_ns() >= until {
                return self.abandon();
            }
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
    }

    /// Ticker, at its end: deletes the timers of threads that are still at work on an answer.
    fn abandon(&self) {
        for ask in &self.table {
            // The thread goes from one of these to the next, and ends where it can be closed.
            while ![FREE, ABANDONED].contains(&ask.state.load()) {
                let abandoned = self.end_hold(ask, ABANDONED)
                    || ask.change(ANSWERING, ABANDONED)
                    || ask.change(REFUSED, ABANDONED)
                    // Only a ticker that failed in the middle leaves it so.
                    || ask.change(CLAIMED, ABANDONED);
                if abandoned {
                    ask.delete_timer();
                    ask.state.wake();
                } else if [WAITING, REQUESTED, DONE]
                    .iter()
                    .any(|&state| ask.close(state))
                {
                    break;
                }
            }
        }
    }

    /// Whether nobody is asked.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let is_free = |ask: &Ask| ask.state.load() == FREE;
        !self.any_held() && self.table.iter().all(is_free)
    }

    /// Whether a thread is held and waits to be served. Sequentially consistent.
    pub(super) fn any_held(&self) -> bool {
        self.held.load(SeqCst) > 0
    }

    /// Ticker: asks V8 for an interrupt on every thread that is held. `request` calls RequestInterrupt with the isolate and
    /// the data for [`Asks::conclude`]; `is_v8` looks at the pc once more, with what is loaded now, or says that it cannot while a fork is under way. Then
    /// the thread stays held, for the next call or for as long as it waits.
    pub(super) fn serve(
        &self,
        is_v8: impl Fn(&fork::Section, u64) -> Option<bool>,
        request: impl Fn(*mut c_void, *mut c_void),
    ) {
        for (index, ask) in self.table.iter().enumerate() {
            if ask.state.load() != HELD {
                continue;
            }
            // Before the claim: entering may have to wait for a fork, and the held thread must not.
            let section = fork::enter();
            let pc = ask.pc.load(Relaxed);
            let Some(was_v8) = is_v8(&section, pc.addr() as u64) else {
                continue;
            };
            // Once more: `request` takes a lock of V8's, which a late child would find taken for ever.
            if fork::is_under_way() {
                continue;
            }
            if !self.end_hold(ask, CLAIMED) {
                continue;
            }
            // It may have been let go and held again in between, elsewhere.
            let still_v8 = was_v8 && ask.pc.load(Relaxed) == pc;
            if still_v8 {
                let data = std::ptr::without_provenance_mut(ask.value(index));
                request(ask.isolate.load(Relaxed), data);
            }
            let end = if still_v8 { REQUESTED } else { REFUSED };
            ask.state.store(end);
            ask.state.wake();
        }
    }

    /// HELD is over: whoever makes it so, counts.
    fn end_hold(&self, ask: &Ask, next: u32) -> bool {
        let ended = ask.change(HELD, next);
        if ended {
            self.held.fetch_sub(1, SeqCst);
        }
        ended
    }

    fn count(&self, given_up: bool) {
        self.given_up.fetch_add(u32::from(given_up), Relaxed);
    }

    /// Whether a timer of ours has this value, or had it last. Async-signal-safe.
    pub(super) fn is_own(&self, value: usize) -> bool {
        let index = (value & 0xffff).wrapping_sub(BASE);
        let ask = self.table.get(index);
        ask.is_some_and(|ask| ask.nonce.load(Relaxed) != 0 && ask.value(index) == value)
    }

    /// The question that a signal's value or an interrupt's data names, if it is thread `tid`'s.
    fn own(&self, value: usize, tid: i32) -> Option<&Ask> {
        let index = (value & 0xffff).checked_sub(BASE)?;
        let ask = self.table.get(index)?;
        (ask.value(index) == value && ask.tid.load(Relaxed) == tid).then_some(ask)
    }

    /// Handler: thread `tid`, the calling one, answers the question that its timer's `value` names. `look` says what it is
    /// doing: the isolate to be interrupted and the pc, or what is to be counted. `wake_ticker` is called while it is held. A
    /// question that is not open any more is not answered. Async-signal-safe.
    pub(super) fn answer(
        &self,
        value: usize,
        tid: i32,
        look: impl FnOnce() -> Result<(*mut c_void, u64), Answer>,
        wake_ticker: impl FnOnce(),
    ) {
        let Some(ask) = self.own(value, tid) else {
            return;
        };
        if !ask.change(WAITING, ANSWERING) {
            return;
        }
        match look() {
            Err(Answer::Done) => ask.state.store(DONE),
            Err(Answer::Seen(seen)) => self.count(ask.conclude(seen)),
            Ok((isolate, pc)) => self.hold(ask, isolate, pc, wake_ticker),
        }
    }

    /// Holds the calling thread until the ticker has asked V8, or has not come.
    fn hold(&self, ask: &Ask, isolate: *mut c_void, pc: u64, wake_ticker: impl FnOnce()) {
        ask.isolate.store(isolate, Relaxed);
        ask.pc
            .store(std::ptr::without_provenance_mut(pc as usize), Relaxed);
        let until = clock::monotonic_ns() + HOLD_NS;
        // Counted before it is so: the ticker, which takes it back, must not come first.
        self.held.fetch_add(1, SeqCst);
        if !ask.pass_on(HELD) {
            self.held.fetch_sub(1, SeqCst);
            return;
        }
        wake_ticker();
        loop {
            match ask.state.load() {
                HELD => {
                    if clock::monotonic_ns() < until {
                        ask.state.wait(HELD, Some(until));
                    } else if self.end_hold(ask, ANSWERING) {
                        return self.count(ask.conclude(Seen::Late));
                    }
                }
                CLAIMED => {
                    let at_most = clock::monotonic_ns() + HOLD_NS;
                    ask.state.wait(CLAIMED, Some(at_most));
                }
                REFUSED => {
                    if ask.change(REFUSED, ANSWERING) {
                        return self.count(ask.conclude(Seen::Elsewhere));
                    }
                }
                ABANDONED => return ask.state.store(DONE),
                _ => return,
            }
        }
    }

    /// The interrupt, on thread `tid`: what came of it. Returns true the first time this thread is said to have no slot.
    pub(super) fn conclude(&self, value: usize, tid: i32, answer: Answer) -> bool {
        let Some(ask) = self.own(value, tid) else {
            return false;
        };
        if !ask.change(REQUESTED, ANSWERING) {
            return false;
        }
        match answer {
            Answer::Done => ask.state.store(DONE),
            Answer::Seen(seen) => {
                let first = seen == Seen::NoSlot && !ask.counted.swap(true, Relaxed);
                self.count(ask.conclude(seen));
                return first;
            }
        }
        false
    }
}

/// What a thread says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is registered, or there is no session to ask for: it is not asked again.
    Done,
    /// See [`Seen`].
    Seen(Seen),
}

#[cfg(test)]
mod tests;
