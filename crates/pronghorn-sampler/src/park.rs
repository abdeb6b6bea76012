//! A word to sleep on: a futex that one thread waits for and others, signal handlers included, wake it from.
//!
//! Threads: one sleeper, any number of wakers. Protocol: the sleeper announces itself (`announce`), looks once more
//! whether there is work, and waits; a waker publishes its work first and then calls `wake`. Announcing and looking are
//! sequentially consistent with publishing and waking, so one of the two sees the other. After a fork the child has no
//! sleeper; the word is made anew with the thread.

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// See the module documentation.
pub struct Parking {
    asleep: AtomicU32,
}

impl Parking {
    /// Nobody sleeps.
    pub const fn new() -> Self {
        Self {
            asleep: AtomicU32::new(0),
        }
    }

    /// The sleeper is about to wait.
    pub fn announce(&self) {
        self.asleep.store(1, SeqCst);
    }

    /// The sleeper will not wait after all.
    pub fn withdraw(&self) {
        self.asleep.store(0, SeqCst);
    }

    /// Waits until somebody wakes it, a signal arrives, or the monotonic clock reaches `until` (nanoseconds; `None`: for
    /// ever). Returns at once if somebody woke it since it announced itself.
    pub fn wait(&self, until: Option<u64>) {
        let deadline = until.map(|nanos| libc::timespec {
            tv_sec: (nanos / 1_000_000_000) as i64,
            tv_nsec: (nanos % 1_000_000_000) as i64,
        });
        let deadline = deadline.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the word outlives the call, the deadline is null or valid; with the bitset form it is absolute and monotonic.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.asleep.as_ptr(),
                libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
                1u32,
                deadline,
                ptr::null::<u32>(),
                libc::FUTEX_BITSET_MATCH_ANY,
            );
        }
        self.withdraw();
    }

    /// Wakes the sleeper, if it sleeps; one load if it does not. Async-signal-safe.
    #[inline]
    pub fn wake(&self) {
        if self.asleep.load(SeqCst) == 1 && self.asleep.swap(0, SeqCst) == 1 {
            // SAFETY: the word is valid; waking has no other effect.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.asleep.as_ptr(),
                    libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                    1u32,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic_ns;

    #[test]
    fn a_wake_between_announcing_and_waiting_is_not_lost() {
        let parking = Parking::new();
        parking.announce();
        parking.wake();
        parking.wait(None);
    }

    #[test]
    fn a_sleeper_is_woken_from_another_thread() {
        static PARKING: Parking = Parking::new();
        PARKING.announce();
        let waker = std::thread::spawn(|| PARKING.wake());
        PARKING.wait(None);
        waker.join().unwrap();
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let parking = Parking::new();
        let until = monotonic_ns() + 2_000_000;
        while monotonic_ns() < until {
            parking.announce();
            parking.wait(Some(until));
        }
    }
}
