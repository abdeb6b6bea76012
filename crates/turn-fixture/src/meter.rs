//! The turns of one span: the longest of them by each clock, and the call that the span began with.

use crate::uv;
use core::cell::Cell;

/// The clocks at one moment, in nanoseconds.
#[derive(Clone, Copy)]
struct Moment {
    wall: u64,
    waited: u64,
    cpu: u64,
}

impl Moment {
    fn now() -> Self {
        Self {
            wall: clock(libc::CLOCK_MONOTONIC),
            waited: uv::waited(),
            cpu: clock(libc::CLOCK_THREAD_CPUTIME_ID),
        }
    }

    /// What this thread was kept since `earlier`, by the wall clock.
    fn kept_since(&self, earlier: &Self) -> u64 {
        (self.wall - earlier.wall).saturating_sub(self.waited - earlier.waited)
    }
}

#[derive(Clone, Copy)]
struct Span {
    running: bool,
    last: Moment,
    /// Whether V8 has collected garbage in the turn that is under way.
    collected: bool,
    call: Turn,
    /// The longest by the wall clock.
    longest: Turn,
    /// The longest by the CPU clock, which may be another one.
    longest_cpu: u64,
    turns: u64,
}

/// A turn, or a part of one.
#[derive(Clone, Copy)]
struct Turn {
    kept: u64,
    cpu: u64,
    collected: bool,
}

impl Span {
    const NONE: Self = Self {
        running: false,
        last: Moment {
            wall: 0,
            waited: 0,
            cpu: 0,
        },
        collected: false,
        call: Turn::NONE,
        longest: Turn::NONE,
        longest_cpu: 0,
        turns: 0,
    };

    /// What has been of the turn that is under way.
    fn until(&self, now: &Moment) -> Turn {
        Turn {
            kept: now.kept_since(&self.last),
            cpu: now.cpu - self.last.cpu,
            collected: self.collected,
        }
    }
}

impl Turn {
    const NONE: Self = Self {
        kept: 0,
        cpu: 0,
        collected: false,
    };
}

thread_local! {
    static SPAN: Cell<Span> = const { Cell::new(Span::NONE) };
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a place for the answer; both clocks are there on every Linux.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A new span, from here.
pub(crate) fn begin() {
    SPAN.set(Span {
        running: true,
        last: Moment::now(),
        ..Span::NONE
    });
}

/// The call that the span began with has returned; its turn goes on.
pub(crate) fn called() {
    let mut span = SPAN.get();
    span.call = span.until(&Moment::now());
    SPAN.set(span);
}

/// V8 has begun to collect garbage on this thread.
pub(crate) fn collecting() {
    let mut span = SPAN.get();
    span.collected = true;
    SPAN.set(span);
}

/// A turn is over.
pub(crate) fn turn() {
    let mut span = SPAN.get();
    if !span.running {
        return;
    }
    let now = Moment::now();
    let turn = span.until(&now);
    if turn.kept > span.longest.kept {
        span.longest = turn;
    }
    span.longest_cpu = span.longest_cpu.max(turn.cpu);
    span.turns += 1;
    span.collected = false;
    span.last = now;
    SPAN.set(span);
}

/// The span ends in the middle of a turn, which counts as far as it has come.
pub(crate) fn end() {
    turn();
    let mut span = SPAN.get();
    span.running = false;
    SPAN.set(span);
}

/// Of the last span, times in nanoseconds: the call by the wall and by the CPU clock, and whether garbage was collected in it; the longest turn by the wall clock, and whether
/// garbage was collected in that; the longest turn by the CPU clock; how many turns.
pub(crate) fn figures() -> [u64; 7] {
    let Span {
        call,
        longest,
        longest_cpu,
        turns,
        ..
    } = SPAN.get();
    [
        call.kept,
        call.cpu,
        call.collected.into(),
        longest.kept,
        longest.collected.into(),
        longest_cpu,
        turns,
    ]
}
