//! Forks that fail, threads that cannot be made, and children that may do nothing to anybody. A limit on processes does not bind root, so a filter of system
//! calls refuses them.

use crate::dont_fork::errno;
use crate::napi::{Env, from_number};
use core::ffi::{c_int, c_long, c_void};

// Offsets in `struct seccomp_data` (linux/seccomp.h), and the low half of the first argument.
const NUMBER: u32 = 0;
const FIRST_ARGUMENT: u32 = 16;
const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_IF_SET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const fn step(code: u16, k: u32) -> libc::sock_filter {
    branch(code, k, 0, 0)
}

/// Skips `jt` steps if the comparison holds and `jf` if not.
const fn branch(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

const fn call(number: c_long) -> u32 {
    number as u32
}

/// `denyForks()`: from now on every fork of this thread, and of the threads it starts, fails with EAGAIN, for good; threads can
/// still be made. Returns 0, or a negative errno.
pub(crate) unsafe extern "C" fn deny_forks(env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    let filter = [
        step(LOAD_WORD, NUMBER),
        branch(JUMP_IF_EQUAL, call(libc::SYS_fork), 5, 0),
        branch(JUMP_IF_EQUAL, call(libc::SYS_vfork), 4, 0),
        // Its flags lie in memory, where no filter looks; libc then uses clone.
        branch(JUMP_IF_EQUAL, call(libc::SYS_clone3), 4, 0),
        branch(JUMP_IF_EQUAL, call(libc::SYS_clone), 0, 4),
        step(LOAD_WORD, FIRST_ARGUMENT),
        branch(JUMP_IF_SET, libc::CLONE_THREAD as u32, 2, 0),
        step(RETURN, libc::SECCOMP_RET_ERRNO | libc::EAGAIN as u32),
        step(RETURN, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step(RETURN, libc::SECCOMP_RET_ALLOW),
    ];
    from_number(Env(env), f64::from(install(&filter)))
}

/// `denyThreads()`: from now on this thread can make no thread (EAGAIN), for good; it can still fork. Returns 0, or a negative
/// errno.
pub(crate) unsafe extern "C" fn deny_threads(env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    let filter = [
        step(LOAD_WORD, NUMBER),
        branch(JUMP_IF_EQUAL, call(libc::SYS_clone3), 4, 0),
        branch(JUMP_IF_EQUAL, call(libc::SYS_clone), 0, 4),
        step(LOAD_WORD, FIRST_ARGUMENT),
        branch(JUMP_IF_SET, libc::CLONE_THREAD as u32, 0, 2),
        step(RETURN, libc::SECCOMP_RET_ERRNO | libc::EAGAIN as u32),
        step(RETURN, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step(RETURN, libc::SECCOMP_RET_ALLOW),
    ];
    from_number(Env(env), f64::from(install(&filter)))
}

/// What sends a signal or has one sent, and what waits for a lock that somebody holds. tkill(2) is left to whoever wants to raise a signal.
pub(crate) const SIGNALS_AND_LOCKS: [c_long; 7] = [
    libc::SYS_kill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_futex,
];

/// What writes to a descriptor.
pub(crate) const WRITES: [c_long; 7] = [
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendfile,
];

/// From now on the first of these calls ends this process, and each that it forks off, with SIGSYS. Returns 0, or a negative errno. Async-signal-safe.
pub(crate) fn end_at<const COUNT: usize>(calls: &[c_long; COUNT]) -> c_int {
    let mut filter = [step(RETURN, libc::SECCOMP_RET_KILL_PROCESS); 16];
    filter[0] = step(LOAD_WORD, NUMBER);
    for (index, number) in calls.iter().enumerate() {
        filter[1 + index] = branch(JUMP_IF_EQUAL, call(*number), (COUNT - index) as u8, 0);
    }
    filter[COUNT + 1] = step(RETURN, libc::SECCOMP_RET_ALLOW);
    install(&filter[..COUNT + 3])
}

/// Returns 0, or a negative errno.
fn install(filter: &[libc::sock_filter]) -> c_int {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies and checks the program, which it only reads.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
        {
            0
        } else {
            -errno()
        }
    }
}
