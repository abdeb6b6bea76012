//! The small files in which the kernel tells of one thread: /proc/self/task/TID/NAME.
//!
//! Threads: the ticker, inside a [`fork::Section`](pronghorn_sync::fork::Section) that its caller holds: a child must not inherit the open
//! file. Allocates nothing. Fork: keeps nothing.

use std::io::Write;

/// One of them, open.
pub(crate) struct TaskFile(i32);

impl TaskFile {
    /// Opens `name` of thread `tid`; `None` where there is none.
    pub(crate) fn open(tid: i32, name: &str) -> Option<Self> {
        let mut path = [0u8; 64];
        // The rest of the array stays zero, so it ends with a NUL.
        write!(path.get_mut(..63)?, "/proc/self/task/{tid}/{name}").ok()?;
        // SAFETY: the path ends with a NUL.
        let file = unsafe { libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC) };
        (file >= 0).then_some(Self(file))
    }

    /// Reads on into `room`: how many bytes, 0 at the end.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> usize {
        // SAFETY: as many bytes as `room` has.
        let length = unsafe { libc::read(self.0, room.as_mut_ptr().cast(), room.len()) };
        usize::try_from(length).unwrap_or(0)
    }
}

impl Drop for TaskFile {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, and nobody else knows it.
        unsafe { libc::close(self.0) };
    }
}
