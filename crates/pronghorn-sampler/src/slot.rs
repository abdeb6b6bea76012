//! The slots: one per JavaScript thread, in static memory, reused and never freed, since a late or forged signal may
//! name any of them at any time.
//!
//! Threads and who writes what:
//! - registration (the JavaScript thread itself, at a safe point): everything, while `armed` is false;
//! - the signal handler (the same thread): the account, the buffer, the counters, `cpu_at_look`, `pending_since` to 0;
//! - the ticker: `pending_since` from 0, the account's `still_until`, `interrupt_asked`;
//! - a rotating thread: the account's idle time of a poller.
//!
//! Orderings: `armed` is stored with release after the slot is filled and loaded with acquire by the handler and the
//! ticker. `busy` keeps the handler out while its own thread works on the slot; it is sequentially consistent with the
//! collector's gate, so that a stop can wait until nobody is at work. Lock order: `registration` (below) before any lock of V8; the handler takes none.
//!
//! After a fork only the forking thread exists: every slot but its own names a thread of the parent.

use crate::account::Account;
use crate::buffer::SampleBuffer;
use crate::statistics::SlotCounters;
use crate::thread::JsThread;
use pronghorn_native::unwind::UnwindCache;
use pronghorn_sync::RawLock;
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
    /// The session this thread takes part in (`collector::session`); what an earlier one left here is not for the next.
    pub session: AtomicU64,
    /// When the signal that is under way was sent (monotonic); 0 if none is.
    pub pending_since: AtomicU64,
    /// The thread's CPU clock when its last sample was done: it has run since only if the clock stands higher.
    pub cpu_at_look: AtomicU64,
    /// Whether an interrupt that resolves the buffer has been asked for and has not come yet.
    pub interrupt_asked: AtomicBool,
    /// Counts the safe points at which the buffer was emptied; a rotation waits for it to move.
    pub drains: AtomicU32,
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
            drains: AtomicU32::new(0),
            account: Account::new(),
            buffer: SampleBuffer::new(),
            gc_stack: SampleBuffer::new(),
            backlog: AtomicU32::new(0),
            gc_depth: AtomicU32::new(0),
            gc_samples: AtomicU32::new(0),
            isolate: AtomicPtr::new(std::ptr::null_mut()),
            unwind_cache: AtomicPtr::new(std::ptr::null_mut()),
            thread: AtomicPtr::new(std::ptr::null_mut()),
            counters: SlotCounters::new(),
            context: UnsafeCell::new(None),
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
        (crate::collector::is_running()
            && self.session.load(Relaxed) == crate::collector::session())
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

static TABLE: [ThreadSlot; SLOTS] = [const { ThreadSlot::new() }; SLOTS];
/// Slots in use lie below this index.
static HIGH_WATER: AtomicU32 = AtomicU32::new(0);
/// Held by whoever adds or removes a thread, and by our own threads while they call into a registered isolate: a thread
/// cannot leave, and its isolate cannot be torn down, while they do.
pub static REGISTRATION: RawLock = RawLock::new_unlocked();

/// The slot with this index, if there is one. Async-signal-safe.
pub fn get(index: usize) -> Option<&'static ThreadSlot> {
    TABLE.get(index)
}

/// All slots that were ever in use.
pub fn all() -> impl Iterator<Item = (usize, &'static ThreadSlot)> {
    let used = HIGH_WATER.load(Acquire) as usize;
    TABLE.iter().enumerate().take(used)
}

/// The slot of the thread with this id. Async-signal-safe.
pub fn of_thread(tid: i32) -> Option<(usize, &'static ThreadSlot)> {
    all().find(|(_, slot)| slot.tid.load(Relaxed) == tid)
}

/// Takes a free slot for thread `tid`, with a new nonce and empty buffers; not yet armed. `None` if all are in use or
/// the kernel has no memory. The caller holds `REGISTRATION`.
pub fn take(tid: i32) -> Option<(usize, &'static ThreadSlot)> {
    let (index, slot) = TABLE
        .iter()
        .enumerate()
        .find(|(_, slot)| slot.tid.load(Relaxed) == 0)?;
    if !slot.buffer.map() || !slot.gc_stack.map() || !map_cache(slot) {
        return None;
    }
    slot.armed.store(false, Release);
    slot.nonce.fetch_add(1, Relaxed);
    slot.pending_since.store(0, Relaxed);
    slot.interrupt_asked.store(false, Relaxed);
    slot.gc_depth.store(0, Relaxed);
    slot.gc_samples.store(0, Relaxed);
    slot.session.store(0, Relaxed);
    slot.backlog.store(0, Relaxed);
    slot.buffer.clear();
    slot.gc_stack.clear();
    slot.tid.store(tid, Release);
    HIGH_WATER.fetch_max(index as u32 + 1, Release);
    Some((index, slot))
}

/// Gives the slot back. The caller is its thread, holds `REGISTRATION`, and has switched its hooks off.
pub fn release(slot: &'static ThreadSlot) {
    slot.armed.store(false, Release);
    slot.tid.store(0, Release);
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
