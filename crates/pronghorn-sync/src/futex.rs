//! A word that a thread can sleep on for as long as it has a value (futex(2), of this process alone).
//!
//! Async-signal-safe; a handler that waits gives a time until when. All of it is sequentially consistent. Under loom, which knows no futex, the kernel's part is a lock and a
//! condition: it looks at the word and puts the thread to sleep under one lock, which whoever wakes it takes too.
//!
//! Fork: keeps nothing; nobody sleeps in a child.

use crate::primitives::{AtomicU32, Ordering};

/// See the module documentation. Zero is a valid one.
#[cfg_attr(not(loom), repr(transparent))]
pub struct Futex {
    word: AtomicU32,
    #[cfg(loom)]
    kernel: (loom::sync::Mutex<()>, loom::sync::Condvar),
}

impl Futex {
    /// A word of that value.
    #[cfg(not(loom))]
    pub const fn new(value: u32) -> Self {
        Self {
            word: AtomicU32::new(value),
        }
    }

    /// A word of that value. (loom's atomics cannot be made in a constant.)
    #[cfg(loom)]
    pub fn new(value: u32) -> Self {
        Self {
            word: AtomicU32::new(value),
            kernel: (loom::sync::Mutex::new(()), loom::sync::Condvar::new()),
        }
    }

    /// Its value.
    pub fn load(&self) -> u32 {
        self.word.load(Ordering::SeqCst)
    }

    /// Gives it a value; wakes nobody.
    pub fn store(&self, value: u32) {
        self.word.store(value, Ordering::SeqCst);
    }

    /// Gives it a value, and says which it had; wakes nobody.
    pub fn swap(&self, value: u32) -> u32 {
        self.word.swap(value, Ordering::SeqCst)
    }

    /// From one value to another, if it has the first; wakes nobody.
    ///
    /// # Errors
    /// The value that the word has instead of `from`.
    pub fn change(&self, from: u32, to: u32) -> Result<(), u32> {
        self.word
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .map(|_| ())
    }

    /// Sleeps, if the word is `value`, until somebody calls [`Futex::wake`], a signal comes, or the monotonic clock reaches `until` (nanoseconds; `None`: never).
    #[cfg(not(loom))]
    pub fn wait(&self, value: u32, until: Option<u64>) {
        let deadline = until.map(|nanos| libc::timespec {
            tv_sec: (nanos / 1_000_000_000) as i64,
            tv_nsec: (nanos % 1_000_000_000) as i64,
        });
        let deadline = deadline
            .as_ref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the word outlives the call, the deadline is null or valid; with the bitset form it is absolute and monotonic.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.word.as_ptr(),
                libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
                value,
                deadline,
                std::ptr::null::<u32>(),
                libc::FUTEX_BITSET_MATCH_ANY,
            );
        }
    }

    /// The same, without an end of time.
    #[cfg(loom)]
    pub fn wait(&self, value: u32, _until: Option<u64>) {
        let (lock, woken) = &self.kernel;
        let Ok(held) = lock.lock() else { return };
        if self.load() == value {
            drop(woken.wait(held));
        }
    }

    /// Wakes the one who sleeps.
    #[cfg(not(loom))]
    pub fn wake(&self) {
        // SAFETY: the word is valid; waking has no other effect.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.word.as_ptr(),
                libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                1u32,
            );
        }
    }

    /// Wakes the one who sleeps.
    #[cfg(loom)]
    pub fn wake(&self) {
        let (lock, woken) = &self.kernel;
        let _held = lock.lock();
        woken.notify_one();
    }
}
