//! Children that do not run JavaScript, and the daemon, whose parents do not wait.

use crate::deny;
use crate::dont_fork::errno;
use crate::napi::{Env, arguments, from_number, number};
use crate::recipe::{self, Kind};
use crate::values::text;
use core::ffi::{c_int, c_void};
use core::hint::black_box;
use core::ptr;

/// Exit status of a native-only child to which a real-time signal came that nobody had sent.
const STRAY_SIGNAL: c_int = 9;

/// Exit status of a native-only child whose own child could not be made, or ended otherwise than with status 0.
const CHILD_FAILED: c_int = 8;

/// Exit status of a native-only child that could not be watched.
const UNWATCHED: c_int = 7;

/// What a native-only child does.
#[derive(Clone, Copy)]
struct Life {
    kind: Kind,
    millis: f64,
    /// Raised 100 times; 0: none.
    signal: c_int,
    watch: Watch,
}

/// Whether the kernel ends a native-only child that writes, sends a signal or waits for a lock.
#[derive(Clone, Copy, PartialEq)]
enum Watch {
    No,
    Yes,
    /// It does, and the child writes, sends, or waits: so that a test sees that it does.
    Write,
    Send,
    Wait,
}

impl Watch {
    fn named(name: &str) -> Self {
        match name {
            "watched" => Self::Yes,
            "writes" => Self::Write,
            "sends" => Self::Send,
            "waits" => Self::Wait,
            _ => Self::No,
        }
    }

    /// Ends this process if it cannot be watched.
    fn begin(self, forbid: impl FnOnce() -> c_int) {
        let no_core = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: a valid limit; _exit does not return.
        unsafe {
            if self != Self::No
                && (libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core) != 0 || forbid() != 0)
            {
                libc::_exit(UNWATCHED);
            }
        }
    }

    /// Does what the kernel ends a watched child for.
    fn breach(self) {
        let held = 0_u32;
        // SAFETY: no byte is written; signal 0 asks whether the process is there; the word lives through the wait, which ends after no time at all.
        unsafe {
            match self {
                Self::No | Self::Yes => {}
                Self::Write => {
                    libc::write(2, (&raw const held).cast(), 0);
                }
                Self::Send => {
                    libc::kill(libc::getpid(), 0);
                }
                Self::Wait => {
                    let at_once: libc::timespec = core::mem::zeroed();
                    libc::syscall(
                        libc::SYS_futex,
                        &raw const held,
                        libc::FUTEX_WAIT,
                        0,
                        &raw const at_once,
                    );
                }
            }
        }
    }
}

/// `forkNativeOnly(kind, ms, signal, deeper, watch)`: forks a child that never runs JavaScript again, and whose JavaScript heap is not mapped. It
/// computes and calls libc for `ms`, raises `signal` 100 times meanwhile (0: none) and ends with status 0, or 9 if real-time
/// signals came that it did not raise: where it raises none they are kept and counted from the fork on. With `deeper` (a number) it forks a child of the same kind,
/// which does the same and has to end with 0 too; otherwise the status is 8. With `watch` "watched" the first write, signal or wait for a lock ends it with SIGSYS
/// (deny.rs); with "writes", "sends" or "waits" it does just that. Returns its pid, or a negative errno.
pub(crate) unsafe extern "C" fn fork_native_only(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [kind, millis, signal, deeper, watch] = arguments::<5>(env, info);
    let Some(kind) = Kind::named(&text(env, kind)) else {
        return from_number(env, f64::from(-libc::EINVAL));
    };
    let life = Life {
        kind,
        millis: number(env, millis),
        signal: number(env, signal) as c_int,
        watch: Watch::named(&text(env, watch)),
    };
    let deeper = number(env, deeper) > 0.0;
    let before = block(&real_time_signals());
    let pid = recipe::fork_here(kind, recipe::DIES_WITH_PARENT);
    if pid == 0 {
        live_natively(life, deeper);
    }
    set_mask(&before);
    from_number(env, f64::from(pid))
}

/// Called with real-time signals blocked.
fn live_natively(life: Life, deeper: bool) -> ! {
    let Life {
        kind,
        millis,
        signal,
        watch,
    } = life;
    watch.begin(|| deny::end_at(&deny::SIGNALS_AND_LOCKS));
    let own_child = deeper.then(|| {
        let pid = recipe::fork_here(kind, recipe::DIES_WITH_PARENT);
        if pid == 0 {
            live_natively(life, false);
        }
        pid
    });
    // Not before: libuv's own handler writes a byte to a pipe of its own in each child of fork(3).
    watch.begin(|| deny::end_at(&deny::WRITES));
    watch.breach();
    let signals = real_time_signals();
    let end = now() + millis * 1e6;
    let mut raised = 0;
    // Half of the time those that are raised are let through to the handlers that the process has, half of it signals are kept and counted.
    let half = now() + millis * 0.5e6;
    if signal != 0 {
        unblock(&signals);
    }
    work_until(kind, half, || {
        if signal != 0 && raised < 100 {
            raised += 1;
            // SAFETY: sends to this thread.
            unsafe { libc::syscall(libc::SYS_tkill, libc::syscall(libc::SYS_gettid), signal) };
        }
    });
    block(&signals);
    work_until(kind, end, || ());
    // SAFETY: sigpending fills the set; _exit does not return.
    unsafe {
        let mut pending: libc::sigset_t = core::mem::zeroed();
        libc::sigpending(&raw mut pending);
        let stray = (libc::SIGRTMIN()..=libc::SIGRTMAX())
            .any(|number| libc::sigismember(&raw const pending, number) == 1);
        let mut status = 0;
        let failed = own_child
            .is_some_and(|pid| libc::waitpid(pid, &raw mut status, 0) != pid || status != 0);
        libc::_exit(match (stray, failed) {
            (true, _) => STRAY_SIGNAL,
            (_, true) => CHILD_FAILED,
            _ => 0,
        })
    }
}

/// Returns the mask as it was.
fn block(signals: &libc::sigset_t) -> libc::sigset_t {
    // SAFETY: both sets are initialised.
    unsafe {
        let mut before: libc::sigset_t = core::mem::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, signals, &raw mut before);
        before
    }
}

fn unblock(signals: &libc::sigset_t) {
    // SAFETY: the set is initialised; a null old mask is allowed.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, signals, ptr::null_mut()) };
}

fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: as in `unblock`.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, ptr::null_mut()) };
}

fn work_until(kind: Kind, end: f64, mut step: impl FnMut()) {
    let mut state = 1_u64;
    while now() < end {
        step();
        for round in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).rotate_left(7) ^ round;
        }
        // Only fork(3) leaves a child an allocator that surely works.
        if kind == Kind::Fork {
            black_box(vec![state; 128]);
        }
        let rest = libc::timespec {
            tv_sec: 0,
            tv_nsec: 200_000,
        };
        // SAFETY: a valid time; no remainder is asked for.
        unsafe { libc::nanosleep(&raw const rest, ptr::null_mut()) };
    }
    black_box(state);
}

/// `daemonize(kind, parts)`: forks twice and ends both parents at once, the first of them the process that calls. Returns 0 in the
/// daemon, which is in a session of its own; a negative errno in the caller if the first fork failed.
pub(crate) unsafe extern "C" fn daemonize(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [kind, parts] = arguments::<2>(env, info);
    let Some((kind, parts)) = recipe::how(env, kind, parts) else {
        return from_number(env, f64::from(-libc::EINVAL));
    };
    for generation in 0..2 {
        let pid = recipe::fork_here(kind, parts & !recipe::DIES_WITH_PARENT);
        if pid < 0 && generation == 0 {
            return from_number(env, f64::from(pid));
        }
        if pid != 0 {
            // SAFETY: does not return.
            unsafe { libc::_exit(c_int::from(pid < 0)) };
        }
        // SAFETY: no preconditions; fails for a session leader, which the second child is not.
        if generation == 0 && unsafe { libc::setsid() } < 0 {
            // SAFETY: does not return.
            unsafe { libc::_exit(errno()) };
        }
    }
    if parts & recipe::LOOP != 0 && recipe::loop_fork_here(env) != 0 {
        // SAFETY: does not return.
        unsafe { libc::_exit(99) };
    }
    from_number(env, 0.0)
}

fn real_time_signals() -> libc::sigset_t {
    // SAFETY: a set may be zeroed, and is emptied before it is used.
    unsafe {
        let mut set: libc::sigset_t = core::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in libc::SIGRTMIN()..=libc::SIGRTMAX() {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

fn now() -> f64 {
    crate::process::clock(libc::CLOCK_MONOTONIC).map_or(0.0, |nanos| nanos as f64)
}
