//! Clocks: monotonic time for deltas, real time for profile stamps, and the CPU clock of any thread of the process.
//!
//! All reads are `clock_gettime`, which POSIX lists as async-signal-safe. The CPU clock of another thread is addressed
//! by the clock id that the kernel derives from its thread id (`kernel/time/posix-cpu-timers.c`: the id's complement
//! shifted by three, plus the per-thread bit and the scheduler clock's number).

use pronghorn_recorder::{Moment, ProfileTime};

/// The kernel's number for "time the scheduler gave to this one thread".
const PER_THREAD_SCHEDULER_CLOCK: libc::clockid_t = 0b110;

fn read(clock: libc::clockid_t) -> Option<u64> {
    // SAFETY: the place is valid for the kernel to write; the call has no other effect.
    nanos_by(|time| unsafe { libc::clock_gettime(clock, time) })
}

/// What a call has written, in nanoseconds; `None` if it failed.
fn nanos_by(call: impl FnOnce(*mut libc::timespec) -> i32) -> Option<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let result = call(&raw mut time);
    (result == 0).then(|| (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64)
}

/// Nanoseconds on the monotonic clock. Async-signal-safe.
pub fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// Nanoseconds since the epoch on the real-time clock. It may be set back; whoever stamps profiles has to expect that.
pub fn real_time_ns() -> u64 {
    read(libc::CLOCK_REALTIME).unwrap_or(0)
}

/// Nanoseconds since the machine was started, its sleep included.
pub fn since_boot_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME).unwrap_or(0)
}

/// Nanoseconds between two ticks of the kernel, at which it looks at CPU timers: a second by CONFIG_HZ. A coarse clock moves with them. Where that
/// cannot be told: the most there is.
pub fn kernel_tick_ns() -> u64 {
    // SAFETY: the place is valid for the kernel to write; the call has no other effect.
    nanos_by(|time| unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, time) })
        .unwrap_or(u64::MAX)
}

/// CPU nanoseconds of the calling thread. Async-signal-safe.
pub fn own_cpu_ns() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or(0)
}

/// One look at the clocks: everything that begins at it begins at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Nanoseconds since the epoch.
    pub real_time_ns: u64,
    /// Nanoseconds on the monotonic clock.
    pub monotonic_ns: u64,
    /// CPU nanoseconds of the calling thread.
    pub cpu_ns: u64,
}

impl Reading {
    /// The clocks at this moment.
    pub fn now() -> Self {
        Self {
            real_time_ns: real_time_ns(),
            monotonic_ns: monotonic_ns(),
            cpu_ns: own_cpu_ns(),
        }
    }
}

impl From<Reading> for Moment {
    fn from(reading: Reading) -> Self {
        let real = ProfileTime::from_nanos_since_epoch(reading.real_time_ns);
        Self::new(real, reading.monotonic_ns)
    }
}

/// The clock id of the CPU clock of thread `tid` of this process.
pub fn cpu_clock_of(tid: i32) -> libc::clockid_t {
    (!tid << 3) | PER_THREAD_SCHEDULER_CLOCK
}

/// CPU nanoseconds of thread `tid` of this process; `None` once that thread is gone.
pub fn cpu_ns_of(tid: i32) -> Option<u64> {
    read(cpu_clock_of(tid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pronghorn_sync::own_tid;

    #[test]
    fn another_threads_clock_reads_like_its_own() {
        let tid = own_tid();
        let before = own_cpu_ns();
        let read = cpu_ns_of(tid).unwrap();
        assert!(read >= before && read <= own_cpu_ns());
    }

    #[test]
    fn a_thread_that_does_not_exist_has_no_clock() {
        assert_eq!(cpu_ns_of(i32::MAX - 7), None);
    }
}
