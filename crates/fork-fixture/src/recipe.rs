//! One fork, with all that a child needs to go on running JavaScript, or without parts of it.
//!
//! [`fork_here`] works in a signal handler and inside a garbage collection as well as in a call from JavaScript. What libuv needs
//! in the child allocates, so there it is left for the first JavaScript that runs (`loopFork()`).

use crate::dont_fork::{self, errno};
use crate::meeting;
use crate::napi::{Env, Value, arguments, from_number, number};
use crate::values;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// The child gets V8's pages.
pub(crate) const PAGES: u32 = 1;
/// The child makes its event loop anew.
pub(crate) const LOOP: u32 = 2;
/// The child dies with the thread that forked it.
pub(crate) const DIES_WITH_PARENT: u32 = 4;

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// fork(3), which runs the fork handlers.
    Fork,
    /// `_Fork(3)`, which runs none.
    Bare,
    /// The system call: libc does not even hear of it.
    Clone,
}

impl Kind {
    /// "fork", "_Fork" or "clone".
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "fork" => Some(Self::Fork),
            "_Fork" => Some(Self::Bare),
            "clone" => Some(Self::Clone),
            _ => None,
        }
    }

    pub(crate) fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Fork,
            1 => Self::Bare,
            _ => Self::Clone,
        }
    }
}

unsafe extern "C" {
    fn uv_loop_fork(event_loop: *mut c_void) -> c_int;
    fn uv_loop_alive(event_loop: *const c_void) -> c_int;
}

type Fork = unsafe extern "C" fn() -> libc::pid_t;

/// `_Fork`, of glibc 2.34 and later (POSIX.1-2024). Null where there is none: the system call takes its place, which runs no handlers either.
static BARE: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Looks for what not every libc has, once.
pub(crate) fn find() {
    // SAFETY: the name ends with a NUL.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_Fork".as_ptr()) };
    BARE.store(found, Relaxed);
}

fn bare() -> Option<Fork> {
    let found = BARE.load(Relaxed);
    // SAFETY: if it is there it is this function; null is `None`.
    unsafe { core::mem::transmute::<*mut c_void, Option<Fork>>(found) }
}

/// Forks: 0 in the child, its pid in the parent, or a negative errno. Keeps errno. Async-signal-safe.
pub(crate) fn fork_here(kind: Kind, parts: u32) -> c_int {
    let kept = errno();
    if parts & PAGES != 0 {
        let error = dont_fork::undo();
        if error != 0 {
            dont_fork::redo();
            return -error;
        }
    }
    meeting::begins();
    // SAFETY: the child shares nothing with another thread that would mind: that is what the tests are about.
    let pid = unsafe {
        match (kind, bare()) {
            (Kind::Fork, _) => libc::fork(),
            (Kind::Bare, Some(fork)) => fork(),
            (Kind::Bare, None) | (Kind::Clone, _) => {
                let none = 0_usize;
                libc::syscall(
                    libc::SYS_clone,
                    libc::SIGCHLD as usize,
                    none,
                    none,
                    none,
                    none,
                ) as libc::pid_t
            }
        }
    };
    let error = errno();
    if pid == 0 {
        if parts & DIES_WITH_PARENT != 0 {
            // SAFETY: no preconditions.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        }
    } else if parts & PAGES != 0 {
        dont_fork::redo();
    }
    // SAFETY: the place is the calling thread's own.
    unsafe { *libc::__errno_location() = kept };
    if pid < 0 { -error } else { pid }
}

/// Makes the event loop of `env` anew, as every forked process has to before the loop turns. Returns 0, or libuv's error.
pub(crate) fn loop_fork_here(env: Env) -> c_int {
    let event_loop = values::event_loop(env);
    if event_loop.is_null() {
        return -libc::EINVAL;
    }
    // SAFETY: the loop of this thread's environment.
    unsafe { uv_loop_fork(event_loop) }
}

/// The arguments `(kind, parts)`; `None` for a kind that does not exist.
pub(crate) fn how(env: Env, kind: Value, parts: Value) -> Option<(Kind, u32)> {
    let kind = Kind::named(&values::text(env, kind))?;
    Some((kind, number(env, parts) as u32))
}

/// `fork(kind, parts)`: returns 0 in the child, the child's pid in the parent, or a negative errno. `parts` is a sum of 1 (V8's pages), 2
/// (`uv_loop_fork`) and 4 (the child dies with its parent).
pub(crate) unsafe extern "C" fn fork(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [kind, parts] = arguments::<2>(env, info);
    let Some((kind, parts)) = how(env, kind, parts) else {
        return from_number(env, f64::from(-libc::EINVAL));
    };
    from_number(env, f64::from(fork_and_go_on(env, kind, parts)))
}

/// [`fork_here`], and the child's part of the recipe, in a call from JavaScript.
pub(crate) fn fork_and_go_on(env: Env, kind: Kind, parts: u32) -> c_int {
    let pid = fork_here(kind, parts);
    if pid == 0 && parts & LOOP != 0 {
        let error = loop_fork_here(env);
        if error != 0 {
            // SAFETY: does not return. The parent sees the status; going on would disturb its loop.
            unsafe { libc::_exit(99) };
        }
    }
    pid
}

/// `loopFork()`: `uv_loop_fork` on this environment's loop. Returns 0, or libuv's error.
pub(crate) unsafe extern "C" fn loop_fork(env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    from_number(env, f64::from(loop_fork_here(env)))
}

/// `loopIsAlive()`: 1 if this environment's loop has something to wait for, 0 if it would end, -1 without a loop. In a timer's callback that timer does not count.
pub(crate) unsafe extern "C" fn loop_is_alive(env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let event_loop = values::event_loop(env);
    let alive = if event_loop.is_null() {
        -1
    } else {
        // SAFETY: the loop of this thread's environment.
        unsafe { uv_loop_alive(event_loop) }
    };
    from_number(env, f64::from(alive))
}
