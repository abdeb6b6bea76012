//! The slots: one per JavaScript thread, in static memory, reused and never freed, since a late or forged signal may
//! name any of them at any time.
//!
//! Threads and who writes what:
//! - registration (the JavaScript thread itself, at a safe point): everything, while `armed` is false;
//! - the signal handler (the same thread): the account, the buffer, the counters, `cpu_at_sample`, `standing`, `pending_since` to 0;
//!   all of it in `Live`;
//! - hooks and safe points (the same thread, `busy`): what the handler writes, and `drains`, `safe_points`, `unfinished`, `turn_since`, the backlog's counts; they clear
//!   `interrupt_asked` and `whole_asked`. Of a collection `gc_depth` is also written outside of `busy`, and what only times it is no business of the handler's;
//! - the ticker: `pending_since` from 0, the account's `still_until`, `interrupt_asked`, `alarm`, which the handler and a stop may clear;
//! - a rotating or stopping thread: the account's idle time of a poller, `ending`, `whole_asked`.
//!
//! Orderings: `armed` is stored with release after the slot is filled and loaded with acquire by the handler and the
//! ticker. `busy` keeps the handler out while its own thread works on the slot; it is sequentially consistent with the
//! gate (`session.rs`), so that a stop can wait until nobody is at work. Lock order: `registration` (below) before any lock of V8; the handler takes none.
//!
//! Fork: only the forking thread exists in the child. Its slot keeps its place, which hooks and handles point to, its thread
//! record and its memory, and gets the new thread id; every other slot is free again, its thread record abandoned. The
//! memory is mapped by us and is used again; forks do not copy it. Until that reset nobody takes the registration lock.

mod live;
mod memory;
pub(crate) mod ticket;

pub use live::Live;

use crate::thread::JsThread;
use memory::SlotMemory;
use pronghorn_native::unwind::UnwindCache;
use pronghorn_sync::{Alone, RawLock, RawLockGuard, Resettable, fork};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

/// JavaScript threads that can be profiled at a time. A thread beyond it is not profiled, and `register` says so.
pub const SLOTS: usize = 256;

/// What the handler needs to walk this thread, written while the slot is not armed.
pub struct WalkContext {
    /// The view of this thread's isolate.
    pub view: pronghorn_v8::IsolateView,
    /// The end of the thread's stack: no frame lies at or above it.
    pub stack_high: u64,
}

/// See the module documentation.
pub struct ThreadSlot {
    /// Kernel thread id; 0 if the slot is free.
    pub tid: AtomicI32,
    /// Grows with each use of the slot, so that a signal to a former thread is not taken for one to this.
    pub nonce: AtomicU32,
    /// Whether the handler may sample this thread.
    pub armed: AtomicBool,
    /// The session this thread takes part in (`session::session`); what an earlier one left here is not for the next.
    pub session: AtomicU64,
    /// Where the number of the set in force is: see `labels.rs`. Written by the thread itself.
    pub label_word: AtomicPtr<AtomicU32>,
    /// See `labels.rs`.
    pub label_key: AtomicPtr<u64>,
    /// See `labels.rs`.
    pub label_place: AtomicU64,
    /// The isolate registered for this thread.
    pub isolate: AtomicPtr<c_void>,
    /// What the thread keeps for its safe points; only the thread itself dereferences it.
    pub thread: AtomicPtr<JsThread>,
    /// What changes with every sample, and the memory for it; null until the slot is first taken.
    memory: AtomicPtr<SlotMemory>,
    has_context: AtomicBool,
    /// Written before `has_context` says so. No `Option`, whose `None` is not all zeroes: the table of slots is to cost the binary nothing.
    context: UnsafeCell<MaybeUninit<WalkContext>>,
}

// SAFETY: all fields but `context` are atomics; `context` is written only while `armed` is false and no handler runs
// (registration happens on the slot's own thread under `busy`), and read only after an acquire load of `armed`.
unsafe impl Sync for ThreadSlot {}

impl std::ops::Deref for ThreadSlot {
    type Target = Live;

    /// What changes with every sample. Of a slot that was never taken: a place where nothing matters.
    #[inline]
    fn deref(&self) -> &Live {
        self.memory().map_or(&NOWHERE, SlotMemory::live)
    }
}

// Fork: kept; nobody takes anything from it.
static NOWHERE: Live = Live::new();

impl ThreadSlot {
    pub(crate) const fn new() -> Self {
        Self {
            tid: AtomicI32::new(0),
            nonce: AtomicU32::new(0),
            armed: AtomicBool::new(false),
            session: AtomicU64::new(0),
            label_word: AtomicPtr::new(std::ptr::null_mut()),
            label_key: AtomicPtr::new(std::ptr::null_mut()),
            label_place: AtomicU64::new(0),
            isolate: AtomicPtr::new(std::ptr::null_mut()),
            thread: AtomicPtr::new(std::ptr::null_mut()),
            memory: AtomicPtr::new(std::ptr::null_mut()),
            has_context: AtomicBool::new(false),
            context: UnsafeCell::new(MaybeUninit::zeroed()),
        }
    }

    /// What a child puts in this slot's place. `tid` is the forking thread's new id if the slot is its own, 0 otherwise.
    fn inherited(&self, tid: i32) -> Self {
        let Self {
            tid: _,
            nonce,
            armed: _,
            session: _,
            // The start attaches the thread's again.
            label_word: _,
            label_key: _,
            label_place: _,
            isolate,
            thread,
            memory,
            has_context: _,
            context: _,
        } = self;
        let own = tid != 0;
        let pointer_if_own = |place: &AtomicPtr<c_void>| {
            AtomicPtr::new(if own {
                place.load(Relaxed)
            } else {
                std::ptr::null_mut()
            })
        };
        Self {
            tid: AtomicI32::new(tid),
            nonce: AtomicU32::new(nonce.load(Relaxed).wrapping_add(1)),
            isolate: pointer_if_own(isolate),
            thread: AtomicPtr::new(if own {
                thread.load(Relaxed)
            } else {
                std::ptr::null_mut()
            }),
            memory: AtomicPtr::new(memory.load(Relaxed)),
            ..Self::new()
        }
    }

    #[inline]
    fn memory(&self) -> Option<&'static SlotMemory> {
        // SAFETY: null, or memory that is mapped for good.
        unsafe { self.memory.load(Acquire).as_ref() }
    }

    /// The unwinder's cache: used by the handler of the slot's thread, and by that thread while it holds `busy`. `None` if the slot was never
    /// taken.
    pub fn unwind_cache(&self) -> Option<&'static UnwindCache> {
        self.memory().map(SlotMemory::cache)
    }

    /// Maps the memory, once; false if the kernel refuses.
    pub(crate) fn map(&self) -> bool {
        if self.memory().is_some() {
            return true;
        }
        let memory = SlotMemory::map();
        if let Some(memory) = memory {
            let place = std::ptr::from_ref(memory).cast_mut();
            self.memory.store(place, Release);
        }
        memory.is_some()
    }

    /// The handler's view of its thread; `None` while the slot is not armed.
    pub fn context(&self) -> Option<&WalkContext> {
        if !self.armed.load(Acquire) {
            return None;
        }
        if !self.has_context.load(Relaxed) {
            return None;
        }
        // SAFETY: `armed` was stored with release after the context was written, which the flag says it was; it is cleared before the context is rewritten.
        Some(unsafe { (*self.context.get()).assume_init_ref() })
    }

    /// Fills in what the handler needs. Only on the slot's own thread, while it is not armed.
    pub fn set_context(&self, context: WalkContext) {
        debug_assert!(!self.armed.load(Relaxed));
        // SAFETY: not armed, so no handler reads it; one writer, the thread itself.
        unsafe { (*self.context.get()).write(context) };
        self.has_context.store(true, Relaxed);
    }

    /// Whether a signal to the thread is under way.
    pub fn is_pending(&self) -> bool {
        self.pending_since.load(Relaxed) != 0
    }

    /// Keeps the handler of this thread out until the guard is dropped; `None` if it is already kept out.
    pub fn work(&self) -> Option<Busy<'_>> {
        // Sequentially consistent with the gate: whoever closes it and then finds nobody busy knows that nobody who saw
        // it open is still at work.
        (!self.busy.swap(true, SeqCst)).then(|| Busy(&self.busy))
    }

    /// The same, if this thread takes part in the session under way. Looks after it is busy, so that nobody starts on a
    /// slot once the gate is closed.
    pub fn work_in_session(&self) -> Option<Busy<'_>> {
        let busy = self.work()?;
        (crate::session::is_running() && self.session.load(Relaxed) == crate::session::session())
            .then_some(busy)
    }

    /// Where the thread's CPU clock stood when the handler was kept out, if it stood at `before` in front of that: a sample in between has its own account. The caller
    /// is that thread, and keeps the handler out.
    pub fn kept_out_at(&self, before: u64) -> u64 {
        before.max(self.cpu_at_sample.load(Relaxed))
    }
}

/// The handler of the slot's thread stays out while this lives.
pub struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

struct State {
    /// Slots in use lie below this index.
    high_water: AtomicU32,
    /// Slots that may be used: all, unless a test says otherwise.
    limit: AtomicU32,
    registration: RawLock,
}

impl State {
    const fn new() -> Self {
        Self {
            high_water: AtomicU32::new(0),
            limit: AtomicU32::new(SLOTS as u32),
            registration: RawLock::new_unlocked(),
        }
    }

    /// What a child starts with: the lock open, and the same slots to look through, which are free.
    fn inherited(&self) -> Self {
        let Self {
            high_water,
            limit: _,
            registration: _,
        } = self;
        Self {
            high_water: AtomicU32::new(high_water.load(Relaxed)),
            ..Self::new()
        }
    }
}

static TABLE: [Resettable<ThreadSlot>; SLOTS] =
    [const { Resettable::new(ThreadSlot::new()) }; SLOTS];
static STATE: Resettable<State> = Resettable::new(State::new());

/// Held by whoever adds or removes a thread, and by our own threads while they call into a registered isolate: a thread
/// cannot leave, and its isolate cannot be torn down, while they do. Waits for microseconds; in a forked process that has not
/// been reset there is nobody to exclude, and nothing is held.
pub fn registration() -> Option<RawLockGuard<'static>> {
    (!fork::forked()).then(|| STATE.get().registration.guard())
}

/// Whether somebody holds [`registration`].
#[cfg(feature = "failpoints")]
pub fn is_registration_locked() -> bool {
    STATE.get().registration.is_locked()
}

/// How many threads can be profiled at a time.
pub fn limit() -> usize {
    STATE.get().limit.load(Relaxed) as usize
}

/// Tests only: lets no more than `slots` be used from now on; those in use stay.
pub fn set_limit(slots: usize) {
    STATE.get().limit.store(slots.min(SLOTS) as u32, Relaxed);
}

/// The slot with this index, if there is one. Async-signal-safe.
pub fn get(index: usize) -> Option<&'static ThreadSlot> {
    TABLE.get(index).map(Resettable::get)
}

/// All slots that were ever in use.
pub fn all() -> impl Iterator<Item = (usize, &'static ThreadSlot)> {
    let used = STATE.get().high_water.load(Acquire) as usize;
    TABLE.iter().map(Resettable::get).enumerate().take(used)
}

/// In a forked process, step two: frees every slot but `own`, which becomes that of thread `tid`.
/// Whoever points to that slot finds the fresh one at the same place.
pub(crate) fn reset_after_fork(alone: &Alone, own: &'static ThreadSlot, tid: i32) {
    let own = std::ptr::from_ref(own);
    for place in &TABLE {
        let slot = place.get();
        let is_own = std::ptr::from_ref(slot) == own;
        if let Some(memory) = slot.memory() {
            memory.reset(alone);
        }
        let fresh = slot.inherited(if is_own { tid } else { 0 });
        place.reset(alone, fresh);
    }
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

/// The slot of the thread with this id. Async-signal-safe.
pub fn of_thread(tid: i32) -> Option<(usize, &'static ThreadSlot)> {
    all().find(|(_, slot)| slot.tid.load(Relaxed) == tid)
}

/// Takes a free slot for thread `tid`, with a new nonce and empty buffers; not yet armed. `None` if all are in use or
/// the kernel has no memory. The caller holds the registration.
pub fn take(tid: i32) -> Option<(usize, &'static ThreadSlot)> {
    let (index, slot) = TABLE
        .iter()
        .map(Resettable::get)
        .enumerate()
        .take(limit())
        .find(|(_, slot)| slot.tid.load(Relaxed) == 0)?;
    if !slot.map() {
        return None;
    }
    slot.armed.store(false, Release);
    slot.nonce.fetch_add(1, Relaxed);
    slot.pending_since.store(0, Relaxed);
    slot.alarm.store(0, Relaxed);
    slot.interrupt_asked.store(false, Relaxed);
    slot.ending.store(false, Relaxed);
    slot.whole_asked.store(false, Relaxed);
    slot.unfinished.store(false, Relaxed);
    slot.gc_depth.store(0, Relaxed);
    slot.gc_full.store(false, Relaxed);
    slot.gc_samples.store(0, Relaxed);
    slot.label_key.store(std::ptr::null_mut(), Relaxed);
    slot.label_word.store(std::ptr::null_mut(), Relaxed);
    slot.session.store(0, Relaxed);
    slot.backlog.store(0, Relaxed);
    slot.kept.store(0, Relaxed);
    slot.buffer.clear();
    slot.gc_stack.clear();
    slot.tid.store(tid, Release);
    STATE.get().high_water.fetch_max(index as u32 + 1, Release);
    Some((index, slot))
}

/// Gives the slot back. The caller is its thread, holds the registration, and has switched its hooks off.
pub fn release(slot: &'static ThreadSlot) {
    slot.armed.store(false, Release);
    slot.tid.store(0, Release);
}

#[cfg(test)]
mod tests;
