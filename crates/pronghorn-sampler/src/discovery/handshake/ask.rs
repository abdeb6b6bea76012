//! One question: whose turn it is, and the timer that asks it. What the states mean, and who changes them: `handshake.rs`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering::Relaxed};

use pronghorn_sync::Futex;

use super::super::policy::{self, Next, Seen, Tries};
use crate::cpu_timer::CpuTimer;

/// Where the values of our timers begin; those of the sampling signal carry a slot's index below it.
pub(super) const BASE: usize = 0x8000;

pub(super) const FREE: u32 = 0;
pub(super) const WAITING: u32 = 1;
pub(super) const ANSWERING: u32 = 2;
pub(super) const HELD: u32 = 3;
pub(super) const CLAIMED: u32 = 4;
pub(super) const REQUESTED: u32 = 5;
pub(super) const DONE: u32 = 6;
/// The ticker saw that the thread is not in V8's code after all.
pub(super) const REFUSED: u32 = 7;
/// The session ended while the thread was at work on its answer: the state is the thread's alone, and there is no timer.
pub(super) const ABANDONED: u32 = 8;

/// In the place of a timer that is deleted.
const NO_TIMER: i32 = -1;

/// One thread that is asked.
pub(super) struct Ask {
    pub(super) state: Futex,
    pub(super) tid: AtomicI32,
    /// Grows with each use, so that a late signal or interrupt of a former use is not taken for one of this.
    pub(super) nonce: AtomicU32,
    /// The timer, as timer_create(2) gave it; `NO_TIMER` once it is deleted.
    pub(super) timer: AtomicI32,
    pub(super) isolate: AtomicPtr<c_void>,
    pub(super) pc: AtomicPtr<()>,
    pub(super) without: AtomicU32,
    pub(super) with: AtomicU32,
    /// Whether it has been counted as a thread without a slot.
    pub(super) counted: AtomicBool,
    /// Whether a parent has named it as a worker of its own: it runs JavaScript.
    pub(super) is_worker: AtomicBool,
}

impl Ask {
    pub(super) const fn new() -> Self {
        Self {
            state: Futex::new(FREE),
            tid: AtomicI32::new(0),
            nonce: AtomicU32::new(0),
            timer: AtomicI32::new(0),
            isolate: AtomicPtr::new(std::ptr::null_mut()),
            pc: AtomicPtr::new(std::ptr::null_mut()),
            without: AtomicU32::new(0),
            with: AtomicU32::new(0),
            counted: AtomicBool::new(false),
            is_worker: AtomicBool::new(false),
        }
    }

    pub(super) fn change(&self, from: u32, to: u32) -> bool {
        self.state.change(from, to).is_ok()
    }

    pub(super) fn value(&self, index: usize) -> usize {
        ((self.nonce.load(Relaxed) as usize) << 16) | (BASE + index)
    }

    fn timer(&self) -> CpuTimer {
        CpuTimer::from_raw(self.timer.load(Relaxed))
    }

    /// Ticker: lets go of a question that is in `state`, unless its thread has just changed that.
    pub(super) fn close(&self, state: u32) -> bool {
        let closed = self.change(state, CLAIMED);
        if closed {
            self.delete_timer();
            self.tid.store(0, Relaxed);
            self.state.store(FREE);
        }
        closed
    }

    pub(super) fn delete_timer(&self) {
        let timer = self.timer.swap(NO_TIMER, Relaxed);
        if timer != NO_TIMER {
            CpuTimer::from_raw(timer).delete();
        }
    }

    /// The thread's own, in ANSWERING: what comes next. False if the question was abandoned meanwhile; it is DONE then.
    pub(super) fn pass_on(&self, next: u32) -> bool {
        let passed = self.change(ANSWERING, next);
        if !passed {
            self.state.store(DONE);
        }
        passed
    }

    /// The thread's own, in ANSWERING: counts the answer, and lets the timer ask again if it is to. True if that was given up although
    /// the thread may run JavaScript.
    pub(super) fn conclude(&self, seen: Seen) -> bool {
        let tries = Tries {
            without: self.without.load(Relaxed),
            with: self.with.load(Relaxed),
        };
        let (tries, next) = policy::next(seen, tries, self.is_worker.load(Relaxed));
        self.without.store(tries.without, Relaxed);
        self.with.store(tries.with, Relaxed);
        match next {
            Next::Again(nanos) => {
                // Armed before the turn is given up: once WAITING, the ticker may delete the timer.
                let armed = self.timer().arm(nanos);
                let passed = self.pass_on(if armed { WAITING } else { DONE });
                passed && !armed
            }
            Next::Never => {
                self.state.store(DONE);
                seen == Seen::Elsewhere || seen == Seen::Late
            }
        }
    }
}
