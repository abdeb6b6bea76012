//! Put in front of libc by LD_PRELOAD, it refuses the fork handlers of the profiler's native half with ENOMEM, as glibc does where there is no memory for them,
//! and hands on those of everybody else: Node's, and the other addons'.
//!
//! glibc has two functions for that. `pthread_atfork` as it is linked today is a part of the image that calls it, and calls `__register_atfork`; what is
//! linked for an older glibc, as the published native half is, calls `pthread_atfork` in the library.

use std::ffi::{CStr, c_int, c_void};
use std::mem::{self, MaybeUninit};
use std::ptr;

type Handler = Option<unsafe extern "C" fn()>;
type Register = unsafe extern "C" fn(Handler, Handler, Handler, *mut c_void) -> c_int;

/// What the file name of the native half begins with (package.json, `napi.binaryName`).
const REFUSED: &str = "pronghorn.";

/// Whether the handler is a function of the native half.
fn is_refused(handler: Handler) -> bool {
    let address = handler.map_or(ptr::null(), |handler| handler as *const c_void);
    let mut found = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: any address can be asked for; the place is written where the answer is not 0.
    let path = unsafe {
        if libc::dladdr(address, found.as_mut_ptr()) == 0 {
            return false;
        }
        CStr::from_ptr(found.assume_init().dli_fname)
    };
    let path = path.to_string_lossy();
    let name = path.rsplit('/').next();
    name.is_some_and(|name| name.starts_with(REFUSED))
}

/// As libc's, except that the native half is told that there is no memory.
///
/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __register_atfork(
    prepare: Handler,
    parent: Handler,
    child: Handler,
    image: *mut c_void,
) -> c_int {
    if is_refused(prepare) {
        return libc::ENOMEM;
    }
    // SAFETY: the name is a C string.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"__register_atfork".as_ptr()) };
    if next.is_null() {
        return libc::ENOSYS;
    }
    // SAFETY: libc's function of this name has this type, and is given the caller's arguments.
    unsafe { mem::transmute::<*mut c_void, Register>(next)(prepare, parent, child, image) }
}

/// As libc's, which registers for no image in particular, with the same exception.
///
/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int {
    // SAFETY: the caller's arguments.
    unsafe { __register_atfork(prepare, parent, child, ptr::null_mut()) }
}
