//! How much stack the signal handlers of the process take: an alternate stack, painted, and read back.

use crate::napi::{Env, from_number};
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

const BYTES: usize = 64 * 1024;
const PAINT: u8 = 0xa5;

static STACK: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// `paintSignalStack()`: gives this thread a painted alternate stack. Returns 0, or -1 if the system refuses.
pub(crate) unsafe extern "C" fn paint_signal_stack(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    let memory = Box::leak(vec![PAINT; BYTES].into_boxed_slice()).as_mut_ptr();
    STACK.store(memory, Ordering::Relaxed);
    let stack = libc::stack_t {
        ss_sp: memory.cast(),
        ss_flags: 0,
        ss_size: BYTES,
    };
    // SAFETY: the memory has the size stated and is never freed.
    let result = unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
    from_number(Env(env), f64::from(result))
}

/// `usedSignalStack()`: bytes of the alternate stack that were ever written, the kernel's own frame included.
pub(crate) unsafe extern "C" fn used_signal_stack(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    let memory = STACK.load(Ordering::Relaxed);
    let untouched = if memory.is_null() {
        BYTES
    } else {
        // SAFETY: the painted memory, which only signal handlers of this thread write, and none runs now.
        let bytes = unsafe { core::slice::from_raw_parts(memory, BYTES) };
        bytes.iter().take_while(|byte| **byte == PAINT).count()
    };
    from_number(Env(env), (BYTES - untouched) as f64)
}
