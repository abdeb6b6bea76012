//! Ordinary native threads of ours: small, named, and with every signal blocked, since the host's handlers are not for them to run.
//!
//! Threads: any may spawn; each stands in a table of their ids while it lives, which discovery reads on the ticker.
//!
//! Fork: none of them exists in the child; whoever keeps a handle abandons it, and the table is replaced. Before its reset a child makes none: that is looked at
//! ([`check_process`]) with signals blocked, since a handler of the host's may fork between any other look and the making.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread::JoinHandle;

use pronghorn_sync::{Alone, Resettable, fork, own_tid};

use crate::background;

/// As many as there may be at a time, and some more. One that finds no place is taken for somebody else's.
const MOST: usize = 16;

static OWN: Resettable<[AtomicI32; MOST]> = Resettable::new(none());

const fn none() -> [AtomicI32; MOST] {
    [const { AtomicI32::new(0) }; MOST]
}

/// In a forked process: none of them is there.
pub(crate) fn reset_after_fork(alone: &Alone) {
    OWN.reset(alone, none());
}

/// Whether the thread is one of these. A number may be another's by the time that this returns.
pub(crate) fn is_own(tid: i32) -> bool {
    OWN.get().iter().any(|place| place.load(Relaxed) == tid)
}

/// The calling thread's place in the table.
struct Own(Option<&'static AtomicI32>);

impl Own {
    fn enter() -> Self {
        let tid = own_tid();
        let is_free = |place: &&AtomicI32| place.compare_exchange(0, tid, Relaxed, Relaxed).is_ok();
        Self(OWN.get().iter().find(is_free))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.store(0, Relaxed);
        }
    }
}

/// Refuses to make a thread in a forked process that has not been reset: it would stand there before the reset, which takes it that nothing does. With
/// signals blocked ([`BlockedSignals`]) the answer holds until they are not.
pub(crate) fn check_process() -> std::io::Result<()> {
    if fork::forked() {
        return Err(std::io::Error::other(
            "this process was forked off and the profiler has not been reset in it",
        ));
    }
    Ok(())
}

/// Spawns a small thread.
pub fn without_signals(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    with_stack(name, SMALL, work)
}

/// Spawns one for long work: it stands back behind the program's threads, and has a stack of so many bytes, of which those that are not used cost nothing.
pub fn in_background(
    name: &str,
    bytes: usize,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    with_stack(name, bytes, || {
        background::stand_back();
        work();
    })
}

fn with_stack(
    name: &str,
    bytes: usize,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let _blocked = BlockedSignals::all();
    check_process()?;
    std::thread::Builder::new()
        .name(name.into())
        .stack_size(bytes)
        .spawn(move || {
            let _own = Own::enter();
            work();
        })
}

/// The stack of a small thread.
pub(crate) const SMALL: usize = 256 * 1024;

/// Blocks every signal on the calling thread while it lives: a thread spawned meanwhile starts that way, and no handler forks in the middle.
#[derive(Debug)]
pub struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    /// From here on.
    pub fn all() -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_known_by_its_id_while_it_lives() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = without_signals("test", move || {
            tell.send(own_tid()).unwrap();
            let _ = ended.recv();
        })
        .unwrap();
        let tid = told.recv().unwrap();
        assert!(is_own(tid) && !is_own(i32::MAX));
        drop(end);
        thread.join().unwrap();
        assert!(!is_own(tid));
    }
}
