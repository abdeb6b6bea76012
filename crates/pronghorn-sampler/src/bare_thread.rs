//! A native thread without Rust's bookkeeping, for one that ticks.
//!
//! As long as it keeps away from the allocator and from thread-locals (a loaded library's come from the allocator too), the C library gives it no arena. An
//! arena is two mappings, and a lock that each fork takes; each spawn of the program would pay for it (docs/measurements.md). For the same reason it runs on a
//! stack of ours (`own_stack.rs`).
//!
//! Threads: any may spawn. Fork: it does not exist in the child, where its handle is abandoned and its stack unmapped by a reset. Before its reset a child
//! makes none (`spawn.rs`).

use std::ffi::{CStr, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};

use crate::own_stack::OwnStack;
use crate::spawn::{self, BlockedSignals, SMALL};

/// What a [`spawn`] thread is and does.
#[derive(Debug)]
pub struct Body {
    /// At most 15 bytes.
    pub name: &'static CStr,
    /// Must not let a panic out.
    pub work: extern "C" fn(),
}

/// A thread that [`spawn`] has made, and its stack. It is joined, or belongs to the parent of a forked process.
#[derive(Debug)]
pub struct Bare {
    thread: libc::pthread_t,
    stack: ManuallyDrop<Box<Stacked>>,
}

// SAFETY: a handle names its thread to every thread of the process; musl's is a pointer, which only pthread looks behind.
unsafe impl Send for Bare {}

/// What the thread is given.
#[derive(Debug)]
struct Stacked {
    body: &'static Body,
    /// `None`: there is no memory for one, and the thread stays on the C library's.
    stack: Option<OwnStack>,
}

/// Spawns a small thread. Errors carry the reason why the system refuses one.
pub fn spawn(body: &'static Body) -> std::io::Result<Bare> {
    let _blocked = BlockedSignals::all();
    spawn::check_process()?;
    let stack = ManuallyDrop::new(Box::new(Stacked {
        body,
        stack: OwnStack::new(SMALL).ok(),
    }));
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    let given = std::ptr::from_ref(&**stack).cast_mut().cast();
    // SAFETY: places of ours, which the first call initializes; the thread is given what lives until it is joined.
    let created = unsafe {
        succeeded(libc::pthread_attr_init(attributes.as_mut_ptr())).and_then(|()| {
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), SMALL);
            if stack.stack.is_some() {
                // It is left at once: no need for a guard.
                libc::pthread_attr_setguardsize(attributes.as_mut_ptr(), 0);
            }
            let result = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, given);
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            succeeded(result)
        })
    };
    if let Err(error) = created {
        drop(ManuallyDrop::into_inner(stack));
        return Err(error);
    }
    // SAFETY: written by the call that succeeded.
    let thread = unsafe { thread.assume_init() };
    Ok(Bare { thread, stack })
}

extern "C" fn run(given: *mut c_void) -> *mut c_void {
    // SAFETY: `spawn` passes this, and it lives until the thread is joined.
    let Stacked { body, stack } = unsafe { &*given.cast::<Stacked>() };
    // SAFETY: the name ends with a NUL; one that is too long is cut.
    unsafe { libc::prctl(libc::PR_SET_NAME, body.name.as_ptr()) };
    match stack {
        Some(stack) => stack.run(body.work),
        None => (body.work)(),
    }
    std::ptr::null_mut()
}

fn succeeded(error: i32) -> std::io::Result<()> {
    match error {
        0 => Ok(()),
        _ => Err(std::io::Error::from_raw_os_error(error)),
    }
}

impl Bare {
    /// Takes the thread's end, and gives its stack back, if it has ended; the handle otherwise.
    pub fn try_join(self) -> Result<(), Self> {
        // SAFETY: the handle is of a thread that was not joined before: joining consumes it.
        let result = unsafe { libc::pthread_tryjoin_np(self.thread, std::ptr::null_mut()) };
        if result == libc::EBUSY {
            return Err(self);
        }
        if result == 0 {
            drop(ManuallyDrop::into_inner(self.stack));
        }
        // Any other error says that there is nothing to join.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::{Duration, Instant};

    #[test]
    fn a_bare_thread_runs_under_its_name_with_all_signals_blocked_and_is_joined() {
        static SEEN: AtomicU64 = AtomicU64::new(0);
        extern "C" fn work() {
            {
                let mut name = [0u8; 16];
                // SAFETY: writes at most 16 bytes; only reads the mask into a place of ours.
                let term = unsafe {
                    libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr());
                    let mut mask = std::mem::zeroed();
                    libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask);
                    libc::sigismember(&raw const mask, libc::SIGTERM)
                };
                let named = name.starts_with(b"pronghorn-test\0");
                SEEN.store(1 + u64::from(named) + 2 * term as u64, SeqCst);
            }
        }
        static BODY: Body = Body {
            name: c"pronghorn-test",
            work,
        };
        let mut thread = spawn(&BODY).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(still) = thread.try_join() {
            assert!(Instant::now() < deadline);
            thread = still;
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(SEEN.load(SeqCst), 4);
    }
}
