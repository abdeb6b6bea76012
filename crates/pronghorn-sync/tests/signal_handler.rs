//! A signal handler that interrupts the owner of a lock is told "no" and goes on.

#![cfg(all(unix, not(loom)))]

use std::sync::atomic::{AtomicU32, Ordering};

use pronghorn_sync::RawLock;

static LOCK: RawLock = RawLock::new_unlocked();
static ENTERED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(_signal: libc::c_int) {
    if LOCK.try_lock() {
        ENTERED.fetch_add(1, Ordering::Relaxed);
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
}
