//! The kernel's number for the calling thread.

/// `gettid`. libc has a function of that name since glibc 2.30 and the binary is for 2.28, so it is asked for by number. Async-signal-safe; a system call.
pub fn own_tid() -> i32 {
    // SAFETY: no preconditions.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}
