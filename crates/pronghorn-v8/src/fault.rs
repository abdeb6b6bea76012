//! The SIGSEGV and SIGBUS handlers behind checked loads.
//!
//! # What they do
//! A fault whose program counter lies in the load block goes on at the block's fix-up label. Every other fault is the
//! host's: it goes to the handler that was there before, in the way the kernel would have delivered it (signal mask,
//! SA_NODEFER, SA_RESETHAND, SA_SIGINFO, default action, ignore). Node's WebAssembly traps depend on that.
//!
//! # Threads and invariants
//! - Dispositions are process-wide; the handlers run on any thread, on whatever stack the kernel chose. They allocate
//!   nothing, take no lock, touch no thread-local, keep errno.
//! - What was there before is an immutable record, published by one release store of a pointer and never freed (a few
//!   dozen bytes per install), so that a handler on another thread reads a whole record or the older one.
//! - There are [`LEVELS`] handler functions per signal. A library that installs its own handler over ours may call ours
//!   as its predecessor for ever; the next install over such a handler uses the next level, so the chain has no circle.
//! - `install` and `restore` are serialized by a word; who finds it taken gives up with [`InstallError::Busy`].
//! - A fork copies dispositions and records alike: nothing to reset. A fork while `install` runs on another thread
//!   leaves the word taken in the child; [`reset_after_fork`] clears it.
//!
//! # Flags of our own
//! SA_SIGINFO for the context. SA_ONSTACK and SA_RESTART are taken over from the predecessor, since the kernel acts on
//! them before we run: its stack and its restarts stay what they were. No SA_NODEFER: a fault in the handler itself is a
//! bug and must kill rather than recurse; the predecessor's own wish is granted with a mask before it is called.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use libc::{c_int, c_void, siginfo_t};

use crate::load;

/// Handler functions per signal: how often another library's handler may come to lie over ours in one process's life.
pub const LEVELS: usize = 4;

const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// What lay under one of our handlers.
struct Previous {
    handler: usize,
    flags: c_int,
    mask: libc::sigset_t,
}

// Fork: kept, the sampler subtracts what was there; `CHANGING` is cleared by `reset_after_fork`; the rest is as the dispositions
// themselves are.
static FIXUPS: AtomicU64 = AtomicU64::new(0);
static CHANGING: AtomicBool = AtomicBool::new(false);
// By signal, then level. Null: that level was never installed.
static PREVIOUS: [[AtomicPtr<Previous>; LEVELS]; 2] =
    [const { [const { AtomicPtr::new(core::ptr::null_mut()) }; LEVELS] }; 2];
// The level in use, per signal.
static LEVEL: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
// True once that level was taken off again by us: nobody lay over it.
static FREE: [AtomicBool; 2] = [const { AtomicBool::new(true) }; 2];

/// Why the handlers could not be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallError {
    /// Another thread is installing or restoring at this moment.
    Busy,
    /// Other handlers were installed over ours too often in this process ([`LEVELS`]).
    Buried,
    /// The kernel refused; the number is errno.
    Refused(i32),
    /// No Linux on x86-64.
    Unsupported,
}

impl core::fmt::Display for InstallError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Busy => f.write_str("the fault handlers are being changed by another thread"),
            Self::Buried => {
                f.write_str("other SIGSEGV or SIGBUS handlers were installed over ours too often")
            }
            Self::Refused(errno) => write!(f, "the kernel refused a fault handler (errno {errno})"),
            Self::Unsupported => f.write_str("fault handlers need Linux on x86-64"),
        }
    }
}

impl std::error::Error for InstallError {}

type Handler = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const HANDLERS: [Handler; LEVELS] = [on_fault::<0>, on_fault::<1>, on_fault::<2>, on_fault::<3>];

/// Loads that failed and were fixed up, in this process, since it began.
#[must_use]
pub fn fixups() -> u64 {
    FIXUPS.load(Ordering::Relaxed)
}

/// After a fork in the child, before anything else of this module: forgets an install that another thread had begun.
pub fn reset_after_fork() {
    CHANGING.store(false, Ordering::Release);
}

/// True if neither SIGSEGV nor SIGBUS is blocked in `mask` (bit n−1 for signal n, as in a signal context's mask).
///
/// A fault while its signal is blocked kills the process, handler or not: a sampler asks this with the interrupted
/// thread's mask before any load. Async-signal-safe.
#[must_use]
pub const fn signals_open(mask: u64) -> bool {
    let blocked = (1 << (libc::SIGSEGV - 1)) | (1 << (libc::SIGBUS - 1));
    mask & blocked == 0
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod imp {
    use super::*;

    pub(super) fn current(signal: c_int) -> Option<libc::sigaction> {
        let mut old = core::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a query only; the kernel fills `old`.
        if unsafe { libc::sigaction(signal, core::ptr::null(), old.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: zeroed and then filled; every bit pattern of a sigaction is valid.
        Some(unsafe { old.assume_init() })
    }

    pub(super) fn level_of(action: &libc::sigaction) -> Option<usize> {
        HANDLERS
            .iter()
            .position(|&handler| handler as usize == action.sa_sigaction)
    }

    /// Publishes what lay under a level.
    pub(super) fn publish(index: usize, level: usize, action: &libc::sigaction) {
        let record = Previous {
            handler: action.sa_sigaction,
            flags: action.sa_flags,
            mask: action.sa_mask,
        };
        // Never freed: a handler on another thread may be reading it.
        let record = Box::into_raw(Box::new(record));
        if let Some(slot) = PREVIOUS.get(index).and_then(|levels| levels.get(level)) {
            slot.store(record, Ordering::Release);
        }
    }

    pub(super) fn previous(index: usize, level: usize) -> Option<&'static Previous> {
        let record = PREVIOUS.get(index)?.get(level)?.load(Ordering::Acquire);
        // SAFETY: null or a record that `publish` leaked.
        unsafe { record.as_ref() }
    }

    pub(super) fn errno() -> c_int {
        // SAFETY: the calling thread's errno.
        unsafe { *libc::__errno_location() }
    }

    fn install_one(index: usize, signal: c_int) -> Result<(), InstallError> {
        let before = current(signal).ok_or_else(|| InstallError::Refused(errno()))?;
        if level_of(&before).is_some() {
            return Ok(());
        }
        // A level that is no longer on top may still be called by whoever lies over it. It can be used again if we took
        // it off ourselves, or if what it had under itself is on top now.
        let used = LEVEL[index].load(Ordering::Relaxed);
        let free = FREE[index].load(Ordering::Relaxed)
            || previous(index, used).is_some_and(|under| under.handler == before.sa_sigaction);
        let level = if free { used } else { used + 1 };
        let handler = HANDLERS.get(level).ok_or(InstallError::Buried)?;
        publish(index, level, &before);
        let mut ours: libc::sigaction = before;
        ours.sa_sigaction = *handler as usize;
        ours.sa_flags =
            libc::SA_SIGINFO | (before.sa_flags & (libc::SA_ONSTACK | libc::SA_RESTART));
        // SAFETY: an empty set in a local struct.
        unsafe { libc::sigemptyset(&raw mut ours.sa_mask) };
        let mut replaced = before;
        // SAFETY: a valid action; the handler follows the kernel's calling convention.
        if unsafe { libc::sigaction(signal, &raw const ours, &raw mut replaced) } != 0 {
            return Err(InstallError::Refused(errno()));
        }
        LEVEL[index].store(level, Ordering::Relaxed);
        FREE[index].store(false, Ordering::Relaxed);
        if replaced.sa_sigaction != before.sa_sigaction {
            // Somebody changed it between the query and now: what was replaced is what lies under us.
            publish(index, level, &replaced);
        }
        Ok(())
    }

    pub(super) fn install() -> Result<(), InstallError> {
        for (index, &signal) in SIGNALS.iter().enumerate() {
            install_one(index, signal)?;
        }
        Ok(())
    }

    pub(super) fn restore() -> bool {
        let mut all = true;
        for (index, &signal) in SIGNALS.iter().enumerate() {
            let Some(action) = current(signal) else {
                all = false;
                continue;
            };
            let Some(under) = level_of(&action).and_then(|level| previous(index, level)) else {
                all = false;
                continue;
            };
            let mut back = action;
            back.sa_sigaction = under.handler;
            back.sa_flags = under.flags;
            back.sa_mask = under.mask;
            // SAFETY: the action that was in force before ours.
            let done =
                unsafe { libc::sigaction(signal, &raw const back, core::ptr::null_mut()) } == 0;
            if done {
                FREE[index].store(true, Ordering::Relaxed);
            }
            all &= done;
        }
        all
    }

    fn set_default(signal: c_int) {
        // SAFETY: an all-zero sigaction is SIG_DFL with no flags and an empty mask.
        unsafe {
            let action: libc::sigaction = core::mem::zeroed();
            libc::sigaction(signal, &raw const action, core::ptr::null_mut());
        }
    }

    /// Sends a signal that was sent by somebody once more, to this thread; it is delivered when the handler returns.
    unsafe fn send_again(signal: c_int, info: *const siginfo_t) {
        // SAFETY: raw system calls on this thread's own ids; `info` comes from the kernel.
        unsafe {
            let process = libc::syscall(libc::SYS_getpid);
            let thread = libc::syscall(libc::SYS_gettid);
            if libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, info) != 0 {
                libc::syscall(libc::SYS_tgkill, process, thread, signal);
            }
        }
    }

    /// Delivers to what lay under us, as the kernel would have.
    ///
    /// # Safety
    /// The arguments must be those the kernel gave to a handler for `signal`.
    pub(super) unsafe fn pass_on(
        index: usize,
        level: usize,
        signal: c_int,
        info: *mut siginfo_t,
        context: *mut c_void,
    ) {
        // SAFETY: `info` comes from the kernel. A code above 0 means a fault of this very instruction.
        let by_kernel = unsafe { (*info).si_code } > 0;
        let Some(under) = previous(index, level) else {
            set_default(signal);
            return;
        };
        match under.handler {
            libc::SIG_IGN if !by_kernel => {}
            libc::SIG_DFL | libc::SIG_IGN => {
                // A real fault happens again on return and kills with its own address and core, ignored or not.
                set_default(signal);
                if !by_kernel {
                    // SAFETY: as this function's.
                    unsafe { send_again(signal, info) };
                }
            }
            handler => {
                if under.flags & libc::SA_RESETHAND != 0 {
                    // SAFETY: all-zero is the default action.
                    publish_default(index, level);
                }
                // SAFETY: `context` is the kernel's ucontext; the mask to have in the predecessor's handler is the
                // interrupted one, its own, and the signal itself unless SA_NODEFER.
                unsafe {
                    let context = context.cast::<libc::ucontext_t>();
                    let mut mask = 0u64;
                    core::ptr::copy_nonoverlapping(
                        (&raw const (*context).uc_sigmask).cast::<u64>(),
                        &raw mut mask,
                        1,
                    );
                    mask |= (&raw const under.mask).cast::<u64>().read();
                    if under.flags & libc::SA_NODEFER == 0 {
                        mask |= 1 << (signal - 1);
                    }
                    libc::syscall(
                        libc::SYS_rt_sigprocmask,
                        libc::SIG_SETMASK,
                        &raw const mask,
                        core::ptr::null_mut::<u64>(),
                        8usize,
                    );
                    if under.flags & libc::SA_SIGINFO != 0 {
                        let call = core::mem::transmute::<usize, Handler>(handler);
                        call(signal, info, context.cast());
                    } else {
                        let call =
                            core::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(handler);
                        call(signal);
                    }
                }
            }
        }
    }

    /// SA_RESETHAND: from now on the default lies under us. No allocation: the record is a static.
    fn publish_default(index: usize, level: usize) {
        struct Shared(Previous);
        // SAFETY: plain integers, never written.
        unsafe impl Sync for Shared {}
        // Fork: kept, it is never written.
        static DEFAULT: Shared = Shared(Previous {
            handler: libc::SIG_DFL,
            flags: 0,
            // SAFETY: a signal set of zeros is the empty set.
            mask: unsafe { core::mem::zeroed() },
        });
        if let Some(slot) = PREVIOUS.get(index).and_then(|levels| levels.get(level)) {
            slot.store((&raw const DEFAULT.0).cast_mut(), Ordering::Release);
        }
    }
}

/// The handler of one level.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
unsafe extern "C" fn on_fault<const LEVEL: usize>(
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: the kernel gives a ucontext with SA_SIGINFO. A chained call from another library's handler that lost it
    // would give null.
    unsafe {
        if !context.is_null() {
            let registers = &raw mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
            let pc = (*registers)[libc::REG_RIP as usize].cast_unsigned();
            if !info.is_null()
                && (*info).si_code > 0
                && let Some(fixup) = load::fixup_for(pc)
            {
                (*registers)[libc::REG_RIP as usize] = fixup.cast_signed();
                FIXUPS.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let errno = imp::errno();
        let index = usize::from(signal == libc::SIGBUS);
        if !info.is_null() && !context.is_null() {
            imp::pass_on(index, LEVEL, signal, info, context);
        }
        *libc::__errno_location() = errno;
    }
}

/// Installs the handlers for SIGSEGV and SIGBUS, or does nothing for those that are installed already.
///
/// May be called again after [`restore`], and from any thread. Not async-signal-safe.
///
/// # Errors
/// [`InstallError`]; what was installed before the failure stays, and is inert without loads.
pub fn install() -> Result<(), InstallError> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        if CHANGING.swap(true, Ordering::Acquire) {
            return Err(InstallError::Busy);
        }
        let outcome = imp::install();
        CHANGING.store(false, Ordering::Release);
        outcome
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    Err(InstallError::Unsupported)
}

/// True if both dispositions are ours now: checked loads are safe. Two system calls; async-signal-safe.
#[must_use]
pub fn is_ours() -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        SIGNALS.iter().all(|&signal| {
            imp::current(signal).is_some_and(|action| imp::level_of(&action).is_some())
        })
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    false
}

/// Puts back what lay under our handlers, each only if it is still ours. True if both were put back.
///
/// A handler of another library that lies over ours stays, and may go on calling ours, which passes faults on.
pub fn restore() -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        if CHANGING.swap(true, Ordering::Acquire) {
            return false;
        }
        let all = imp::restore();
        CHANGING.store(false, Ordering::Release);
        all
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    false
}

/// Tests that change dispositions run one at a time.
#[cfg(test)]
pub(crate) fn serial() -> std::sync::MutexGuard<'static, ()> {
    static SERIAL: std::sync::Mutex<()> = std::sync::Mutex::new(());
    SERIAL
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;
