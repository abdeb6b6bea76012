//! The sampling signal on a thread of our own: choice, reuse, sending, and what is not accepted. One test, one process:
//! dispositions and slots belong to the process.

use pronghorn_sync::own_tid;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use pronghorn_sampler::signal::{self, Sent};
use pronghorn_sampler::slot;

static ACCEPTED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(number: i32, info: *mut libc::siginfo_t, _context: *mut c_void) {
    let count = match signal::accept(number, info) {
        Some(_) => &ACCEPTED,
        None => &REFUSED,
    };
    count.fetch_add(1, SeqCst);
}

/// Waits until that many signals have come: one sent to the process may be taken by another of its threads.
fn await_counts(accepted: u32, refused: u32) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let counts = || (ACCEPTED.load(SeqCst), REFUSED.load(SeqCst));
    while counts() != (accepted, refused) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(counts(), (accepted, refused));
}

#[test]
fn only_a_signal_that_the_slot_waits_for_is_accepted() {
    // Somebody else uses the highest real-time signal.
    let taken = libc::SIGRTMAX();
    // SAFETY: ignoring a signal of this test process.
    unsafe { libc::signal(taken, libc::SIG_IGN) };

    let number = signal::install(handler).expect("a free signal");
    assert!(number >= libc::SIGRTMIN() && number < taken);
    assert_eq!(signal::install(handler), Some(number), "reused");
    assert!(signal::is_ours(handler));

    let tid = own_tid();
    let guard = slot::registration();
    let (index, slot) = slot::take(tid).expect("a free slot");
    drop(guard);

    slot.pending_since.store(1, SeqCst);
    assert_eq!(signal::send(index, slot, handler), Sent::Yes);
    await_counts(1, 0);
    assert_eq!(slot.pending_since.load(SeqCst), 0, "taken");

    // The slot does not wait for one.
    assert_eq!(signal::send(index, slot, handler), Sent::Yes);
    await_counts(1, 1);

    // Without a value, and with values out of nowhere.
    slot.pending_since.store(1, SeqCst);
    // SAFETY: a signal with a harmless handler, to this process.
    unsafe { libc::raise(number) };
    await_counts(1, 2);
    for value in [0usize, 7, usize::MAX, 0xdead_beef_0000] {
        let value = libc::sigval {
            sival_ptr: ptr::without_provenance_mut(value),
        };
        // SAFETY: as above.
        unsafe { libc::sigqueue(libc::getpid(), number, value) };
    }
    await_counts(1, 6);

    // A former use of the slot.
    let stale = slot.nonce.fetch_add(1, SeqCst);
    slot.pending_since.store(1, SeqCst);
    let value = libc::sigval {
        sival_ptr: ptr::without_provenance_mut(((stale as usize) << 16) | index),
    };
    // SAFETY: as above.
    unsafe { libc::sigqueue(libc::getpid(), number, value) };
    await_counts(1, 7);

    // Nothing can be queued: the standard signal does it.
    // SAFETY: reads and lowers a soft limit of this test process.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_SIGPENDING, &raw mut limit), 0);
        limit.rlim_cur = 0;
        assert_eq!(
            libc::setrlimit(libc::RLIMIT_SIGPENDING, &raw const limit),
            0
        );
    }
    slot.pending_since.store(1, SeqCst);
    assert_eq!(signal::send(index, slot, handler), Sent::Yes);
    assert!(signal::uses_fallback());
    await_counts(2, 7);

    let other = std::thread::spawn(own_tid);
    let gone = other.join().expect("a thread that ends");
    slot.tid.store(gone, SeqCst);
    assert_eq!(signal::send(index, slot, handler), Sent::NoSuchThread);
}
