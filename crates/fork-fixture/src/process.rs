//! Processes, threads and signals, by the kernel's word: in a child `process.pid` is still its parent's.

use crate::dont_fork::errno;
use crate::napi::{Env, arguments, from_number, number};
use crate::values::from_bits;
use core::ffi::{c_int, c_void};

/// `waitpid(pid, nohang)`: the exit status, or 1000 and the signal that ended it; -1 while it runs, -2 if it is no child.
pub(crate) unsafe extern "C" fn wait_pid(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [pid, no_hang] = arguments::<2>(env, info).map(|value| number(env, value));
    let options = if no_hang == 0.0 { 0 } else { libc::WNOHANG };
    let mut status = 0;
    let found = loop {
        // SAFETY: `status` is a place for the answer.
        let found = unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, options) };
        if found >= 0 || errno() != libc::EINTR {
            break found;
        }
    };
    let result = match found {
        0 => -1,
        ..0 => -2,
        _ if libc::WIFEXITED(status) => libc::WEXITSTATUS(status),
        _ => 1000 + libc::WTERMSIG(status),
    };
    from_number(env, f64::from(result))
}

/// `kill(pid, signal)`: 0, or a negative errno.
pub(crate) unsafe extern "C" fn kill(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [pid, signal] = arguments::<2>(env, info).map(|value| number(env, value) as c_int);
    // SAFETY: no preconditions.
    let result = unsafe { libc::kill(pid, signal) };
    from_number(env, f64::from(if result == 0 { 0 } else { -errno() }))
}

/// `sendSignal(tid, signal)`: sends to a thread of this process. 0, or a negative errno.
pub(crate) unsafe extern "C" fn send_signal(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [tid, signal] = arguments::<2>(env, info).map(|value| number(env, value) as c_int);
    // SAFETY: the kernel checks the numbers.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, signal) };
    from_number(env, f64::from(if result == 0 { 0 } else { -errno() }))
}

/// `pendingSignals()`: the signals that wait for this thread or process, one bit each from signal 1 on; a BigInt.
pub(crate) unsafe extern "C" fn pending_signals(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    let mut bits = 0;
    // SAFETY: sigpending fills the set.
    unsafe {
        let mut pending: libc::sigset_t = core::mem::zeroed();
        libc::sigpending(&raw mut pending);
        for signal in 1..=libc::SIGRTMAX() {
            if libc::sigismember(&raw const pending, signal) == 1 {
                bits |= 1_u64 << (signal - 1);
            }
        }
    }
    from_bits(Env(env), bits)
}

/// `exitNow(code)`: `_exit(2)`, which ends the process at once; what a child uses as `process.reallyExit`.
pub(crate) unsafe extern "C" fn exit_now(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [code] = arguments::<1>(env, info);
    // SAFETY: does not return.
    unsafe { libc::_exit(number(env, code) as c_int) }
}

/// `getpid()`.
pub(crate) unsafe extern "C" fn pid(env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    // SAFETY: no preconditions.
    from_number(Env(env), f64::from(unsafe { libc::getpid() }))
}

/// `getppid()`.
pub(crate) unsafe extern "C" fn parent_pid(env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    // SAFETY: no preconditions.
    from_number(Env(env), f64::from(unsafe { libc::getppid() }))
}

/// `gettid()`.
pub(crate) unsafe extern "C" fn thread_id(env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    // SAFETY: no preconditions.
    from_number(Env(env), unsafe { libc::syscall(libc::SYS_gettid) } as f64)
}

/// `threadCpuNanos(tid)`: the CPU clock of a thread of this process, in nanoseconds; of the calling one for 0. -1 if there is none.
pub(crate) unsafe extern "C" fn thread_cpu_nanos(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [tid] = arguments::<1>(env, info);
    let clock_id = match number(env, tid) as libc::clockid_t {
        0 => libc::CLOCK_THREAD_CPUTIME_ID,
        // CPUCLOCK_PERTHREAD_MASK and CPUCLOCK_SCHED of linux/posix-timers.h.
        tid => !tid << 3 | 4 | 2,
    };
    from_number(env, clock(clock_id).map_or(-1.0, |nanos| nanos as f64))
}

/// `clockNanos(id)`: a clock in nanoseconds, a BigInt: 0 the real-time, 1 the monotonic one, 2 the process's CPU time.
pub(crate) unsafe extern "C" fn clock_nanos(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [id] = arguments::<1>(env, info);
    from_bits(
        env,
        clock(number(env, id) as libc::clockid_t).unwrap_or_default(),
    )
}

/// A clock of the system, in nanoseconds.
pub(crate) fn clock(id: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a place for the answer; the kernel checks the id.
    let result = unsafe { libc::clock_gettime(id, &raw mut time) };
    (result == 0).then_some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
