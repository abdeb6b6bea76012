//! What a child keeps of a slot in which everything was set, and of the table.

use super::*;
use crate::buffer::{RecordHeader, SampleBuffer};
use crate::statistics::SlotCounters;
use std::sync::atomic::AtomicU64;

fn with_a_record(buffer: &SampleBuffer) {
    buffer.begin().unwrap().commit(RecordHeader::default());
    assert_eq!(buffer.records(), 1);
}

/// A slot with every field set but the context: only V8 has layouts, so that is checked by the tests that fork.
fn set() -> ThreadSlot {
    let slot = ThreadSlot::new();
    assert!(slot.map());
    slot.alarm.store(7, Relaxed);
    slot.standing.fill();
    for word in [
        &slot.session,
        &slot.pending_since,
        &slot.cpu_at_sample,
        &slot.gc_timed_at,
    ] {
        word.store(7, Relaxed);
    }
    for word in [
        &slot.nonce,
        &slot.safe_points,
        &slot.drains,
        &slot.backlog,
        &slot.kept,
        &slot.gc_depth,
        &slot.gc_samples,
        &slot.gc_untimed,
        &slot.gc_labels,
    ] {
        word.store(7, Relaxed);
    }
    // Busy in the middle of something that is never ended.
    for flag in [
        &slot.armed,
        &slot.busy,
        &slot.interrupt_asked,
        &slot.ending,
        &slot.whole_asked,
        &slot.unfinished,
        &slot.gc_full,
    ] {
        flag.store(true, Relaxed);
    }
    slot.has_context.store(true, Relaxed);
    slot.tid.store(7, Relaxed);
    slot.label_word.store(std::ptr::dangling_mut(), Relaxed);
    slot.label_key.store(std::ptr::dangling_mut(), Relaxed);
    slot.label_place.store(7, Relaxed);
    slot.account.restart(1, 1);
    slot.account.commit(1, 1, &kept());
    slot.account.enter_poll(1);
    slot.account.leave_poll(2);
    slot.account.enter_poll(2);
    slot.account.return_idle(7);
    slot.account.note_still(3);
    with_a_record(&slot.buffer);
    with_a_record(&slot.gc_stack);
    slot.isolate.store(std::ptr::dangling_mut(), Relaxed);
    slot.thread.store(std::ptr::dangling_mut(), Relaxed);
    for counter in counters(&slot.counters) {
        counter.store(7, Relaxed);
    }
    slot
}

fn counters(counters: &SlotCounters) -> [&AtomicU64; 9] {
    let SlotCounters {
        samples,
        dropped,
        deferred,
        broken,
        refused,
        truncated,
        gc,
        idle,
        bad_frames,
    } = counters;
    [
        samples, dropped, deferred, broken, refused, truncated, gc, idle, bad_frames,
    ]
}

#[test]
fn a_fork_leaves_the_memory_and_its_own_threads_record_of_what_was_set() {
    let before = set();
    for new_tid in [9, 0] {
        let ThreadSlot {
            tid,
            nonce,
            armed,
            session,
            label_word,
            label_key,
            label_place,
            isolate,
            thread,
            memory,
            has_context,
            context: _,
        } = before.inherited(new_tid);
        assert_eq!(tid.load(Relaxed), new_tid);
        assert_eq!(nonce.load(Relaxed), 8, "a late signal is for another use");
        assert!(!armed.load(Relaxed));
        assert_eq!(session.load(Relaxed), 0);
        assert!(label_word.load(Relaxed).is_null() && label_key.load(Relaxed).is_null());
        assert_eq!(label_place.load(Relaxed), 0);
        let is_own = new_tid != 0;
        assert_eq!(!isolate.load(Relaxed).is_null(), is_own);
        assert_eq!(!thread.load(Relaxed).is_null(), is_own);
        assert_eq!(memory.load(Relaxed), before.memory.load(Relaxed));
        assert!(!has_context.load(Relaxed));
    }
}

fn assert_at_rest(live: Live) {
    let Live {
        busy,
        pending_since,
        cpu_at_sample,
        standing,
        alarm,
        interrupt_asked,
        ending,
        whole_asked,
        unfinished,
        safe_points,
        drains,
        turn_since,
        account,
        buffer,
        gc_stack,
        backlog,
        kept,
        gc_depth,
        gc_full,
        gc_samples,
        gc_untimed,
        gc_timed_at,
        gc_labels,
        counters: counted,
    } = live;
    for flag in [
        busy,
        interrupt_asked,
        ending,
        whole_asked,
        unfinished,
        gc_full,
    ] {
        assert!(!flag.load(Relaxed));
    }
    for word in [pending_since, cpu_at_sample, turn_since, gc_timed_at] {
        assert_eq!(word.load(Relaxed), 0);
    }
    assert_eq!(alarm.load(Relaxed), 0);
    for word in [
        safe_points,
        drains,
        backlog,
        kept,
        gc_depth,
        gc_samples,
        gc_untimed,
        gc_labels,
    ] {
        assert_eq!(word.load(Relaxed), 0);
    }
    assert_eq!(account.words(), [0; 11]);
    assert_eq!(standing.words(), [0]);
    for memory in [buffer, gc_stack] {
        assert!(memory.is_empty() && memory.begin().is_none());
        assert_eq!(memory.records(), 0);
    }
    for counter in counters(&counted) {
        assert_eq!(counter.load(Relaxed), 0);
    }
}

#[test]
fn a_fork_leaves_nothing_of_what_changes_with_every_sample() {
    assert_at_rest(Live::inherited(&set()));
    assert_at_rest(Live::new());
    // SAFETY: this is what a child is given, and it is made of atomics.
    assert_at_rest(unsafe { std::mem::zeroed() });
}

#[test]
fn the_reset_empties_buffers_and_cache() {
    let slot = set();
    let memory = slot.memory().unwrap();
    let cache = std::ptr::from_ref(memory.cache())
        .cast_mut()
        .cast::<[u8; size_of::<UnwindCache>()]>();
    // SAFETY: mapped by `set`, of that size, and any content is valid; nobody else knows it.
    let content = || unsafe { cache.read() };
    // SAFETY: as above.
    unsafe { cache.write([0xff; size_of::<UnwindCache>()]) };
    // SAFETY: nobody else knows the slot.
    let alone = unsafe { Alone::vouch() };
    memory.reset(&alone);
    assert!(content().iter().all(|&byte| byte == 0));
    for buffer in [&slot.buffer, &slot.gc_stack] {
        assert!(buffer.is_empty());
        assert!(buffer.begin().is_some(), "it has its memory");
    }
    assert!(!slot.busy.load(Relaxed));
}

#[test]
fn a_child_finds_a_slot_at_rest_before_any_reset() {
    let slot = set();
    // SAFETY: the child does nothing but look and end.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let at_rest = !slot.busy.load(Relaxed)
            && slot.buffer.is_empty()
            && slot.cpu_at_sample.load(Relaxed) == 0;
        // SAFETY: the child ends here.
        unsafe { libc::_exit(i32::from(!at_rest)) };
    }
    let mut status = -1;
    // SAFETY: a child of this process, a place of ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0);
    assert_eq!(slot.buffer.records(), 1, "the parent has what it had");
}

#[test]
fn a_fork_leaves_an_open_lock_and_the_slots_to_look_through() {
    let state = State::new();
    state.high_water.store(7, Relaxed);
    state.limit.store(1, Relaxed);
    // Held by a thread that is gone.
    std::mem::forget(state.registration.guard());

    let State {
        high_water,
        limit,
        registration,
    } = state.inherited();
    assert_eq!(high_water.load(Relaxed), 7);
    assert_eq!(limit.load(Relaxed), SLOTS as u32);
    assert!(registration.try_lock());
}

fn kept() -> crate::account::Deltas {
    crate::account::Deltas {
        kept: (7, 7),
        ..Default::default()
    }
}
