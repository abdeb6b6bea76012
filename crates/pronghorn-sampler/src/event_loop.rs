//! The event loop of a JavaScript thread: when it is about to wait, and when it runs JavaScript again.
//!
//! A prepare handle (unreferenced, so it keeps no loop alive, and free while the loop sleeps) runs right before the poll:
//! a safe point. libuv runs I/O callbacks inside the poll phase, before check handles, so the end of the wait is seen where
//! V8 is entered: its BeforeCallEntered callback costs one load while the thread is not known to poll.
//!
//! A safe point that runs out of time keeps the loop from sleeping with an idle handle, so that it comes round, and to the rest, as soon as it
//! has looked after its callbacks: in the poll nobody could ask the thread for it.
//!
//! Threads: all of it runs on the loop's own thread.
//!
//! Fork: the loop, its handles and its callbacks exist in the child as well, if the forker called uv_loop_fork. Before its loop
//! first polls, the prepare handle finds that this is a child and calls the binding, which resets everything.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::host::{Host, IsolatePtr};
use crate::observed::{Entry, entered};
use crate::slot::ThreadSlot;
use crate::uv_handle::{HandleKind, UvHandle};
use crate::{clock, failure, session, stall, thread, ticker};
use pronghorn_sync::fork;

/// Idle time is recorded at the latest after so long, if the loop comes round.
const IDLE_FLUSH_NS: u64 = 100_000_000;
/// So many forks, each in a listener of the reset before it, are noticed before the same poll.
const MOST_RESETS: u32 = 4;
/// A reset that failed is tried again after this time, then after twice as long, and so on.
const FIRST_RETRY_NS: u64 = 100_000_000;
/// The longest such pause.
const LAST_RETRY_NS: u64 = 60_000_000_000;

thread_local! {
    // Fork: kept, by the thread that forked, whose slot it stays; the pauses carry the process they are for.
    /// The slot of this thread, for the callback that V8 gives no data. Not used in the signal handler.
    static SLOT: Cell<*const ThreadSlot> = const { Cell::new(ptr::null()) };
    /// The fork that the binding was last told of, by generation and process id, and when to tell it again (monotonic) and after which pause.
    static RETRY_FOR: Cell<(u32, i32)> = const { Cell::new((0, 0)) };
    static RETRY: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// The slot whose loop the calling thread runs, in a forked process too, where its thread id says nothing. Not in a signal
/// handler.
pub fn own_slot() -> Option<&'static ThreadSlot> {
    // SAFETY: a slot lives for ever.
    unsafe { SLOT.get().as_ref() }
}

// Fork: both kept; they are functions of this image.
/// Called at every safe point before a poll, after ours is done: the binding's chance to tell the application something.
static AFTER_SAFE_POINT: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
/// Called instead of it in a forked process that has not been reset.
static ON_FORK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets what runs before a poll, on the loop's thread: `after` behind every safe point, `on_fork` instead of it in a forked
/// process that has not been reset.
pub fn set_hooks(after: fn(&ThreadSlot), on_fork: fn(&ThreadSlot)) {
    AFTER_SAFE_POINT.store(after as *mut (), Relaxed);
    ON_FORK.store(on_fork as *mut (), Relaxed);
}

/// The handles of one loop.
pub struct LoopHook {
    prepare: UvHandle,
    idle: UvHandle,
    /// Whether the idle handle is active.
    awake: Cell<bool>,
    isolate: IsolatePtr,
    host: &'static Host,
}

impl LoopHook {
    /// Hooks the loop of the current environment. `None` if it has no loop or libuv refuses the handles.
    ///
    /// # Safety
    /// On the isolate's own thread, with the isolate entered.
    pub unsafe fn install(
        host: &'static Host,
        isolate: IsolatePtr,
        slot: &'static ThreadSlot,
    ) -> Option<Self> {
        let data = ptr::from_ref(slot).cast();
        // SAFETY: the isolate is this thread's, and so is its loop.
        let (prepare, idle) = unsafe {
            let event_loop = (host.current_event_loop)(isolate);
            if event_loop.is_null() {
                return None;
            }
            let prepare = UvHandle::new(host, HandleKind::Prepare, event_loop, data)?;
            let Some(idle) = UvHandle::new(host, HandleKind::Idle, event_loop, data) else {
                prepare.close(host);
                return None;
            };
            (prepare, idle)
        };
        SLOT.set(slot);
        Some(Self {
            prepare,
            idle,
            awake: Cell::new(false),
            isolate,
            host,
        })
    }

    /// Starts both callbacks.
    pub fn start(&self) {
        self.watch();
        // SAFETY: on the loop's thread; adding a callback twice is harmless to V8.
        unsafe { (self.host.add_call_entered)(self.isolate, on_call_entered) };
    }

    /// Starts the callback before the poll alone: in a forked process whose reset failed it is what tries again, and after a stop what notices a fork.
    pub fn watch(&self) {
        // SAFETY: on the loop's thread, with a handle of that loop.
        unsafe { self.prepare.start(self.host, before_poll) };
    }

    /// Whether the loop is to come round without sleeping.
    pub fn keep_awake(&self, awake: bool) {
        if self.awake.replace(awake) == awake {
            return;
        }
        // SAFETY: on the loop's thread, with a handle of that loop.
        unsafe {
            if awake {
                self.idle.start(self.host, no_rest);
            } else {
                self.idle.stop(self.host);
            }
        }
    }

    /// Stops all callbacks.
    pub fn stop(&self) {
        self.keep_awake(false);
        // SAFETY: on the loop's thread, with a handle of that loop.
        unsafe {
            self.prepare.stop(self.host);
            (self.host.remove_call_entered)(self.isolate, on_call_entered);
        }
    }

    /// Gives the handles back to libuv, at the environment's end.
    pub fn close(&self) {
        self.stop();
        SLOT.set(ptr::null());
        // SAFETY: on the loop's thread, once.
        unsafe {
            self.prepare.close(self.host);
            self.idle.close(self.host);
        }
    }
}

/// Nothing: an active idle handle is all that it takes.
unsafe extern "C" fn no_rest(_handle: *mut c_void) {}

unsafe extern "C" fn before_poll(handle: *mut c_void) {
    // SAFETY: the handle's data is the slot, which lives for ever.
    let slot: &'static ThreadSlot = unsafe { &**handle.cast::<*const ThreadSlot>() };
    entered(Entry::Poll);
    if !fork::forked() {
        if session::is_running() {
            failure::guarded("the safe point before the poll", || safe_point(slot));
        }
        call(&AFTER_SAFE_POINT, slot);
        if slot.account.poll_since() == 0 && session::is_running() {
            // JavaScript ran in there.
            failure::guarded("the safe point before the poll", || poll_again(slot));
        }
    }
    // Whoever is told of something may fork, and so may a listener of the reset: the child is about to poll, too.
    for _ in 0..MOST_RESETS {
        if !fork::forked() {
            break;
        }
        tell_of_fork(slot);
    }
}

fn poll_again(slot: &'static ThreadSlot) {
    if fork::forked() {
        return;
    }
    if let Some(_busy) = slot.work_in_session() {
        let now = clock::monotonic_ns();
        stall::end_turn(slot, now);
        slot.account.enter_poll(now);
    }
}

fn call(place: &AtomicPtr<()>, slot: &'static ThreadSlot) {
    let hook = place.load(Relaxed);
    if !hook.is_null() {
        // SAFETY: only `set_hooks` stores here, functions of this type.
        let hook = unsafe { std::mem::transmute::<*mut (), fn(&ThreadSlot)>(hook) };
        failure::guarded("the safe point before the poll", || hook(slot));
    }
}

/// The loop's thread has become another process: the binding is told, at once the first time, and after growing pauses if
/// the reset did not come to its end.
fn tell_of_fork(slot: &'static ThreadSlot) {
    // The generation alone does not tell: forks without handlers are counted once until they are acknowledged, so the child of one
    // in limbo has its parent's number, and would wait out its parent's pause.
    // SAFETY: getpid has no preconditions.
    let process = (fork::generation(), unsafe { libc::getpid() });
    let now = clock::monotonic_ns();
    let (due, pause) = RETRY.get();
    let fresh = RETRY_FOR.get() != process;
    if !fresh && now < due {
        return;
    }
    let pause = if fresh {
        FIRST_RETRY_NS
    } else {
        (pause * 2).min(LAST_RETRY_NS)
    };
    RETRY_FOR.set(process);
    RETRY.set((now + pause, pause));
    call(&ON_FORK, slot);
}

fn safe_point(slot: &'static ThreadSlot) {
    if slot.session.load(Relaxed) != session::session() && session::is_about(slot) {
        // This thread took part in an earlier session: it joins this one, with nothing of the other's.
        thread::begin(slot, clock::monotonic_ns(), clock::own_cpu_ns());
    }
    if end_turn(slot) {
        thread::timed(slot, ThreadSlot::work_in_session, || resolve(slot));
    }
}

/// The turn is over. True if something waits to be resolved; otherwise the poll begins.
fn end_turn(slot: &ThreadSlot) -> bool {
    let Some(_busy) = slot.work_in_session() else {
        return false;
    };
    let now = clock::monotonic_ns();
    stall::end_turn(slot, now);
    slot.account.leave_poll(now);
    let has_some = !slot.buffer.is_empty()
        || slot.unfinished.load(Relaxed)
        || slot.account.idle_ns() > IDLE_FLUSH_NS;
    if !has_some {
        thread::with(slot, |thread| thread.keep_awake(false));
        slot.account.enter_poll(now);
    }
    has_some
}

/// What waits is resolved, then the poll begins. The caller holds the slot's `busy`.
fn resolve(slot: &ThreadSlot) {
    thread::with(slot, |thread| {
        slot.safe_points.fetch_add(1, Relaxed);
        thread.drain_before_poll();
        thread.keep_awake(slot.unfinished.load(Relaxed));
    });
    slot.account.enter_poll(clock::monotonic_ns());
}

unsafe extern "C" fn on_call_entered(_isolate: IsolatePtr) {
    entered(Entry::Call);
    let slot = SLOT.get();
    if slot.is_null() {
        return;
    }
    // SAFETY: a slot lives for ever; in a child of a fork its memory is there too, wiped or as it was.
    let slot = unsafe { &*slot };
    // First: it is all that nearly every callback of a busy server comes to. Whether this is a child is another four cache lines.
    if slot.account.poll_since() == 0 || fork::forked() {
        return;
    }
    if let Some(_busy) = slot.work_in_session() {
        let now = clock::monotonic_ns();
        slot.account.leave_poll(now);
        stall::begin_turn(slot, now);
    }
    ticker::unpark(slot.alarm.load(Relaxed) != 0);
}
