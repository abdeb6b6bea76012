//! The sampling signal: which number it has, how it is sent, and whether one that arrives is ours.
//!
//! It is a real-time signal whose disposition nobody has set, looked for once per process from the highest number down,
//! and kept: later starts find our handler there and reuse the number. On stop the handler stays installed and does
//! nothing, since a signal that is still under way would otherwise kill the process.
//!
//! The signal carries the slot's index and nonce in its value. Where the kernel refuses to queue a signal
//! (RLIMIT_SIGPENDING used up: `EAGAIN`), the same thread is asked with a standard signal that nobody uses, SIGSTKFLT:
//! standard signals need no queue entry, but then arrive without sender and value, so the handler looks its slot up by
//! thread id and takes the signal only if the slot is waiting for one.
//!
//! Threads: `install` on the starting thread, `send` on the ticker, `accept` in the handler. After a fork dispositions
//! are inherited, and so stay as they are.

mod pending;

use crate::slot::{self, ThreadSlot, ticket};
use crate::statistics;
use pronghorn_sync::own_tid;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

/// A three-argument signal handler.
pub type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void);

/// The standard signal for when nothing can be queued. Unused by Linux, glibc, V8 and Node.
const FALLBACK: i32 = libc::SIGSTKFLT;

// Fork: kept, as the disposition is. A child uses the same number, so there is one per process however many forks deep.
static NUMBER: AtomicI32 = AtomicI32::new(0);
// Fork: kept, likewise.
static FALLBACK_READY: AtomicBool = AtomicBool::new(false);

/// What a call of [`send`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Yes,
    /// The thread is gone.
    NoSuchThread,
    /// The kernel refused it, and so it did the other way.
    Refused,
}

/// Installs `handler` on a real-time signal that nobody uses and returns its number. A number that carries the handler
/// already is reused. `None` if every real-time signal is in use or blocked on the calling thread.
pub fn install(handler: Handler) -> Option<i32> {
    let known = NUMBER.load(Relaxed);
    if known != 0 && carries(known, handler) {
        return Some(known);
    }
    let candidates = || (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev();
    let number = candidates()
        .find(|&number| carries(number, handler))
        .or_else(|| candidates().find(|&number| is_unused(number)))?;
    if !carries(number, handler) && !set(number, handler) {
        return None;
    }
    NUMBER.store(number, Relaxed);
    Some(number)
}

/// The number found by [`install`]; 0 before.
pub fn number() -> i32 {
    NUMBER.load(Relaxed)
}

/// Installs `handler` on the standard signal too, if nobody uses that one. Only needed once the kernel has refused to
/// queue a signal. Called by the ticker, which blocks it like nearly every signal: that says nothing of the thread that is to get it.
pub fn install_fallback(handler: Handler) -> bool {
    let ready = carries(FALLBACK, handler) || (is_default(FALLBACK) && set(FALLBACK, handler));
    FALLBACK_READY.store(ready, Relaxed);
    ready
}

/// Whether the standard signal is in use.
pub fn uses_fallback() -> bool {
    FALLBACK_READY.load(Relaxed)
}

/// Whether a sampling signal to the calling thread is under way: that is, blocked. One that is not blocked has been
/// delivered when the system call that asks returns.
pub fn is_pending_here() -> bool {
    // SAFETY: only reads the calling thread's pending signals into a place of ours.
    unsafe {
        let mut pending = std::mem::zeroed();
        libc::sigpending(&raw mut pending) == 0
            && [number(), FALLBACK]
                .iter()
                .any(|&signal| libc::sigismember(&raw const pending, signal) == 1)
    }
}

/// Whether a sampling signal waits for thread `tid`, which has not taken it yet; `None` where the kernel does not tell. The caller holds a fork
/// section.
pub(crate) fn is_waiting_for(tid: i32) -> Option<bool> {
    pending::is_waiting(tid, [number(), FALLBACK])
}

/// Whether the real-time signal still carries `handler`.
pub fn is_ours(handler: Handler) -> bool {
    carries(number(), handler)
}

fn disposition(number: i32) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only queries the disposition into a place of ours.
    let result = unsafe { libc::sigaction(number, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zeroed bytes are a valid sigaction, and the kernel filled it in.
    (result == 0).then(|| unsafe { action.assume_init() })
}

fn carries(number: i32, handler: Handler) -> bool {
    disposition(number).is_some_and(|action| action.sa_sigaction == handler as usize)
}

fn is_default(number: i32) -> bool {
    disposition(number).is_some_and(|action| action.sa_sigaction == libc::SIG_DFL)
}

fn is_unused(number: i32) -> bool {
    let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: only queries the calling thread's mask into a place of ours.
    let blocked = unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr()) != 0
            || libc::sigismember(mask.as_ptr(), number) != 0
    };
    is_default(number) && !blocked
}

fn set(number: i32, handler: Handler) -> bool {
    // SAFETY: a zeroed sigaction is valid; the handler is a function of this image, which stays loaded.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler as usize;
        // On the alternate stack where a thread has one: code that runs on small stacks of its own relies on that.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaddset(&raw mut action.sa_mask, FALLBACK);
        let ours = NUMBER.load(Relaxed);
        if ours != 0 {
            libc::sigaddset(&raw mut action.sa_mask, ours);
        }
        libc::sigaction(number, &raw const action, ptr::null_mut()) == 0
    }
}

/// The start of the kernel's siginfo as `rt_sigqueueinfo` fills it (`include/uapi/asm-generic/siginfo.h`).
#[repr(C)]
struct QueuedInfo {
    signo: i32,
    errno: i32,
    code: i32,
    padding: i32,
    pid: i32,
    uid: u32,
    value: usize,
    rest: [u64; 12],
}
const _: () = assert!(size_of::<QueuedInfo>() == size_of::<libc::siginfo_t>());

/// Sends the sampling signal to the slot's thread. The caller has set the slot's `pending_since`.
pub fn send(index: usize, slot: &ThreadSlot, handler: Handler) -> Sent {
    let tid = slot.tid.load(Relaxed);
    // SAFETY: getpid and getuid have no preconditions.
    let (pid, uid) = unsafe { (libc::getpid(), libc::getuid()) };
    let info = QueuedInfo {
        signo: number(),
        errno: 0,
        code: libc::SI_QUEUE,
        padding: 0,
        pid,
        uid,
        value: ticket::of(index, slot),
        rest: [0; 12],
    };
    // SAFETY: the kernel copies `info`, which has the size and layout it expects; pid, tid and number are plain values.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            pid,
            tid,
            number(),
            &raw const info,
        )
    };
    if result == 0 {
        return Sent::Yes;
    }
    // SAFETY: errno's address is valid for the calling thread.
    match unsafe { *libc::__errno_location() } {
        libc::ESRCH => Sent::NoSuchThread,
        libc::EAGAIN => {
            statistics::shared().unqueued.fetch_add(1, Relaxed);
            if !uses_fallback() && !install_fallback(handler) {
                return Sent::Refused;
            }
            // SAFETY: plain values; the fallback carries our handler.
            match unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, FALLBACK) } {
                0 => Sent::Yes,
                _ => Sent::Refused,
            }
        }
        _ => Sent::Refused,
    }
}

/// For signals that reach the ticker's thread: counts one that no timer of ours sent as forged. Async-signal-safe.
pub fn count_unless_timer(info: &libc::siginfo_t) {
    if info.si_code != libc::SI_TIMER {
        count_forged();
    }
}

/// The value of a signal that a timer aimed at the thread it reached sent (`discovery`, `ticker/alarm.rs`); `None` for any other. Whether the
/// value means something is for the timer's owner to say. Async-signal-safe.
pub fn value_of_timer(number: i32, info: *const libc::siginfo_t) -> Option<usize> {
    if number == FALLBACK {
        return None;
    }
    // SAFETY: the kernel hands a handler with SA_SIGINFO a whole siginfo. A timer's has its id and overrun where a queued
    // signal's has its sender, and the value at the same place.
    let info = unsafe { &*info.cast::<QueuedInfo>() };
    (info.code == libc::SI_TIMER).then_some(info.value)
}

/// The slot whose alarm (`ticker/alarm.rs`) sent a timer's signal with this value to the calling thread, and whether it is to be sampled for it: an
/// alarm that has been switched off meanwhile rings for nobody. `None` if the value is no alarm's of this thread. Async-signal-safe.
pub(crate) fn of_alarm(value: usize, tid: i32) -> Option<(&'static ThreadSlot, bool)> {
    let slot = ticket::slot(value).filter(|slot| slot.tid.load(Relaxed) == tid)?;
    Some((slot, slot.alarm.load(Relaxed) != 0))
}

/// Counts a signal that was not ours. Async-signal-safe.
pub fn count_forged() {
    statistics::shared().forged.fetch_add(1, Relaxed);
}

/// The slot that a signal which reached the handler was sent to, if it is ours: sent by this process with our value, to
/// this very thread, while the slot waits for one. Anything else is counted as forged. Async-signal-safe.
pub fn accept(number: i32, info: *const libc::siginfo_t) -> Option<&'static ThreadSlot> {
    // SAFETY: no preconditions; async-signal-safe.
    let (tid, pid) = (own_tid(), unsafe { libc::getpid() });
    let mut is_late = false;
    let slot = if number == FALLBACK {
        slot::of_thread(tid).map(|(_, slot)| slot)
    } else {
        // SAFETY: the kernel hands a handler with SA_SIGINFO a whole siginfo, laid out as above.
        let info = unsafe { &*info.cast::<QueuedInfo>() };
        ticket::slot(info.value).filter(|slot| {
            let is_ours = info.code == libc::SI_QUEUE && info.pid == pid;
            let owner = slot.tid.load(Relaxed);
            // The thread has given its slot back since, at its end.
            is_late = is_ours && owner == 0 && slot.nonce.load(Relaxed) != 0;
            is_ours && owner == tid
        })
    };
    let accepted = slot.filter(|slot| slot.pending_since.swap(0, Relaxed) != 0);
    if accepted.is_none() && !is_late {
        count_forged();
    }
    accepted
}
