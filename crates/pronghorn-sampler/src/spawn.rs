//! Ordinary native threads of ours: small, named, and with every signal blocked, since the host's handlers are not for them to run.
//!
//! Threads: any may spawn. Fork: none of them exists in the child; whoever keeps a handle abandons it.

use std::thread::JoinHandle;

/// Spawns a small thread.
pub fn without_signals(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    with_stack(name, SMALL, work)
}

/// The same with a stack of so many bytes, of which those that are not used cost nothing.
pub fn with_stack(
    name: &str,
    bytes: usize,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let _blocked = BlockedSignals::all();
    std::thread::Builder::new()
        .name(name.into())
        .stack_size(bytes)
        .spawn(work)
}

/// The stack of a small thread.
pub(crate) const SMALL: usize = 256 * 1024;

/// Blocks every signal on the calling thread while it lives: a thread spawned meanwhile starts that way.
pub(crate) struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    pub(crate) fn all() -> Self {
        // SAFETY: both sets are places of ours; blocking signals for a moment has no other effect.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            Self(before)
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set is the one that was in force.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}
