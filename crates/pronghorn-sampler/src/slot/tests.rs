//! What a child keeps of a slot in which everything was set, and of the table.

use super::*;
use crate::buffer::{RecordHeader, SampleBuffer};

fn with_a_record(buffer: &SampleBuffer) {
    assert!(buffer.map());
    buffer.begin().unwrap().commit(RecordHeader::default());
    assert_eq!(buffer.records(), 1);
}

/// A slot with every field set but the context: only V8 has layouts, so that is checked by the tests that fork.
fn set() -> ThreadSlot {
    let slot = ThreadSlot::new();
    for word in [&slot.session, &slot.pending_since, &slot.cpu_at_look] {
        word.store(7, Relaxed);
    }
    for word in [
        &slot.nonce,
        &slot.drains,
        &slot.backlog,
        &slot.gc_depth,
        &slot.gc_samples,
        &slot.gc_labels,
    ] {
        word.store(7, Relaxed);
    }
    // Busy in the middle of something that is never ended.
    for flag in [&slot.armed, &slot.busy, &slot.interrupt_asked, &slot.ending] {
        flag.store(true, Relaxed);
    }
    slot.tid.store(7, Relaxed);
    slot.label_word.store(std::ptr::dangling_mut(), Relaxed);
    slot.label_key.store(std::ptr::dangling_mut(), Relaxed);
    slot.label_place.store(7, Relaxed);
    slot.account.restart(1, 1);
    slot.account.enter_poll(2);
    slot.account.return_idle(7);
    slot.account.note_still(3);
    with_a_record(&slot.buffer);
    with_a_record(&slot.gc_stack);
    slot.isolate.store(std::ptr::dangling_mut(), Relaxed);
    slot.thread.store(std::ptr::dangling_mut(), Relaxed);
    assert!(map_cache(&slot));
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
            busy,
            session,
            pending_since,
            cpu_at_look,
            interrupt_asked,
            ending,
            drains,
            turn_since,
            account,
            buffer,
            gc_stack,
            backlog,
            gc_depth,
            gc_samples,
            gc_labels,
            label_word,
            label_key,
            label_place,
            isolate,
            unwind_cache,
            thread,
            counters: counted,
            context,
        } = before.inherited(new_tid);
        assert_eq!(tid.load(Relaxed), new_tid);
        assert_eq!(nonce.load(Relaxed), 8, "a late signal is for another use");
        for flag in [armed, busy, interrupt_asked, ending] {
            assert!(!flag.load(Relaxed));
        }
        for word in [session, pending_since, cpu_at_look, turn_since] {
            assert_eq!(word.load(Relaxed), 0);
        }
        assert!(label_word.load(Relaxed).is_null() && label_key.load(Relaxed).is_null());
        assert_eq!(label_place.load(Relaxed), 0);
        for word in [drains, backlog, gc_depth, gc_samples, gc_labels] {
            assert_eq!(word.load(Relaxed), 0);
        }
        assert_eq!(account.words(), [0; 6]);
        for memory in [buffer, gc_stack] {
            assert!(memory.is_empty());
            assert_eq!(memory.records(), 0);
            assert!(memory.begin().is_some(), "it has its memory");
        }
        let is_own = new_tid != 0;
        assert_eq!(!isolate.load(Relaxed).is_null(), is_own);
        assert_eq!(!thread.load(Relaxed).is_null(), is_own);
        assert_eq!(
            unwind_cache.load(Relaxed),
            before.unwind_cache.load(Relaxed)
        );
        for counter in counters(&counted) {
            assert_eq!(counter.load(Relaxed), 0);
        }
        assert!(context.into_inner().is_none());
    }
}

#[test]
fn the_unwinders_cache_of_a_thread_that_is_gone_is_emptied() {
    let slot = set();
    let cache = slot
        .unwind_cache
        .load(Relaxed)
        .cast::<[u8; size_of::<UnwindCache>()]>();
    // SAFETY: mapped by `set`, of that size, and any content is valid; nobody else knows it.
    let content = || unsafe { cache.read() };
    // SAFETY: as above.
    unsafe { cache.write([0xff; size_of::<UnwindCache>()]) };
    slot.inherited(9);
    assert!(
        content().iter().all(|&byte| byte == 0xff),
        "its own is whole"
    );
    slot.inherited(0);
    assert!(content().iter().all(|&byte| byte == 0));
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
