//! The slots: one per JavaScript thread, in static memory, reused and never freed, since a late or forged signal may
//! name any of them at any time.
//!
//! Threads and who writes what:
//! - registration (the JavaScript thread itself, at a safe point): everything, while `armed` is false;
//! - the signal handler (the same thread): the account, the buffer, the counters, `cpu_at_look`, `turn_since`, `pending_since` to 0;
//! - the ticker: `pending_since` from 0, the account's `still_until`, `interrupt_asked`;
//! - a rotating thread: the account's idle time of a poller.
//!
//! Orderings: `armed` is stored with release after the slot is filled and loaded with acquire by the handler and the
//! ticker. `busy` keeps the handler out while its own thread works on the slot; it is sequentially consistent with the
//! gate (`session.rs`), so that a stop can wait until nobody is at work. Lock order: `registration` (below) before any lock of V8; the handler takes none.
//!
//! Fork: only the forking thread exists in the child. Its slot keeps its place, which hooks and handles point to, its thread
//! record and its memory, and gets the new thread id; every other slot is free again, its thread record abandoned. The
//! memory of buffers and caches is mapped by us and is used again, emptied. Until that reset nobody takes the registration lock.

use crate::account::Account;
use crate::buffer::SampleBuffer;
use crate::statistics::SlotCounters;
use crate::thread::JsThread;
use pronghorn_native::unwind::UnwindCache;
use pronghorn_sync::{Alone, RawLock, RawLockGuard, Resettable, fork};
use std::cell::UnsafeCell;
use std::ffi::c_void;
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
    /// Whether the thread itself, or its handler, is at work on the slot.
    pub busy: AtomicBool,
    /// The session this thread takes part in (`session::session`); what an earlier one left here is not for the next.
    pub session: AtomicU64,
    /// When the signal that is under way was sent (monotonic); 0 if none is.
    pub pending_since: AtomicU64,
    /// The thread's CPU clock when its last sample was done: it has run since only if the clock stands higher.
    pub cpu_at_look: AtomicU64,
    /// Whether an interrupt that resolves the buffer has been asked for and has not come yet.
    pub interrupt_asked: AtomicBool,
    /// Whether the session ends: the thread's next interrupt is its last.
    pub ending: AtomicBool,
    /// Counts the safe points at which the buffer was emptied; a rotation waits for it to move.
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
    /// Depth of garbage collections under way.
    pub gc_depth: AtomicU32,
    /// Samples taken during the collection under way.
    pub gc_samples: AtomicU32,
    /// The set of labels in force when the collection under way began.
    pub gc_labels: AtomicU32,
    /// Where the number of the set in force is: see `labels.rs`. Written by the thread itself.
    pub label_word: AtomicPtr<AtomicU32>,
    /// See `labels.rs`.
    pub label_key: AtomicPtr<u64>,
    /// See `labels.rs`.
    pub label_place: AtomicU64,
    /// The isolate registered for this thread.
    pub isolate: AtomicPtr<c_void>,
    /// The unwinder's cache: memory of our own, only the handler of this thread touches it.
    pub unwind_cache: AtomicPtr<UnwindCache>,
    /// What the thread keeps for its safe points; only the thread itself dereferences it.
    pub thread: AtomicPtr<JsThread>,
    /// What happened on this thread.
    pub counters: SlotCounters,
    context: UnsafeCell<Option<WalkContext>>,
}

// SAFETY: all fields but `context` are atomics; `context` is written only while `armed` is false and no handler runs
// (registration happens on the slot's own thread under `busy`), and read only after an acquire load of `armed`.
unsafe impl Sync for ThreadSlot {}

impl ThreadSlot {
    const fn new() -> Self {
        Self {
            tid: AtomicI32::new(0),
            nonce: AtomicU32::new(0),
            armed: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            session: AtomicU64::new(0),
            pending_since: AtomicU64::new(0),
            cpu_at_look: AtomicU64::new(0),
            interrupt_asked: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            drains: AtomicU32::new(0),
            turn_since: AtomicU64::new(0),
            account: Account::new(),
            buffer: SampleBuffer::new(),
            gc_stack: SampleBuffer::new(),
            backlog: AtomicU32::new(0),
            gc_depth: AtomicU32::new(0),
            gc_samples: AtomicU32::new(0),
            gc_labels: AtomicU32::new(0),
            label_word: AtomicPtr::new(std::ptr::null_mut()),
            label_key: AtomicPtr::new(std::ptr::null_mut()),
            label_place: AtomicU64::new(0),
            isolate: AtomicPtr::new(std::ptr::null_mut()),
            unwind_cache: AtomicPtr::new(std::ptr::null_mut()),
            thread: AtomicPtr::new(std::ptr::null_mut()),
            counters: SlotCounters::new(),
            context: UnsafeCell::new(None),
        }
    }

    /// What a child puts in this slot's place. `tid` is the forking thread's new id if the slot is its own, 0 otherwise.
    fn inherited(&self, tid: i32) -> Self {
        let Self {
            tid: _,
            nonce,
            armed: _,
            busy: _,
            session: _,
            pending_since: _,
            cpu_at_look: _,
            interrupt_asked: _,
            ending: _,
            drains: _,
            turn_since: _,
            account: _,
            buffer,
            gc_stack,
            backlog: _,
            gc_depth: _,
            gc_samples: _,
            gc_labels: _,
            // The start attaches the thread's again.
            label_word: _,
            label_key: _,
            label_place: _,
            isolate,
            unwind_cache,
            thread,
            counters: _,
            context: _,
        } = self;
        let own = tid != 0;
        if !own {
            forget_rules(unwind_cache);
        }
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
            buffer: buffer.emptied(),
            gc_stack: gc_stack.emptied(),
            isolate: pointer_if_own(isolate),
            unwind_cache: AtomicPtr::new(unwind_cache.load(Relaxed)),
            thread: AtomicPtr::new(if own {
                thread.load(Relaxed)
            } else {
                std::ptr::null_mut()
            }),
            ..Self::new()
        }
    }

    /// The handler's view of its thread; `None` while the slot is not armed.
    pub fn context(&self) -> Option<&WalkContext> {
        if !self.armed.load(Acquire) {
            return None;
        }
        // SAFETY: `armed` was stored with release after the context was written, and is cleared before it is rewritten.
        unsafe { (*self.context.get()).as_ref() }
    }

    /// Fills in what the handler needs. Only on the slot's own thread, while it is not armed.
    pub fn set_context(&self, context: WalkContext) {
        debug_assert!(!self.armed.load(Relaxed));
        // SAFETY: not armed, so no handler reads it; one writer, the thread itself.
        unsafe { *self.context.get() = Some(context) };
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
    if !slot.buffer.map() || !slot.gc_stack.map() || !map_cache(slot) {
        return None;
    }
    slot.armed.store(false, Release);
    slot.nonce.fetch_add(1, Relaxed);
    slot.pending_since.store(0, Relaxed);
    slot.interrupt_asked.store(false, Relaxed);
    slot.ending.store(false, Relaxed);
    slot.gc_depth.store(0, Relaxed);
    slot.gc_samples.store(0, Relaxed);
    slot.label_key.store(std::ptr::null_mut(), Relaxed);
    slot.label_word.store(std::ptr::null_mut(), Relaxed);
    slot.session.store(0, Relaxed);
    slot.backlog.store(0, Relaxed);
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

/// Empties the unwinder's cache of a thread that is gone: it may have ceased to exist in the middle of writing an entry, and the
/// thread that uses the memory next would unwind by a torn rule. That of the forking thread is whole, since it goes on.
fn forget_rules(cache: &AtomicPtr<UnwindCache>) {
    // SAFETY: null, or memory mapped for good by `map_cache`, of which any content is valid; its thread does not exist.
    if let Some(cache) = unsafe { cache.load(Relaxed).as_ref() } {
        cache.clear();
    }
}

fn map_cache(slot: &ThreadSlot) -> bool {
    if slot.unwind_cache.load(Relaxed).is_null() {
        let Some(memory) = crate::mapping::map(size_of::<UnwindCache>()) else {
            return false;
        };
        slot.unwind_cache.store(memory.cast(), Relaxed);
    }
    true
}

#[cfg(test)]
mod tests;
