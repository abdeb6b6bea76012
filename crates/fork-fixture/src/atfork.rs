//! Fork handlers of somebody else's: they count how often libc runs handlers, and so which forks run any. A fork that meets a thread (`meeting.rs`) goes on in them.

use crate::meeting;
use crate::napi::{Env, from_number};
use crate::values::from_bits;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::OnceLock;

static PREPARED: AtomicU32 = AtomicU32::new(0);
static PARENT: AtomicU32 = AtomicU32::new(0);
static CHILD: AtomicU32 = AtomicU32::new(0);
static REGISTERED: OnceLock<i32> = OnceLock::new();

unsafe extern "C" fn on_prepare() {
    PREPARED.fetch_add(1, Relaxed);
    meeting::prepare();
}

unsafe extern "C" fn on_parent() {
    PARENT.fetch_add(1, Relaxed);
    meeting::is_over();
}

unsafe extern "C" fn on_child() {
    CHILD.fetch_add(1, Relaxed);
    meeting::is_over();
}

/// `countForkHandlers()`: registers the handlers, once per process. Returns 0, or an errno.
pub(crate) unsafe extern "C" fn count_fork_handlers(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    // SAFETY: Node never unloads an addon, so the functions stay.
    let result = REGISTERED.get_or_init(|| unsafe {
        libc::pthread_atfork(Some(on_prepare), Some(on_parent), Some(on_child))
    });
    from_number(Env(env), f64::from(*result))
}

/// `forkHandlerCounts()`: a BigInt of 20 bits each: prepare, parent and child handlers that ran in this process or its ancestors.
pub(crate) unsafe extern "C" fn fork_handler_counts(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    let counts =
        [&PREPARED, &PARENT, &CHILD].map(|counter| u64::from(counter.load(Relaxed)) & 0xf_ffff);
    from_bits(Env(env), counts[0] << 40 | counts[1] << 20 | counts[2])
}
