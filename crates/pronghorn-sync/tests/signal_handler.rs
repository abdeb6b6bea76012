//! A signal handler that interrupts the owner of a lock is told "no" and goes on.

#![cfg(all(unix, not(loom)))]
#![allow(
    clippy::expect_used,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pronghorn_sync::RawLock;

static LOCK: RawLock = RawLock::new_unlocked();
static ENTERED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);
static CLASHED: AtomicBool = AtomicBool::new(false);

extern "C" fn handler(_signal: libc::c_int) {
    if LOCK.try_lock() {
        ENTERED.fetch_add(1, Ordering::Relaxed);
        // A handler must not panic.
        if !INSIDE.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            CLASHED.store(true, Ordering::Relaxed);
        }
        INSIDE.fetch_add(1, Ordering::Relaxed);
        LOCK.unlock();
    } else {
        REFUSED.fetch_add(1, Ordering::Relaxed);
    }
}

fn raise() {
    // SAFETY: the signal is handled, and the handler uses nothing but atomics. `raise` returns after it ran.
    let result = unsafe { libc::raise(libc::SIGUSR1) };
    assert_eq!(result, 0);
}

/// What the owner and the handler write while they are inside: whoever is inside alone finds it even.
static INSIDE: AtomicU32 = AtomicU32::new(0);

#[test]
fn a_handler_on_the_owners_thread_is_refused_and_does_not_wait() {
    let function: extern "C" fn(libc::c_int) = handler;
    // SAFETY: the handler is async-signal-safe, and this test is the only one in its process.
    let previous = unsafe { libc::signal(libc::SIGUSR1, function as libc::sighandler_t) };
    assert_ne!(previous, libc::SIG_ERR);

    assert!(LOCK.try_lock());
    raise();
    assert!(LOCK.is_locked(), "the handler must not have unlocked it");
    LOCK.unlock();
    raise();
    assert_eq!(REFUSED.load(Ordering::Relaxed), 1);
    assert_eq!(ENTERED.load(Ordering::Relaxed), 1);
    assert!(!LOCK.is_locked());

    at_any_instruction();
}

/// The same while another thread sends the signal whenever it likes, until the handler has met both states often: each
/// time it is inside only if the thread that it interrupted is not.
fn at_any_instruction() {
    const OFTEN: u32 = 200;
    ENTERED.store(0, Ordering::Relaxed);
    REFUSED.store(0, Ordering::Relaxed);
    let done = Arc::new(AtomicBool::new(false));
    // SAFETY: asks for the calling thread.
    let this = unsafe { libc::pthread_self() };
    let sender = {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                // SAFETY: the thread waits for this one before it ends.
                unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
                std::thread::yield_now();
            }
        })
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    let often = |count: &AtomicU32| count.load(Ordering::Relaxed) >= OFTEN;
    while !(often(&ENTERED) && often(&REFUSED)) {
        assert!(Instant::now() < deadline, "the handler met one state only");
        if LOCK.try_lock() {
            let before = INSIDE.fetch_add(1, Ordering::Relaxed);
            assert_eq!(before % 2, 0, "the handler is inside too");
            assert_eq!(INSIDE.fetch_add(1, Ordering::Relaxed), before + 1);
            LOCK.unlock();
        }
    }
    done.store(true, Ordering::Relaxed);
    sender.join().expect("the thread that sends");
    assert!(!LOCK.is_locked());
    assert!(!CLASHED.load(Ordering::Relaxed));
}
