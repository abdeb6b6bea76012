//! The labels that the application puts on its work (`withLabels`): which set is in force on a thread is read with each sample.
//!
//! A set has a number ([`table`]). The number in force is found in one of two ways; JavaScript decides at its first use of labels on a
//! thread, by trying the first:
//! 1. the store of an AsyncLocalStorage of ours, read from V8's memory ([`pronghorn_v8::StorePlace`]), where Node keeps contexts in V8;
//! 2. elsewhere a word that JavaScript writes whenever another context begins to run.
//!
//! The handler reads either without help: no lock, no allocation, bounded. The store lies in objects that a garbage collection moves,
//! so the prologue hook reads it once for all samples of a collection (`gc.rs`). What cannot be read is no label.
//!
//! Threads: a thread's [`Source`] is its own, in a thread-local that its handler never touches; what the handler needs is copied into
//! the slot, by the thread itself. The three words there are written in an order in which each state is a valid one.
//!
//! Fork: the forking thread goes on with its contexts, word and storage, so its source stays; the rest is said in table.rs.

pub mod table;

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, Release},
    compiler_fence,
};

use pronghorn_sync::Alone;
use pronghorn_v8::{Live, StorePlace, V8};

use crate::slot::{ThreadSlot, WalkContext};
use crate::{fault_users, host, thread};

/// How the calling thread tells which set is in force.
#[derive(Clone, Copy)]
struct Source {
    /// The word that JavaScript writes; null if it writes none.
    word: *const AtomicU32,
    /// V8's global handle of the storage; null if the store is not read.
    key: *const u64,
    /// A [`StorePlace`].
    place: u64,
}

const NOTHING: Source = Source {
    word: null(),
    key: null(),
    place: 0,
};

thread_local! {
    // Fork: kept, by the thread that forked, whose JavaScript goes on.
    static OWN: Cell<Source> = const { Cell::new(NOTHING) };
}

/// From here on the calling thread's set is what the word says.
///
/// # Safety
/// The word lives until [`forget`] or the end of the environment.
pub unsafe fn track_word(word: *const AtomicU32) {
    OWN.set(Source { word, ..NOTHING });
    attach_own();
}

/// Looks for the store `wanted` of the storage that `handle` names, which is in force now.
///
/// # Safety
/// `handle` is a local handle of V8's to an object; on its isolate's thread.
pub unsafe fn find_store(handle: *const u64, wanted: i32) -> Option<StorePlace> {
    let host = host::get().ok()?;
    fault_users::while_looking(|| {
        let layout = V8::get().layout(None).ok()?;
        // SAFETY: TryGetCurrent reads a thread-local word; the handle is valid by the contract.
        let (isolate, key) = unsafe { ((host.current_isolate)(), *handle) };
        if isolate.is_null() {
            return None;
        }
        StorePlace::find(&Live, &layout, isolate.addr() as u64, key, wanted)
    })
    .ok()
    .flatten()
}

/// From here on the calling thread's set is the store of the storage that `handle` names, at a place that [`find_store`] has found. False if
/// this V8 gives no handle that lasts.
///
/// # Safety
/// As [`find_store`].
pub unsafe fn track_store(handle: *const u64, place: StorePlace) -> bool {
    let Ok(host) = host::get() else {
        return false;
    };
    let Some(globalize) = host.globalize else {
        return false;
    };
    // SAFETY: on the isolate's thread, with an object that is alive. The handle lives as long as the isolate: a thread has one.
    let key = unsafe { globalize((host.current_isolate)(), *handle) };
    if key.is_null() {
        return false;
    }
    OWN.set(Source {
        key,
        place: place.to_word(),
        ..NOTHING
    });
    attach_own();
    true
}

/// The calling thread's environment ends.
pub fn forget() {
    OWN.set(NOTHING);
    attach_own();
}

fn attach_own() {
    if let Some((_, slot)) = thread::current() {
        attach(slot);
    }
}

/// In a forked process, step two: the table goes on, see there.
pub(crate) fn reset_after_fork(alone: &Alone) {
    table::reset_after_fork(alone);
}

/// Gives the handler of the calling thread, whose slot this is, what it needs.
pub(crate) fn attach(slot: &ThreadSlot) {
    let Source { word, key, place } = OWN.get();
    // Neither source while they change; a handler may come at any instruction.
    slot.label_key.store(std::ptr::null_mut(), Relaxed);
    compiler_fence(Release);
    slot.label_place.store(place, Relaxed);
    slot.label_word.store(word.cast_mut(), Relaxed);
    compiler_fence(Release);
    slot.label_key.store(key.cast_mut(), Relaxed);
}

/// The number of the set in force on the calling thread; 0 if there is none. `may_read`: V8's memory may be read now. Async-signal-safe.
pub(crate) fn current(slot: &ThreadSlot, context: &WalkContext, may_read: bool) -> u32 {
    let key = slot.label_key.load(Relaxed);
    let number = if !key.is_null() && may_read {
        read_store(slot, context, key.addr() as u64)
    } else {
        let word = slot.label_word.load(Relaxed);
        // SAFETY: null, or a word that lives as long as the environment, at whose end the slot is not the thread's any more.
        unsafe { word.as_ref() }.map_or(0, |word| word.load(Relaxed))
    };
    if number != 0 {
        table::touch(number);
    }
    number
}

#[inline(never)]
fn read_store(slot: &ThreadSlot, context: &WalkContext, key: u64) -> u32 {
    let place = StorePlace::from_word(slot.label_place.load(Relaxed));
    let isolate: *mut c_void = slot.isolate.load(Relaxed);
    pronghorn_v8::load::u64(key)
        .and_then(|key| place.read(&Live, &context.view.layout, isolate.addr() as u64, key))
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(0)
}
