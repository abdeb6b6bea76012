//! A timer on the CPU clock of one thread: it runs while that thread runs, and sends a signal to a thread of choice.
//!
//! The kernel looks at such timers at its own tick, so they are late by up to some milliseconds of the thread's running time,
//! and one that is aimed at the watched thread itself reaches it while it runs. Each holds one place of
//! RLIMIT_SIGPENDING; the kernel may refuse.
//!
//! The system calls themselves: older C libraries allocate for each timer (glibc before 2.34), and the ticker does not allocate.
//!
//! Threads: a handle is a plain value; arming is async-signal-safe. Fork: timers do not exist in a forked child.

use crate::clock::cpu_clock_of;
use std::mem::MaybeUninit;

/// A timer's id, as the kernel gives it. Whoever made the timer deletes it, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuTimer(i32);

impl CpuTimer {
    /// A disarmed timer on the CPU clock of thread `watched` that sends `signal` with `value` to thread `notified`. `None` if
    /// the kernel refuses, or one of the threads is gone.
    pub(crate) fn new(watched: i32, signal: i32, notified: i32, value: usize) -> Option<Self> {
        // SAFETY: zeroed bytes are a valid sigevent.
        let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = notified;
        event.sigev_value.sival_ptr = std::ptr::without_provenance_mut(value);
        let mut timer = 0_i32;
        // SAFETY: both places are valid for the call; the kernel's sigevent is the C library's.
        let result = unsafe {
            libc::syscall(
                libc::SYS_timer_create,
                cpu_clock_of(watched),
                &raw mut event,
                &raw mut timer,
            )
        };
        (result == 0).then_some(Self(timer))
    }

    /// The handle as a word that can be kept in an atomic.
    pub(crate) fn into_raw(self) -> i32 {
        self.0
    }

    /// The handle that [`CpuTimer::into_raw`] gave.
    pub(crate) fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// Fires once, after the thread has used `cpu_ns` more of CPU time. False if the kernel refuses. Async-signal-safe.
    pub(crate) fn arm(self, cpu_ns: u64) -> bool {
        self.set(0, cpu_ns, 0)
    }

    /// Fires when the thread's CPU clock reaches `first`, which may have passed, and each `interval` from there on. False if the kernel
    /// refuses. Async-signal-safe.
    pub(crate) fn arm_each(self, first: u64, interval: u64) -> bool {
        self.set(libc::TIMER_ABSTIME, first.max(1), interval)
    }

    /// Fires no more until it is armed again. A signal of its that is under way may still come. Async-signal-safe.
    pub(crate) fn disarm(self) {
        self.set(0, 0, 0);
    }

    fn set(self, flags: i32, first: u64, interval: u64) -> bool {
        let time = |nanos: u64| libc::timespec {
            tv_sec: (nanos / 1_000_000_000) as i64,
            tv_nsec: (nanos % 1_000_000_000) as i64,
        };
        let setting = libc::itimerspec {
            it_interval: time(interval),
            it_value: time(first),
        };
        // SAFETY: the kernel checks the id; the setting is a valid place of ours.
        unsafe {
            libc::syscall(
                libc::SYS_timer_settime,
                self.0,
                flags,
                &raw const setting,
                std::ptr::null_mut::<libc::itimerspec>(),
            ) == 0
        }
    }

    /// Ends the timer. A signal of its that is under way may still come.
    pub(crate) fn delete(self) {
        // SAFETY: the kernel checks the id.
        unsafe { libc::syscall(libc::SYS_timer_delete, self.0) };
    }
}
