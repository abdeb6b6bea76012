//! What of a slot changes with every sample and every look: words of the thread's handler, its safe points and the ticker.
//!
//! Threads and orderings: see the module above. Fork: nothing of it is of use to a child, so it lies in the slot's memory, which forks do
//! not copy (`slot/memory.rs`); zeroes are its state of rest.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64};

use crate::account::Account;
use crate::buffer::SampleBuffer;
use crate::standing::Standing;
use crate::statistics::SlotCounters;

/// See the module's description.
pub struct Live {
    /// Whether the thread itself, or its handler, is at work on the slot.
    pub busy: AtomicBool,
    /// When the signal that is under way was sent (monotonic); 0 if none is.
    pub pending_since: AtomicU64,
    /// The thread's CPU clock when its last sample was done: it has run since only if the clock stands higher.
    pub cpu_at_sample: AtomicU64,
    /// The blocking call in which it was sampled.
    pub standing: Standing,
    /// The timer on the thread's CPU clock that asks for its samples, by its id and one more; 0 while none does. See `ticker/alarm.rs`.
    pub alarm: AtomicI32,
    /// Whether an interrupt that resolves the buffer has been asked for and has not come yet.
    pub interrupt_asked: AtomicBool,
    /// Whether the session ends: the thread's next interrupt is its last.
    pub ending: AtomicBool,
    /// Whether its next interrupt is to resolve all that there is, since somebody waits for it.
    pub whole_asked: AtomicBool,
    /// Whether its last safe point ran out of time before everything was resolved.
    pub unfinished: AtomicBool,
    /// Counts the safe points that it has come to by itself, for the ticker.
    pub safe_points: AtomicU32,
    /// Counts all those at which the buffer was emptied; a rotation waits for it to move.
    pub drains: AtomicU32,
    /// When the turn of the event loop under way began (monotonic); 0 in the poll, and while stalls are not watched for. Written by the thread
    /// itself: see `stall.rs`.
    pub turn_since: AtomicU64,
    /// The thread's times.
    pub account: Account,
    /// The thread's samples.
    pub buffer: SampleBuffer,
    /// The stack that caused the garbage collection under way, as one record.
    pub gc_stack: SampleBuffer,
    /// Resolved samples that wait for the recorder, as `JsThread` last counted them.
    pub backlog: AtomicU32,
    /// Samples that it keeps outside of the buffer, likewise.
    pub kept: AtomicU32,
    /// Depth of garbage collections under way.
    pub gc_depth: AtomicU32,
    /// Whether the collection under way is a full one.
    pub gc_full: AtomicBool,
    /// Samples taken during the collection under way.
    pub gc_samples: AtomicU32,
    /// Collections of young objects since the last one that was timed.
    pub gc_untimed: AtomicU32,
    /// When that was: monotonic nanoseconds.
    pub gc_timed_at: AtomicU64,
    /// The set of labels in force when the collection under way began.
    pub gc_labels: AtomicU32,
    /// What happened on this thread.
    pub counters: SlotCounters,
}

impl Live {
    /// At rest, and without memory for samples.
    pub(super) const fn new() -> Self {
        Self {
            busy: AtomicBool::new(false),
            pending_since: AtomicU64::new(0),
            cpu_at_sample: AtomicU64::new(0),
            standing: Standing::new(),
            alarm: AtomicI32::new(0),
            interrupt_asked: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            whole_asked: AtomicBool::new(false),
            unfinished: AtomicBool::new(false),
            safe_points: AtomicU32::new(0),
            drains: AtomicU32::new(0),
            turn_since: AtomicU64::new(0),
            account: Account::new(),
            buffer: SampleBuffer::new(),
            gc_stack: SampleBuffer::new(),
            backlog: AtomicU32::new(0),
            kept: AtomicU32::new(0),
            gc_depth: AtomicU32::new(0),
            gc_full: AtomicBool::new(false),
            gc_samples: AtomicU32::new(0),
            gc_untimed: AtomicU32::new(0),
            gc_timed_at: AtomicU64::new(0),
            gc_labels: AtomicU32::new(0),
            counters: SlotCounters::new(),
        }
    }

    /// What a child begins with: nothing of it. The buffers get their memory back from whoever puts this in place.
    pub(super) fn inherited(&self) -> Self {
        let Self {
            busy: _,
            pending_since: _,
            cpu_at_sample: _,
            standing: _,
            alarm: _,
            interrupt_asked: _,
            ending: _,
            whole_asked: _,
            unfinished: _,
            safe_points: _,
            drains: _,
            turn_since: _,
            account: _,
            buffer: _,
            gc_stack: _,
            backlog: _,
            kept: _,
            gc_depth: _,
            gc_full: _,
            gc_samples: _,
            gc_untimed: _,
            gc_timed_at: _,
            gc_labels: _,
            counters: _,
        } = self;
        Self::new()
    }
}
