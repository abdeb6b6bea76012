//! Garbage collections: the stack that caused one is taken before it starts, and the samples during it carry that stack.
//!
//! V8 calls the hooks on the isolate's own thread, outside the part in which objects move. The prologue takes the stack,
//! a walk of a few microseconds, at every collection, and the labels in force, which are found through objects that move.
//! A sample during a collection of young objects gets a copy of that stack, to be resolved with the others.
//! Before a full collection nothing stays raw, that stack neither, since the objects it names may move or die: what 0.3 milliseconds do not
//! allow to resolve is kept without lines (`thread/drain.rs`). A collection inside another is part of it: only the outermost prologue and epilogue do anything.
//!
//! What the hook takes is read off the thread's CPU clock ten times a second at most, outside of `busy`, and counts for all collections since: reading its own clock makes the
//! kernel look whether the thread's turn on the processor is over (update_curr() in kernel/sched/fair.c), so among more threads than processors it is there that a thread loses its
//! processor, and there that it gets the signal that was sent meanwhile. With a read inside of `busy` at each collection, three quarters of 64 busy workers' samples were put off.
//!
//! Fork: hooks survive it. Until the reset has taken them off they record nothing and take no lock; the depth is reset with
//! the slot, also if the fork happened inside a collection.

use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering::Relaxed;

use crate::buffer::{RecordHeader, RecordKind};
use crate::handler::{Start, capture, may_read_heap};
use crate::host::IsolatePtr;
use crate::observed::{Entry, entered};
use crate::slot::ThreadSlot;
use crate::walk::{Findings, Outcome};
use crate::{clock, failure, labels, registers, statistics, thread};
use pronghorn_sync::{failpoint, fork};

/// Collections the hooks are for: scavenges, minor and major mark-sweeps (`GCType` in v8-callbacks.h, 1 to 4). The start of
/// incremental marking and weak callbacks move nothing, and the latter run JavaScript.
pub const TYPES: c_int = 1 | 2 | MAJOR;
/// A full mark-sweep-compact: objects of the old generation may move or die.
const MAJOR: c_int = 4;
/// Time between two collections of young objects that are timed.
const TIMED_EACH_NS: u64 = 100_000_000;

/// The prologue hook. `data` is the slot.
///
/// # Safety
/// V8 calls it with the slot that it was registered with, on that slot's thread.
pub unsafe extern "C" fn on_prologue(
    _isolate: IsolatePtr,
    kind: c_int,
    _flags: c_int,
    data: *mut c_void,
) {
    entered(Entry::Collection);
    if fork::forked() {
        return;
    }
    // SAFETY: registered with a slot, which lives for ever.
    let slot = unsafe { &*data.cast::<ThreadSlot>() };
    let depth = slot.gc_depth.load(Relaxed);
    if depth > 0 {
        slot.gc_depth.store(depth + 1, Relaxed);
        return;
    }
    failure::guarded("the garbage collection prologue", || {
        if kind & MAJOR != 0 {
            begin(slot, true, 0);
        } else {
            timed(slot);
        }
    });
}

/// A collection of young objects begins; times that, if it is time.
fn timed(slot: &ThreadSlot) {
    let now = clock::monotonic_ns();
    let untimed = slot.gc_untimed.load(Relaxed).saturating_add(1);
    let is_due = now.saturating_sub(slot.gc_timed_at.load(Relaxed)) >= TIMED_EACH_NS;
    let before = if is_due { clock::own_cpu_ns() } else { 0 };
    let Some(began) = begin(slot, false, before) else {
        return;
    };
    if is_due {
        let passed = clock::own_cpu_ns().saturating_sub(began);
        let all = &statistics::shared().collection_ns;
        all.fetch_add(passed * u64::from(untimed), Relaxed);
        slot.gc_timed_at.store(now, Relaxed);
        slot.gc_untimed.store(0, Relaxed);
    } else {
        slot.gc_untimed.store(untimed, Relaxed);
    }
}

/// The epilogue hook. `data` is the slot.
///
/// # Safety
/// As [`on_prologue`].
pub unsafe extern "C" fn on_epilogue(
    _isolate: IsolatePtr,
    _kind: c_int,
    _flags: c_int,
    data: *mut c_void,
) {
    entered(Entry::Collection);
    if fork::forked() {
        return;
    }
    // SAFETY: registered with a slot, which lives for ever.
    let slot = unsafe { &*data.cast::<ThreadSlot>() };
    let depth = slot.gc_depth.load(Relaxed);
    if depth != 1 {
        slot.gc_depth.store(depth.saturating_sub(1), Relaxed);
        return;
    }
    failure::guarded("the garbage collection epilogue", || {
        let Some(_busy) = slot.work_in_session() else {
            return;
        };
        let sampled = slot.gc_samples.swap(0, Relaxed) > 0;
        if slot.gc_full.swap(false, Relaxed) {
            thread::with(slot, |thread| thread.after_full_collection(sampled));
        }
        // Before `busy` ends: a sample taken from here on walks the stack itself.
        slot.gc_depth.store(0, Relaxed);
    });
    slot.gc_depth.store(0, Relaxed);
}

/// The collection begins for the handler, once its cause is taken. `before`: the thread's CPU clock. Where it stood when the handler was kept out, if this took part in a session.
fn begin(slot: &ThreadSlot, full: bool, before: u64) -> Option<u64> {
    failpoint!("gc");
    let Some(_busy) = slot.work_in_session() else {
        // The handler takes no sample before the end of either: of what keeps it out, or of the session.
        slot.gc_depth.store(1, Relaxed);
        return None;
    };
    let began = slot.kept_out_at(before);
    slot.gc_labels.store(0, Relaxed);
    slot.gc_full.store(full, Relaxed);
    take_cause(slot);
    slot.gc_depth.store(1, Relaxed);
    if full {
        thread::with(slot, thread::JsThread::before_full_collection);
    }
    Some(began)
}

/// Takes the stack that causes the collection, and the labels in force.
fn take_cause(slot: &ThreadSlot) {
    slot.gc_stack.clear();
    let may_read = may_read_heap(slot);
    if let Some(context) = slot.context() {
        let set = labels::current(slot, context, may_read);
        slot.gc_labels.store(set, Relaxed);
    }
    if may_read
        && let Some(context) = slot.context()
        && let Some(mut writer) = slot.gc_stack.begin()
    {
        let mut findings = Findings::default();
        let here = Start {
            registers: registers::here(),
            leaf: None,
        };
        if let Outcome::Done(kind) = capture(slot, context, &here, &mut writer, &mut findings) {
            writer.commit(RecordHeader {
                kind,
                ..RecordHeader::default()
            });
        }
    } else if let Some(writer) = slot.gc_stack.begin() {
        writer.commit(RecordHeader {
            kind: RecordKind::Refused,
            ..RecordHeader::default()
        });
    }
}
