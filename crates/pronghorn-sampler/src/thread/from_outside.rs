//! What other threads do with a registered one: they may look at its label, under the registration, and at what its slot counts.
//!
//! Threads: from any. Fork: the registration lock is not taken in a process that was forked off and has not been reset.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use pronghorn_recorder::{Frame, Marker, Recorder, Sample, Values};

use super::current;
use crate::clock;
use crate::slot::{self, ThreadSlot};
use crate::statistics::{LeftBehind, SlotCounters};

/// Records, from a rotating thread, the idle time of a thread that sleeps in its loop's poll. The label and the stack need
/// nothing of the thread's isolate.
pub fn record_idle_of_poller(slot: &ThreadSlot, recorder: &Recorder) {
    let _guard = slot::registration();
    let thread = slot.thread.load(Acquire);
    if thread.is_null() {
        return;
    }
    let idle = slot.account.take_idle_of_poller(clock::monotonic_ns());
    if idle == 0 {
        return;
    }
    // SAFETY: the record is freed, and its label written, only under the registration, which is held.
    let label = unsafe { &(*thread).label };
    let values = Values {
        count: 1,
        cpu_ns: 0,
        wall_ns: idle,
    };
    let sample = Sample {
        thread: label,
        frames: &[Frame::Marker(Marker::Idle)],
        labels: None,
        values,
    };
    if recorder.record([sample]).is_ok() {
        SlotCounters::add(&slot.counters.idle);
    } else {
        slot.account.return_idle(idle);
    }
}

/// What a stopped thread has not handed over, and will not. From any thread: a snapshot.
pub fn left_behind(slot: &ThreadSlot) -> LeftBehind {
    let _guard = slot::registration();
    let thread = slot.thread.load(Acquire);
    let name = if thread.is_null() {
        String::new()
    } else {
        // SAFETY: as in `record_idle_of_poller`.
        unsafe { (*thread).label.name.to_string() }
    };
    let mut samples = u64::from(slot.buffer.records()) + u64::from(slot.backlog.load(Relaxed));
    if !current().is_some_and(|(_, own)| std::ptr::eq(own, slot)) {
        // The calling thread goes on with what it keeps ([`go_on`]).
        samples += u64::from(slot.kept.load(Relaxed));
    }
    LeftBehind {
        thread_id: slot.tid.load(Relaxed) as u32,
        thread_name: name,
        samples,
    }
}
