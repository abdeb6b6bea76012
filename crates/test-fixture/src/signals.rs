//! Forged signals, and dispositions read and changed behind the profiler's back.

use crate::napi::{Env, arguments, from_number, from_text, number};
use core::ffi::{CStr, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

static OWN_CALLS: AtomicU32 = AtomicU32::new(0);

/// The part of siginfo_t that the kernel copies for a queued signal (x86-64 layout), padded to its full 128 bytes.
#[repr(C)]
struct QueuedInfo {
    signal: c_int,
    errno: c_int,
    code: c_int,
    padding: c_int,
    pid: c_int,
    uid: u32,
    value: u64,
    rest: [u8; 96],
}

/// `sendForgedSignal(signal, valueHigh, valueLow, code, pid, tid)`: queues a signal whose siginfo is entirely the caller's.
/// The 64-bit value comes as two 32-bit halves; `tid` 0 sends to the process, and `pid` is only what the info claims.
/// Returns 0, or errno.
pub(crate) unsafe extern "C" fn send_forged_signal(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [signal, high, low, code, pid, tid] =
        arguments::<6>(env, info).map(|value| number(env, value));
    let own_pid = std::process::id() as c_int;
    let queued = QueuedInfo {
        signal: signal as c_int,
        errno: 0,
        code: code as c_int,
        padding: 0,
        pid: if pid == 0.0 { own_pid } else { pid as c_int },
        uid: 0,
        value: (high as u64) << 32 | low as u64,
        rest: [0; 96],
    };
    // SAFETY: `queued` has siginfo_t's size and layout; the kernel checks every field it uses.
    let result = unsafe {
        if tid == 0.0 {
            libc::syscall(
                libc::SYS_rt_sigqueueinfo,
                own_pid,
                queued.signal,
                &raw const queued,
            )
        } else {
            libc::syscall(
                libc::SYS_rt_tgsigqueueinfo,
                own_pid,
                tid as c_int,
                queued.signal,
                &raw const queued,
            )
        }
    };
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    from_number(env, if result == 0 { 0.0 } else { f64::from(errno) })
}

/// What [`swallow_signal`] has taken the place of.
static SWALLOWED: std::sync::Mutex<Option<libc::sigaction>> = std::sync::Mutex::new(None);

/// `swallowSignal(signal, on)`: 1 has every such signal ignored, 0 puts back what was there. Returns 0, or -1.
pub(crate) unsafe extern "C" fn swallow_signal(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [signal, on] = arguments::<2>(env, info).map(|value| number(env, value));
    let mut before = SWALLOWED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // SAFETY: a zeroed sigaction is valid, the other one came from the kernel; both are places of ours.
    let result = unsafe {
        let mut old: libc::sigaction = core::mem::zeroed();
        let mut ignore: libc::sigaction = core::mem::zeroed();
        ignore.sa_sigaction = libc::SIG_IGN;
        let new = if on == 0.0 {
            before.take().unwrap_or(ignore)
        } else {
            ignore
        };
        let result = libc::sigaction(signal as c_int, &raw const new, &raw mut old);
        if on != 0.0 {
            *before = Some(old);
        }
        result
    };
    from_number(env, f64::from(result))
}

/// `dispositionOf(signal)`: "default", "ignore", or the path of the image that the handler's address lies in.
pub(crate) unsafe extern "C" fn disposition_of(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [signal] = arguments::<1>(env, info);
    // SAFETY: a zeroed sigaction is valid, and a null new action only reads the old one.
    let handler = unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        if libc::sigaction(number(env, signal) as c_int, ptr::null(), &raw mut action) != 0 {
            return from_text(env, "error");
        }
        action.sa_sigaction
    };
    match handler {
        libc::SIG_DFL => from_text(env, "default"),
        libc::SIG_IGN => from_text(env, "ignore"),
        address => {
            // SAFETY: dladdr accepts any address, and its strings live as long as the image.
            let path = unsafe {
                let mut found: libc::Dl_info = core::mem::zeroed();
                if libc::dladdr(address as *const c_void, &raw mut found) == 0
                    || found.dli_fname.is_null()
                {
                    return from_text(env, "unknown");
                }
                CStr::from_ptr(found.dli_fname)
                    .to_string_lossy()
                    .into_owned()
            };
            from_text(env, &path)
        }
    }
}

/// `changeDisposition(signal, to)`: 0 default, 1 ignore, 2 a counting handler of this addon. Returns 0, or -1.
pub(crate) unsafe extern "C" fn change_disposition(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [signal, to] = arguments::<2>(env, info).map(|value| number(env, value));
    // SAFETY: the action is fully initialised and the handler has the signature SA_SIGINFO asks for.
    let result = unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = match to as u32 {
            0 => libc::SIG_DFL,
            1 => libc::SIG_IGN,
            _ => count_call as *const () as usize,
        };
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigaction(signal as c_int, &raw const action, ptr::null_mut())
    };
    from_number(env, f64::from(result))
}

/// `ownHandlerCalls()`: how often the counting handler ran.
pub(crate) unsafe extern "C" fn own_handler_calls(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    from_number(Env(env), f64::from(OWN_CALLS.load(Ordering::Relaxed)))
}

/// `blockSignal(signal, block)`: blocks (1) or unblocks (0) a signal on the calling thread.
pub(crate) unsafe extern "C" fn block_signal(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [signal, block] = arguments::<2>(env, info).map(|value| number(env, value));
    let how = if block == 0.0 {
        libc::SIG_UNBLOCK
    } else {
        libc::SIG_BLOCK
    };
    // SAFETY: the set is initialised by sigemptyset before it is used.
    let result = unsafe {
        let mut set: libc::sigset_t = core::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal as c_int);
        libc::pthread_sigmask(how, &raw const set, ptr::null_mut())
    };
    from_number(env, f64::from(result))
}

extern "C" fn count_call(_signal: c_int, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    OWN_CALLS.fetch_add(1, Ordering::Relaxed);
}
