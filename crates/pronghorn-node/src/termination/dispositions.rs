//! What each signal that ends the program did before our handler, and how it gets that back.
//!
//! Threads: `install` on the main thread; the rest anywhere, also in a signal handler. A record is published in one word, sequentially consistent as all of this, taken by
//! whoever restores first, and never freed.
//!
//! Fork: `termination.rs`; [`hooks_off`] puts everything back in the child.

use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};
use std::time::Duration;

use pronghorn_sampler::session;
use pronghorn_sync::own_tid;

use super::on_signal;

/// Signal numbers end below this on Linux.
const SIGNALS: usize = 65;

// Fork: kept, as the dispositions are; `hooks_off` empties it.
/// What each signal that carries our handler had before; null if it does not. The records are never freed: a handler may be
/// reading one.
static PREVIOUS: [AtomicPtr<libc::sigaction>; SIGNALS] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; SIGNALS];

fn disposition(signal: i32) -> Option<libc::sigaction> {
    // SAFETY: zeroed bytes are a valid sigaction; the call only queries into it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0).then_some(action)
    }
}

fn is_ours(signal: i32) -> bool {
    disposition(signal).is_some_and(|action| action.sa_sigaction == on_signal as *const () as usize)
}

/// Installs the handler over Node's own or the default one. A process that ignores the signal (nohup does that), or whose
/// native code handles it, is left alone. Returns whether it is installed.
pub(super) fn install(signal: i32) -> bool {
    let (Some(previous), Some(place)) = (disposition(signal), PREVIOUS.get(signal as usize)) else {
        return false;
    };
    let default = previous.sa_sigaction == libc::SIG_DFL;
    if previous.sa_sigaction == libc::SIG_IGN
        || !(default || session::is_hosts(previous.sa_sigaction))
    {
        return false;
    }
    place.store(Box::into_raw(Box::new(previous)), SeqCst);
    // SAFETY: zeroed bytes are a valid sigaction; the handler is a function of this image, which stays loaded.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut()) == 0
    }
}

/// Puts back what every signal had before, where our handler is still in place. Async-signal-safe, takes no lock.
pub(super) fn restore() {
    for (signal, place) in PREVIOUS.iter().enumerate() {
        let previous = place.swap(std::ptr::null_mut(), SeqCst);
        if !previous.is_null() && is_ours(signal as i32) {
            // SAFETY: a disposition that the kernel gave us for this signal; the record is never freed.
            unsafe { libc::sigaction(signal as i32, previous, std::ptr::null_mut()) };
        }
    }
}

/// Signals that carry our handler.
#[cfg(feature = "failpoints")]
pub(crate) fn armed_signals() -> Vec<i32> {
    (1..SIGNALS as i32)
        .filter(|&signal| is_ours(signal))
        .collect()
}

/// In a forked process, step one: the handlers that were there before are back.
pub(crate) fn hooks_off() {
    restore();
}

/// In a forked process that has not been reset: gives the signal to what was there before, on this thread, as soon as the handler
/// returns. Async-signal-safe.
pub(super) fn pass_on(signal: i32) {
    restore();
    // SAFETY: plain values; the signal is masked until the handler returns. If nothing was known of it, the default action is put
    // back: it must not come here for ever.
    unsafe {
        if is_ours(signal) {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::syscall(libc::SYS_tgkill, libc::getpid(), own_tid(), signal);
    }
}

/// Lets the process die of the signal: with the handler that was there before, and by the default action if that did not do.
pub(super) fn end_by(signal: i32) {
    restore();
    // SAFETY: the process's own signal, to itself.
    unsafe { libc::kill(libc::getpid(), signal) };
    std::thread::sleep(Duration::from_millis(100));
    // Still here: a handler that does not end the process, or every thread blocks the signal. The application did not
    // handle it, so the process has to end.
    // SAFETY: the default action for a signal that arrived, on this thread, which may receive it now.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::raise(signal);
    }
}
