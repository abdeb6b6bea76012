//! A SIGSEGV handler of "another library", installed after the profiler's, and a real crash.

use crate::napi::{Env, arguments, from_number, number};
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);
static FATAL: AtomicBool = AtomicBool::new(false);

/// `installSegvHandler(mode)`: 0 restores the default action when called, so that the process dies of SIGSEGV after
/// printing a line; 1 ends the process at once with status 77, as a crash reporter would: a bad load of ours that
/// reaches it is fatal. Neither calls the handler that was there before.
pub(crate) unsafe extern "C" fn install_segv_handler(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [mode] = arguments::<1>(env, info);
    FATAL.store(number(env, mode) != 0.0, Ordering::Relaxed);
    // SAFETY: the action is fully initialised and the handler has the signature SA_SIGINFO asks for.
    let result = unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = report as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut())
    };
    from_number(env, f64::from(result))
}

/// `segvHandlerCalls()`: how often the handler above ran.
pub(crate) unsafe extern "C" fn segv_handler_calls(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    from_number(Env(env), f64::from(CALLS.load(Ordering::Relaxed)))
}

/// `dereferenceNull()`: reads address 8. Does not return.
pub(crate) unsafe extern "C" fn dereference_null(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    from_number(Env(env), f64::from(pronghorn_fixture_crash()))
}

/// The crash itself, in a named function.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn pronghorn_fixture_crash() -> u32 {
    let address = core::hint::black_box(8_usize) as *const u32;
    // SAFETY: none, which is the point: this is the crash a test asks for.
    unsafe { address.read_volatile() }
}

extern "C" fn report(_signal: c_int, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    let line = b"fixture: SIGSEGV handler called\n";
    // SAFETY: write, _exit and sigaction are async-signal-safe; the pointers are to live memory of the given length.
    unsafe {
        libc::write(2, line.as_ptr().cast(), line.len());
        if FATAL.load(Ordering::Relaxed) {
            libc::_exit(77);
        }
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut());
    }
}
