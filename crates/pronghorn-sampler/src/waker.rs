//! A timer on a JavaScript thread's CPU clock that wakes the ticker: while the thread sleeps it costs nothing, and when
//! the thread has run for a while the ticker, which had gone to sleep or slowed down, comes back.
//!
//! The signal goes to the ticker's own thread, never to the JavaScript thread. The kernel may refuse the timer
//! (RLIMIT_SIGPENDING); the ticker then keeps a shorter watch instead of sleeping (see `ticker.rs`).
//!
//! Threads: made and deleted on the ticker. Fork: timers do not exist in a child, which has nothing to delete.

use crate::cpu_timer::CpuTimer;

/// See the module documentation.
pub(crate) struct Waker(CpuTimer);

impl Waker {
    /// A disarmed timer on the CPU clock of thread `watched` that sends `signal` to thread `notified`. `None` if the
    /// kernel refuses.
    pub(crate) fn new(watched: i32, signal: i32, notified: i32) -> Option<Self> {
        CpuTimer::new(watched, signal, notified, 0).map(Self)
    }

    /// Fires once, after the thread has used `cpu_ns` more of CPU time. False if the kernel refuses.
    pub(crate) fn arm(&self, cpu_ns: u64) -> bool {
        self.0.arm(cpu_ns)
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.0.delete();
    }
}
