//! Whether a thread stands in the blocking call in which it was sampled. Its CPU clock hardly moves then. A little it does move, since the thread has to come
//! back from the handler into the call, and on a virtual machine that loses its processor meanwhile by more than a little; it must not be interrupted again for that.
//! Where the clock alone does not tell, the kernel does: it counts how often a thread has gone to sleep by itself. Since a sample in a call that
//! waits, that is once, if it has not left the call.
//!
//! Threads: [`Standing::note`] in the handler, on the slot's thread; the rest on the ticker. Relaxed: the word stands for itself.
//!
//! Fork: part of [`Live`](crate::slot::Live), which forks do not copy.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::task_file::TaskFile;
use pronghorn_sync::fork;
use pronghorn_v8::load;

/// The instruction, as a little-endian number.
const SYSCALL: u16 = 0x050f;
/// The line of /proc/PID/task/TID/status (proc_pid_status(5)). The one of those that were taken off their processor ends the same.
const SLEEPS: &[u8] = b"\nvoluntary_ctxt_switches:\t";

/// See the module documentation.
pub struct Standing {
    /// How often the thread will have gone to sleep when it is back in the call in which it was sampled; 0 if it was sampled elsewhere.
    back_at: AtomicU64,
}

impl Standing {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self {
            back_at: AtomicU64::new(0),
        }
    }

    /// Every word of it.
    #[cfg(test)]
    pub(crate) fn words(&self) -> [u64; 1] {
        let Self { back_at } = self;
        [back_at.load(Relaxed)]
    }

    #[cfg(test)]
    pub(crate) fn fill(&self) {
        self.back_at.store(7, Relaxed);
    }

    /// Its thread begins anew.
    pub fn restart(&self) {
        self.back_at.store(0, Relaxed);
    }

    /// The handler: its thread was interrupted in `context`. `may_read` says whether bad loads are survived now. Async-signal-safe.
    pub fn note(&self, context: &libc::ucontext_t, may_read: bool) {
        let waits = may_read && waits_in_a_call(context);
        let back_at = if waits { own_sleeps() + 1 } else { 0 };
        self.back_at.store(back_at, Relaxed);
    }

    /// The ticker: whether thread `tid`, whose clock has moved, has only come back into the call in which it was sampled.
    pub fn is_back(&self, tid: i32) -> bool {
        let back_at = self.back_at.load(Relaxed);
        back_at != 0 && sleeps_of(tid) == Some(back_at)
    }
}

/// Whether the code that was interrupted waits in a system call: the kernel leaves it behind the instruction with EINTR, or in front of it, to
/// begin again (signal(7); arch/x86/kernel/signal.c). A call that was not interrupted has its result there.
fn waits_in_a_call(context: &libc::ucontext_t) -> bool {
    let get = |index: i32| context.uc_mcontext.gregs[index as usize];
    let pc = get(libc::REG_RIP).cast_unsigned();
    let is_syscall = |address: u64| load::u16(address) == Some(SYSCALL);
    let has_failed = get(libc::REG_RAX) == -i64::from(libc::EINTR);
    (has_failed && is_syscall(pc.wrapping_sub(2))) || is_syscall(pc)
}

/// How often the calling thread has gone to sleep by itself. A system call, and nothing else.
fn own_sleeps() -> u64 {
    // SAFETY: zeroed bytes are a valid value, in a place for the kernel to write.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        usage.ru_nvcsw.cast_unsigned()
    }
}

/// The same of thread `tid`. Some 20 microseconds.
fn sleeps_of(tid: i32) -> Option<u64> {
    let _section = fork::enter();
    TaskFile::open(tid, "status")?.value(SLEEPS, |digits| digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pronghorn_sync::own_tid;
    use std::sync::atomic::AtomicI32;
    use std::time::{Duration, Instant};

    #[test]
    fn the_kernel_says_the_same_of_a_thread_from_outside() {
        let tid = own_tid();
        let before = own_sleeps();
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let after = own_sleeps();
        assert!(after >= before + 5);
        assert_eq!(sleeps_of(tid), Some(after));
        assert_eq!(sleeps_of(i32::MAX), None);
    }

    static STANDING: Standing = Standing::new();
    static NOTED: AtomicI32 = AtomicI32::new(0);

    extern "C" fn on_signal(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
        // SAFETY: the kernel passes the interrupted context.
        STANDING.note(unsafe { &*context.cast::<libc::ucontext_t>() }, true);
        NOTED.fetch_add(1, Relaxed);
    }

    fn until(what: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !what() {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_thread_is_back_in_its_call_until_it_is_in_another_or_runs() {
        let number = libc::SIGRTMIN() + 5;
        // SAFETY: a handler that only notes; for this test alone.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigaction(number, &raw const action, std::ptr::null_mut());
        }
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        static TID: AtomicI32 = AtomicI32::new(0);
        static READ: AtomicI32 = AtomicI32::new(0);
        let thread = std::thread::spawn(move || {
            use std::io::Read;
            TID.store(own_tid(), Relaxed);
            let mut byte = [0];
            while reader.read(&mut byte).unwrap() > 0 && byte != [b'x'] {
                READ.fetch_add(1, Relaxed);
            }
            while READ.load(Relaxed) < 100 {
                std::hint::spin_loop();
            }
        });
        until(|| TID.load(Relaxed) != 0);
        let tid = TID.load(Relaxed);
        // SAFETY: a signal to a thread of this process.
        let tell = || unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, number) };
        let sample = || {
            let before = NOTED.load(Relaxed);
            tell();
            until(|| NOTED.load(Relaxed) > before);
        };
        // Until it is found waiting, and has gone back to that.
        let sample_waiting = || {
            until(|| {
                sample();
                STANDING.words() != [0]
            });
            until(|| STANDING.is_back(tid));
        };
        for _ in 0..3 {
            sample_waiting();
        }
        std::io::Write::write_all(&mut writer, b"a").unwrap();
        until(|| READ.load(Relaxed) == 1 && !STANDING.is_back(tid));
        sample_waiting();
        std::io::Write::write_all(&mut writer, b"x").unwrap();
        until(|| {
            sample();
            STANDING.words() == [0]
        });
        assert!(!STANDING.is_back(tid), "it runs");
        READ.store(100, Relaxed);
        thread.join().unwrap();
    }
}
