//! A timer on a JavaScript thread's CPU clock that wakes the ticker: while the thread sleeps it costs nothing, and when
//! the thread has run for a while the ticker, which had gone to sleep or slowed down, comes back.
//!
//! The signal goes to the ticker's own thread, never to the JavaScript thread. The kernel may refuse the timer
//! (RLIMIT_SIGPENDING); the ticker then keeps a shorter watch instead of sleeping (see `ticker.rs`).
//! Timers do not exist in a forked child.

use crate::clock::cpu_clock_of;
use std::mem::MaybeUninit;

/// See the module documentation.
pub(crate) struct Waker {
    timer: libc::timer_t,
}

// SAFETY: a timer id is a plain value of the process; the ticker alone uses it.
unsafe impl Send for Waker {}

impl Waker {
    /// A disarmed timer on the CPU clock of thread `watched` that sends `signal` to thread `notified`. `None` if the
    /// kernel refuses.
    pub(crate) fn new(watched: i32, signal: i32, notified: i32) -> Option<Self> {
        // SAFETY: zeroed bytes are a valid sigevent.
        let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = notified;
        let mut timer: libc::timer_t = std::ptr::null_mut();
        // SAFETY: both places are valid for the call.
        let result =
            unsafe { libc::timer_create(cpu_clock_of(watched), &raw mut event, &raw mut timer) };
        (result == 0).then_some(Self { timer })
    }

    /// Fires once, after the thread has used `cpu_ns` more of CPU time. False if the kernel refuses.
    pub(crate) fn arm(&self, cpu_ns: u64) -> bool {
        let none = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let setting = libc::itimerspec {
            it_interval: none,
            it_value: libc::timespec {
                tv_sec: (cpu_ns / 1_000_000_000) as i64,
                tv_nsec: (cpu_ns % 1_000_000_000) as i64,
            },
        };
        // SAFETY: a timer of ours, and a valid setting.
        unsafe { libc::timer_settime(self.timer, 0, &raw const setting, std::ptr::null_mut()) == 0 }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        // SAFETY: a timer of ours, deleted once.
        unsafe { libc::timer_delete(self.timer) };
    }
}
