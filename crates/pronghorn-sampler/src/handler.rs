//! The signal handler: one sample, from the signal's arrival to the record in the thread's buffer.
//!
//! Async-signal-safe and bounded: no lock, no allocation, no panic, no thread_local of ours, errno as it was. It runs on the
//! JavaScript thread with the sampling signals masked. Whatever it cannot do it counts, and the time goes to the next
//! sample. Order: is the signal ours, is the thread ours to sample, measure, walk, store, and only then move the account on.

use std::ffi::c_void;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use pronghorn_native::unwind::Registers;
use pronghorn_v8::LeafRegisters;

use crate::account::Share;
use crate::buffer::{RecordHeader, RecordKind, RecordWriter};
use crate::observed::{Entry, entered};
use crate::slot::{ThreadSlot, WalkContext};
use crate::statistics::SlotCounters;
use crate::walk::{Findings, Outcome, Place, walk};
use crate::{
    breaker, clock, discovery, host, labels, protection_keys, session, signal, stall, statistics,
    ticker,
};
use pronghorn_sync::{fork, own_tid};

/// The handler of the sampling signals. Stays installed after a stop and then does nothing.
pub(crate) extern "C" fn on_sampling_signal(
    number: i32,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    entered(Entry::Handler);
    if fork::forked() {
        // Sent by somebody who is not us: nothing of ours sends signals here yet, and nothing of the parent's is pending.
        return;
    }
    // SAFETY: errno's address is valid for the running thread, for as long as it runs.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    if ticker::is_ticker(own_tid()) {
        // Its own timer's, or one sent to the process that happened to reach this thread.
        // SAFETY: the kernel hands a handler with SA_SIGINFO a whole siginfo.
        signal::count_unless_timer(unsafe { &*info });
        ticker::unpark(false);
    } else if let Some(value) = signal::value_of_timer(number, info) {
        // SAFETY: the kernel hands a handler with SA_SIGINFO the interrupted context.
        let (tid, context) = (own_tid(), unsafe { &*context.cast::<libc::ucontext_t>() });
        if let Some((slot, rings)) = signal::of_alarm(value, tid) {
            if rings && ticker::may_ring(slot, tid) {
                sample(slot, context);
            }
        } else if !discovery::answer(value, tid, Registers::interrupted(context).pc) {
            signal::count_forged();
        }
    } else if let Some(slot) = signal::accept(number, info) {
        // SAFETY: the kernel hands a handler with SA_SIGINFO the interrupted context.
        sample(slot, unsafe { &*context.cast::<libc::ucontext_t>() });
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// Not part of the handler's frame: other threads than JavaScript ones are asked too, and may have little stack.
#[inline(never)]
fn sample(slot: &ThreadSlot, context: &libc::ucontext_t) {
    if slot.busy.load(Relaxed) {
        SlotCounters::add(&slot.counters.deferred);
        return;
    }
    let Some(_busy) = slot.work_in_session() else {
        return;
    };
    let Some(walk_context) = slot.context() else {
        return;
    };
    protection_keys::allow_reading();
    let (began, began_cpu) = (clock::monotonic_ns(), clock::own_cpu_ns());
    let may_walk = may_walk(slot, context);
    let start = Start {
        registers: Registers::interrupted(context),
        leaf: Some(LeafRegisters::from_context(&context.uc_mcontext)),
    };
    slot.standing.note(context, may_walk);
    let share = Share::Interval(session::interval_ns());
    let clocks = (began, began_cpu);
    take(slot, walk_context, &start, may_walk, clocks, share);
    if stall::is_wanted() {
        stall::capture(slot, walk_context, &start, may_walk);
    }
    let cpu = clock::own_cpu_ns();
    slot.cpu_at_sample.store(cpu, Relaxed);
    statistics::shared()
        .handler_time
        .record(cpu.saturating_sub(began_cpu));
}

/// Where a walk starts.
pub struct Start {
    /// The registers of the innermost frame.
    pub registers: Registers,
    /// Those that only an interrupted thread has.
    pub leaf: Option<LeafRegisters>,
}

/// Takes one sample of the calling thread, whose stack starts at `start`, at `now` (monotonic) and `cpu` (its CPU clock), and which carries its
/// `share` of the time that has run up. The caller holds the slot's `busy`.
pub fn take(
    slot: &ThreadSlot,
    context: &WalkContext,
    start: &Start,
    may_walk: bool,
    (now, cpu): (u64, u64),
    share: Share,
) {
    let counters = &slot.counters;
    let polled = slot.account.poll_since() != 0;
    let deltas = slot.account.measure(now, cpu, share);
    let Some(mut writer) = slot.buffer.begin() else {
        SlotCounters::add(&counters.dropped);
        return;
    };
    let mut findings = Findings::default();
    let in_collection = slot.gc_depth.load(Relaxed) != 0;
    let set = if in_collection {
        slot.gc_labels.load(Relaxed)
    } else {
        labels::current(slot, context, may_walk)
    };
    let mut cause = RecordKind::default();
    let kind = if in_collection {
        let full = slot.gc_full.load(Relaxed);
        if !full && let Some((header, frames)) = slot.gc_stack.only() {
            // Nothing old moves or dies: its frames are as good as any that wait to be resolved.
            if !writer.extend(frames) {
                SlotCounters::add(&counters.dropped);
                return;
            }
            cause = header.kind;
        }
        slot.gc_samples.fetch_add(1, Relaxed);
        SlotCounters::add(&counters.gc);
        if full {
            RecordKind::FullCollection
        } else {
            RecordKind::GarbageCollection
        }
    } else if !may_walk {
        SlotCounters::add(&counters.refused);
        RecordKind::Refused
    } else {
        match capture(slot, context, start, &mut writer, &mut findings) {
            Outcome::Done(kind) => kind,
            Outcome::NoRoom => {
                SlotCounters::add(&counters.dropped);
                return;
            }
        }
    };
    #[cfg(feature = "failpoints")]
    if session::is_in_no_image(start.registers.pc) {
        // Tests fork here. In anybody's native code the thread may hold a lock of malloc's, which fork(3) takes itself.
        pronghorn_sync::failpoint!("mid-sample");
    }
    writer.commit(RecordHeader {
        frames: 0,
        kind,
        labels: set,
        cause,
        cpu_ns: deltas.cpu_ns,
        wall_ns: deltas.wall_ns,
        still_ns: deltas.still_ns,
    });
    slot.account.commit(now, cpu, &deltas);
    if polled {
        if findings.has_v8_frames {
            stall::begin_turn(slot, now);
        } else {
            // Native code in the poll phase: the loop has not come back to JavaScript yet.
            slot.account.enter_poll(now);
        }
    }
    SlotCounters::add(&counters.samples);
}

/// Walks the thread's stack into `writer` and counts what came of it.
pub fn capture(
    slot: &ThreadSlot,
    context: &WalkContext,
    start: &Start,
    writer: &mut RecordWriter<'_>,
    findings: &mut Findings,
) -> Outcome {
    let Some(place) = place(slot, context) else {
        return Outcome::Done(RecordKind::Refused);
    };
    let outcome = walk(
        &place,
        start.registers,
        start.leaf.as_ref(),
        session::max_depth(),
        writer,
        findings,
    );
    let counters = &slot.counters;
    counters
        .bad_frames
        .fetch_add(u64::from(findings.bad_frames), Relaxed);
    match outcome {
        Outcome::Done(RecordKind::Broken) => SlotCounters::add(&counters.broken),
        Outcome::Done(RecordKind::Truncated) => SlotCounters::add(&counters.truncated),
        _ => {}
    }
    breaker::shared().count(outcome == Outcome::Done(RecordKind::Broken));
    outcome
}

/// What a walk of the slot's thread reads by. The caller is that thread and holds the slot's `busy`.
pub(crate) fn place<'a>(slot: &'a ThreadSlot, context: &'a WalkContext) -> Option<Place<'a>> {
    // SAFETY: null, or a list, and those are never freed.
    let images = unsafe { session::images().as_ref() }?;
    Some(Place {
        context,
        images,
        cache: slot.unwind_cache()?,
    })
}

/// Whether V8's memory may be read in a handler that has interrupted `context`: bad loads would be survived there.
fn may_walk(slot: &ThreadSlot, context: &libc::ucontext_t) -> bool {
    pronghorn_v8::fault::signals_open(first_word(&context.uc_sigmask)) && may_read_heap(slot)
}

/// Whether V8's memory may be read now, by the calling thread, whose slot this is: bad loads are handled, few walks have failed, and the thread is in the isolate it is known for.
pub(crate) fn may_read_heap(slot: &ThreadSlot) -> bool {
    !breaker::shared().is_open() && pronghorn_v8::fault::is_ours() && in_own_isolate(slot)
}

/// Whether the calling thread is in the isolate registered for it, and not in one it has entered since.
pub fn in_own_isolate(slot: &ThreadSlot) -> bool {
    let Ok(host) = host::get_found() else {
        return false;
    };
    // SAFETY: reads a thread-local word of V8's; async-signal-safe (v8-isolate.h, TryGetCurrent).
    let current = unsafe { (host.current_isolate)() };
    !current.is_null() && current == slot.isolate.load(Acquire)
}

/// The first 64 bits of a signal mask: all of the kernel's.
fn first_word(mask: &libc::sigset_t) -> u64 {
    const { assert!(size_of::<libc::sigset_t>() >= 8) };
    // SAFETY: a sigset_t is at least eight plain bytes, aligned to a word.
    unsafe { std::ptr::from_ref(mask).cast::<u64>().read() }
}
