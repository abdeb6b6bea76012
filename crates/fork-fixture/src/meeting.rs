//! Forks that meet another thread of the process at a place of its own: a failpoint of the profiler calls a function of this file there.
//!
//! The thread that forks waits for that inside its one call from JavaScript: between two calls it would run JavaScript, and with it what takes the
//! very lock that the other thread holds at the place.
//!
//! # Threads
//! [`wait_here`] and [`note_here`] on whichever thread comes to the place, the rest on the one that forks. Everybody waits for a bounded time.

use crate::napi::{Env, arguments, from_number, number};
use crate::recipe;
use crate::values::from_bits;
use core::ffi::c_void;
use core::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::{Duration, Instant};

const NOBODY: u32 = 0;
/// A thread waits at the place.
const WAITS: u32 = 1;
/// It may leave.
const LEAVES: u32 = 2;

/// When the thread at the place may leave: once the fork is over, inside of it, or right as it begins, when V8's pages are there for the child.
const AFTER: u32 = 0;
const INSIDE: u32 = 1;
const AS_IT_BEGINS: u32 = 2;

/// How long the thread that forks waits for another to come.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long the other stays if nobody lets it go.
const LONGEST_STAY: Duration = Duration::from_secs(5);
/// How long a fork gives the thread that leaves as it begins, or inside of it.
const CHANCE: Duration = Duration::from_millis(50);
const STEP: Duration = Duration::from_micros(50);

static MEETING: AtomicU32 = AtomicU32::new(NOBODY);
static WHEN: AtomicU32 = AtomicU32::new(AFTER);
/// Between our prepare and our parent handler.
static FORKING: AtomicBool = AtomicBool::new(false);
/// Threads that have come to [`note_here`] meanwhile.
static NOTED: AtomicU32 = AtomicU32::new(0);

fn stay_while(holds: impl Fn() -> bool, longest: Duration) {
    let end = Instant::now() + longest;
    while holds() && Instant::now() < end {
        std::thread::sleep(STEP);
    }
}

/// Stays until a fork says otherwise. Not the main thread, which would wait for itself.
extern "C" fn wait_here() {
    if is_main() {
        return;
    }
    MEETING.store(WAITS, Release);
    stay_while(|| MEETING.load(Acquire) != LEAVES, LONGEST_STAY);
    MEETING.store(NOBODY, Release);
}

/// If a fork is under way: is counted, and stays until it is over.
extern "C" fn note_here() {
    if FORKING.load(Acquire) && !is_main() {
        NOTED.fetch_add(1, Release);
        stay_while(|| FORKING.load(Acquire), LONGEST_STAY);
    }
}

fn is_main() -> bool {
    // SAFETY: neither has preconditions. The former by its number: glibc has it since 2.30.
    unsafe { libc::syscall(libc::SYS_gettid) == i64::from(libc::getpid()) }
}

/// Nothing lies between this and the fork. Returns when the thread has a processor again, and is on its way from the place: a fork waits for it for a
/// millisecond.
pub(crate) fn begins() {
    if WHEN.load(Relaxed) == AS_IT_BEGINS {
        MEETING.store(LEAVES, Release);
        let end = Instant::now() + CHANCE;
        while MEETING.load(Acquire) == LEAVES && Instant::now() < end {
            core::hint::spin_loop();
        }
    }
}

/// The prepare handler's part. It runs behind those of everybody who registers later.
pub(crate) fn prepare() {
    if WHEN.load(Relaxed) == INSIDE {
        let before = NOTED.load(Relaxed);
        FORKING.store(true, Release);
        MEETING.store(LEAVES, Release);
        stay_while(|| NOTED.load(Acquire) == before, CHANCE);
    }
}

/// That of the handlers after the fork.
pub(crate) fn is_over() {
    FORKING.store(false, Release);
}

/// `meetingFunctionAddress()`: where an `extern "C" fn()` stands that waits for `forkAtMeeting()`; a BigInt.
pub(crate) unsafe extern "C" fn meeting_function_address(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    from_bits(Env(env), wait_here as *const () as usize as u64)
}

/// `notingFunctionAddress()`: where one stands that counts threads that come there inside a fork that lets go inside; a BigInt.
pub(crate) unsafe extern "C" fn noting_function_address(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    from_bits(Env(env), note_here as *const () as usize as u64)
}

/// `notedInForks()`: how many did.
pub(crate) unsafe extern "C" fn noted_in_forks(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    from_number(Env(env), f64::from(NOTED.load(Relaxed)))
}

/// `forkAtMeeting(kind, parts, when)`: computes until a thread waits at the place, then forks as `fork()` does. `when` the thread may leave: 0 once the fork is over, 1
/// in a prepare handler that was registered (`countForkHandlers()`) before the profiler's, 2 as the fork begins. -ETIMEDOUT if nobody came.
pub(crate) unsafe extern "C" fn fork_at_meeting(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [kind, parts, when] = arguments::<3>(env, info);
    let Some((kind, parts)) = recipe::how(env, kind, parts) else {
        return from_number(env, f64::from(-libc::EINVAL));
    };
    let end = Instant::now() + LONGEST_WAIT;
    while MEETING.load(Acquire) != WAITS {
        if Instant::now() > end {
            return from_number(env, f64::from(-libc::ETIMEDOUT));
        }
        core::hint::spin_loop();
    }
    let when = number(env, when) as u32;
    WHEN.store(when, Relaxed);
    let pid = recipe::fork_and_go_on(env, kind, parts);
    WHEN.store(AFTER, Relaxed);
    if pid == 0 {
        // The thread does not exist here.
        MEETING.store(NOBODY, Relaxed);
    } else if when == AFTER {
        MEETING.store(LEAVES, Release);
    }
    from_number(env, f64::from(pid))
}
