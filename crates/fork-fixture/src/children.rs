//! Children that do not run JavaScript, and the daemon, whose parents do not wait.

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

/// `forkNativeOnly(kind, ms, signal, deeper)`: forks a child that never runs JavaScript again, and whose JavaScript heap is not mapped. It
/// computes and calls libc for `ms`, raises `signal` 100 times meanwhile (0: none) and ends with status 0, or 9 if real-time
/// signals came that it did not raise. With `deeper` (a number) it forks a child of the same kind, which does the same and has to end with 0
/// too; otherwise the status is 8. Returns its pid, or a negative errno.
pub(crate) unsafe extern "C" fn fork_native_only(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [kind, millis, signal, deeper] = arguments::<4>(env, info);
    let Some(kind) = Kind::named(&text(env, kind)) else {
        return from_number(env, f64::from(-libc::EINVAL));
    };
    let (millis, signal) = (number(env, millis), number(env, signal) as c_int);
    let deeper = number(env, deeper) > 0.0;
    let pid = recipe::fork_here(kind, recipe::DIES_WITH_PARENT);
    if pid == 0 {
        live_natively(kind, millis, signal, deeper);
    }
    from_number(env, f64::from(pid))
}

fn live_natively(kind: Kind, millis: f64, signal: c_int, deeper: bool) -> ! {
    let own_child = deeper.then(|| {
        let pid = recipe::fork_here(kind, recipe::DIES_WITH_PARENT);
        if pid == 0 {
            live_natively(kind, millis, signal, false);
        }
        pid
    });
    let signals = real_time_signals();
    let end = now() + millis * 1e6;
    let mut raised = 0;
    // Half of the time signals are let through to the handlers that the process has, half of it they are kept and counted.
    let half = now() + millis * 0.5e6;
    work_until(kind, half, || {
        if signal != 0 && raised < 100 {
            raised += 1;
            // SAFETY: sends to this thread.
            unsafe { libc::raise(signal) };
        }
    });
    // SAFETY: the set is initialised; a null old mask is allowed.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const signals, ptr::null_mut()) };
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
