//! Stalls: a turn of the main thread's event loop that takes longer than a threshold, and the stack that it is blocked in.
//!
//! A turn begins when the thread leaves its loop's poll to run JavaScript (or at the start of the profiler) and ends before it polls again.
//! While one is too long:
//!
//! ```text
//!  ticker: watcher.rs                     main thread                          a thread for one report: output.rs
//!  1 the turn is too long: ask ─signal─▶  2 handler: names into the record
//!  3 record → report.rs ────────────────────────────────────────────────────▶  4 native names, then write
//!                                         5 the turn ends: what is known is
//!                                           kept for the application (`take`)
//! ```
//!
//! Threads and who writes what:
//! - the main thread: `turn_since` of its slot, and `has_ended`; in its handler the record (record.rs), while it holds `phase` at TAKING;
//! - the ticker: `noticed` and `since`, then `phase` from IDLE or TAKEN to ASKED;
//! - the writing thread: `excused`, `is_writing`, and the report in `current` once its native frames have names.
//!
//! Invariants: the record is written at TAKING alone, which only the main thread's handler enters, from ASKED; whoever holds the slot's
//! `busy` keeps that handler out. It is read at TAKEN, by the ticker, and by the main thread, which puts `phase` to IDLE at the end of the
//! turn and keeps `busy` while it reads. Only the ticker asks, and it does not while it reads.
//!
//! Orderings: `phase` goes to TAKEN with release and is loaded with acquire; the rest stands for itself. The locks are held for the move or
//! copy of a report.
//!
//! With the option off nothing is mapped, and each hook pays one load.
//!
//! Fork: the child has neither the thread that asks nor the one that writes. The reset puts a state in place that knows of no turn; the
//! record's memory is used again, by the next start.

mod capture;
mod output;
mod record;
mod report;
mod watcher;

use std::path::PathBuf;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use pronghorn_native::Symbolizer;
use pronghorn_sync::{Alone, Guarded, Resettable};

use crate::buffer::{CAPACITY, SampleBuffer};
use crate::slot::ThreadSlot;
use crate::{clock, event_loop, session, statistics};
use record::Record;

pub(crate) use capture::capture;
pub use report::{FrameKind, Report, ReportFrame};
pub(crate) use watcher::Watcher;

/// What is watched, and where reports go.
#[derive(Clone, Debug)]
pub struct StallOptions {
    /// A turn that takes longer is a stall, in nanoseconds.
    pub threshold_ns: u64,
    /// Where the reports are written.
    pub output: StallOutput,
}

/// Where reports are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StallOutput {
    /// The process's standard error.
    Stderr,
    /// To the end of this file, which is made if it is missing.
    File(PathBuf),
}

/// A stall that is over.
#[derive(Clone, Debug)]
pub struct Stall {
    /// The first report of it.
    pub report: Report,
    /// How long the turn took, in nanoseconds.
    pub duration_ns: u64,
    /// What it was compared with, in nanoseconds.
    pub threshold_ns: u64,
}

/// Stalls that wait for the application; it takes them at the next safe point.
const MOST_ENDED: usize = 16;

/// Nobody is asked for a stack.
const IDLE: u32 = 0;
/// The handler's next run is to name the stack.
const ASKED: u32 = 1;
/// The handler is at it.
const TAKING: u32 = 2;
/// The stack is in the record.
const TAKEN: u32 = 3;

struct State {
    /// 0: off.
    threshold_ns: AtomicU64,
    phase: AtomicU32,
    /// The turn that a stack was last asked of, by its beginning; 0: none.
    noticed: AtomicU64,
    /// Since when that turn counts as blocked (monotonic): later than its beginning if the process was held.
    since: AtomicU64,
    /// The turn that began with the profiler.
    first_turn: AtomicU64,
    /// A turn in which a debugger held the thread.
    excused: AtomicU64,
    /// Whether a report is being written.
    is_writing: AtomicBool,
    /// Whether there is something to `take`.
    has_ended: AtomicBool,
    /// Null until a start with the option.
    record: AtomicPtr<Record>,
    /// The raw stack that is being named.
    raw: SampleBuffer,
    output: Guarded<StallOutput>,
    /// The first report of the turn under way that has a stack.
    current: Guarded<Option<Report>>,
    /// Oldest first: the turn in which the application is told of one may itself be another.
    ended: Guarded<Vec<Stall>>,
    /// What is known of native names, between reports.
    symbols: Guarded<Option<Symbolizer>>,
}

impl State {
    const fn new() -> Self {
        Self {
            threshold_ns: AtomicU64::new(0),
            phase: AtomicU32::new(IDLE),
            noticed: AtomicU64::new(0),
            since: AtomicU64::new(0),
            first_turn: AtomicU64::new(0),
            excused: AtomicU64::new(0),
            is_writing: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            record: AtomicPtr::new(std::ptr::null_mut()),
            raw: SampleBuffer::new(),
            output: Guarded::new(StallOutput::Stderr),
            current: Guarded::new(None),
            ended: Guarded::new(Vec::new()),
            symbols: Guarded::new(None),
        }
    }

    /// What a child starts with: the memory, and nothing of its parent's stalls. Its start says anew what is watched.
    fn inherited(&self) -> Self {
        let Self {
            threshold_ns: _,
            phase: _,
            noticed: _,
            since: _,
            first_turn: _,
            excused: _,
            is_writing: _,
            has_ended: _,
            record,
            raw,
            output: _,
            current: _,
            ended: _,
            // The thread that uses them may have ceased to exist in the middle of it.
            symbols: _,
        } = self;
        Self {
            record: AtomicPtr::new(record.load(Relaxed)),
            raw: raw.emptied(),
            ..Self::new()
        }
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// For a start, before the gate opens: maps what the handler writes. False if the kernel has no memory.
pub(crate) fn begin(options: Option<&StallOptions>) -> bool {
    let state = STATE.get();
    end();
    state.ended.lock().with(Vec::clear);
    state.has_ended.store(false, Relaxed);
    let Some(options) = options else {
        return true;
    };
    if state.record.load(Relaxed).is_null() {
        let Some(memory) = crate::mapping::map(size_of::<Record>()) else {
            return false;
        };
        state.record.store(memory.cast(), Relaxed);
    }
    if !state.raw.is_attached() {
        let Some(memory) = crate::mapping::map(CAPACITY as usize) else {
            return false;
        };
        // SAFETY: mapped for good, on a page, for this buffer.
        unsafe { state.raw.attach(memory) };
    }
    state
        .output
        .lock()
        .with(|output| *output = options.output.clone());
    state.threshold_ns.store(options.threshold_ns, Relaxed);
    true
}

/// For a stop: nothing is watched any more. What has ended may still be taken.
pub(crate) fn end() {
    let state = STATE.get();
    state.threshold_ns.store(0, Relaxed);
    state.phase.store(IDLE, Relaxed);
    state.noticed.store(0, Relaxed);
    state.current.lock().with(|current| *current = None);
}

/// Whether stalls are watched for. Async-signal-safe.
#[inline]
pub(crate) fn is_on() -> bool {
    STATE.get().threshold_ns.load(Relaxed) != 0
}

/// Whether the handler is to name the stack it interrupts. Async-signal-safe.
#[inline]
pub(crate) fn is_wanted() -> bool {
    STATE.get().phase.load(Relaxed) == ASKED
}

/// The slot's thread, the calling one, begins a turn. Async-signal-safe.
#[inline]
pub(crate) fn begin_turn(slot: &ThreadSlot, now: u64) {
    if is_on() {
        slot.turn_since.store(now, Relaxed);
    }
}

/// The same at the start of a session.
pub(crate) fn begin_first_turn(slot: &ThreadSlot, now: u64) {
    slot.turn_since.store(0, Relaxed);
    begin_turn(slot, now);
    if session::is_main(slot) {
        STATE.get().first_turn.store(now, Relaxed);
    }
}

/// The slot's thread, the calling one, is about to poll. It holds the slot's `busy`.
#[inline]
pub(crate) fn end_turn(slot: &ThreadSlot, now: u64) {
    let turn = slot.turn_since.load(Relaxed);
    if turn != 0 {
        slot.turn_since.store(0, Relaxed);
        if STATE.get().noticed.load(Relaxed) == turn {
            finish(turn, now);
        }
    }
}

/// A turn that was noticed is over: what is known of it is kept for the application.
#[cold]
fn finish(turn: u64, now: u64) {
    let state = STATE.get();
    let phase = state.phase.swap(IDLE, AcqRel);
    state.noticed.store(0, Relaxed);
    // One of an earlier turn, if the ticker kept it a moment too late, is none of this.
    let known = state
        .current
        .lock()
        .with(Option::take)
        .filter(|report| report.turn == turn);
    if state.excused.load(Relaxed) == turn {
        return;
    }
    let since = state.since.load(Relaxed);
    // The ticker may not have come to it yet.
    let report = known.unwrap_or_else(|| {
        let taken = (phase == TAKEN).then(record).flatten();
        Report::new(turn, since, now, taken)
    });
    let stall = Stall {
        report,
        duration_ns: now.saturating_sub(since),
        threshold_ns: state.threshold_ns.load(Relaxed),
    };
    statistics::shared().stalls.fetch_add(1, Relaxed);
    state.ended.lock().with(|ended| {
        if ended.len() < MOST_ENDED {
            ended.push(stall);
        }
    });
    state.has_ended.store(true, Relaxed);
}

/// The record, at TAKEN.
fn record() -> Option<&'static Record> {
    // SAFETY: null or mapped for good by `begin`; any bytes that `capture` leaves are a record. See the invariants for who writes.
    unsafe { STATE.get().record.load(Acquire).as_ref() }
}

/// Whether a stall waits to be taken. One load.
#[inline]
pub fn has_ended() -> bool {
    STATE.get().has_ended.load(Relaxed)
}

/// The oldest stall that has ended, each handed out once. `stopping`, on the main thread: the turn under way counts as ended.
pub fn take(stopping: bool) -> Option<Stall> {
    let state = STATE.get();
    if stopping
        && let Some(slot) = event_loop::own_slot()
        && session::is_main(slot)
        && let Some(_busy) = slot.work_in_session()
    {
        let now = clock::monotonic_ns();
        end_turn(slot, now);
        begin_turn(slot, now);
    }
    if !has_ended() {
        return None;
    }
    state.ended.lock().with(|ended| {
        let first = (!ended.is_empty()).then(|| ended.remove(0));
        state.has_ended.store(!ended.is_empty(), Relaxed);
        first
    })
}

/// In a forked process, step two: it has not stalled.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

#[cfg(test)]
mod tests;
