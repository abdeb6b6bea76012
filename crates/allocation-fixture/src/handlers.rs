//! A function in front of each handler of a real-time signal.

use std::ffi::c_void;
use std::mem;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::{SA_SIGINFO, SIG_DFL, SIG_IGN, c_int, sigaction as Action, siginfo_t};

use crate::{DEPTH, HANDLED, allocators};

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
type SigAction = unsafe extern "C" fn(c_int, *const Action, *mut Action) -> c_int;

/// The first signal that glibc leaves to programs.
const FIRST: c_int = 34;
static HANDLERS: [AtomicUsize; 65] = [const { AtomicUsize::new(0) }; 65];

/// Whether each handler is to allocate. Looked up when one is installed: no handler may.
static ALLOCATES: OnceLock<bool> = OnceLock::new();

extern "C" fn around(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let address = HANDLERS[signal as usize].load(Acquire);
    // SAFETY: stored by `sigaction` below, which was given a handler with three arguments.
    let handler = unsafe { mem::transmute::<usize, Handler>(address) };
    DEPTH.set(DEPTH.get() + 1);
    HANDLED.1.fetch_add(1, Relaxed);
    if ALLOCATES.get() == Some(&true) {
        // SAFETY: freed at once, and of the size that is not passed on.
        unsafe { allocators::free(allocators::malloc(allocators::HARMLESS)) };
    }
    handler(signal, info, context);
    DEPTH.set(DEPTH.get() - 1);
}

/// As libc's, except that handlers of real-time signals are called by `around`.
///
/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut next = NEXT.load(Relaxed);
    if next == 0 {
        // SAFETY: the name is a C string.
        next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"sigaction".as_ptr()) } as usize;
        NEXT.store(next, Relaxed);
    }
    // SAFETY: libc's function of this name has this type.
    let next = unsafe { mem::transmute::<usize, SigAction>(next) };
    let ours = FIRST..=64;
    if !ours.contains(&signal) {
        // SAFETY: the caller's arguments.
        return unsafe { next(signal, new, old) };
    }
    let known = &HANDLERS[signal as usize];
    let before = known.load(Acquire);
    // SAFETY: null, or the caller's.
    let mut wanted = unsafe { new.as_ref() }.copied();
    if let Some(action) = &mut wanted
        && action.sa_flags & SA_SIGINFO != 0
        && ![SIG_DFL, SIG_IGN].contains(&action.sa_sigaction)
    {
        let allocates = || std::env::var_os("PRONGHORN_ALLOCATE_IN_HANDLER").is_some();
        ALLOCATES.get_or_init(allocates);
        known.store(action.sa_sigaction, Release);
        action.sa_sigaction = around as *const () as usize;
    }
    let given = wanted.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: ours, or null; `old` is the caller's.
    let result = unsafe { next(signal, given, old) };
    // SAFETY: null, or the caller's, and filled.
    if let Some(old) = unsafe { old.as_mut() }
        && result == 0
        && old.sa_sigaction == around as *const () as usize
    {
        old.sa_sigaction = before;
    }
    result
}
