//! Files that stay open for long, because finding and opening them costs much more than what is asked of them.
//!
//! Meanwhile the host may close what it does not know, as daemons do, and have the number for something of its own. So there is no way to the file but through
//! its identity, and what is not ours any more is not closed. What remains is the time between that look and the call behind it, and a host that has opened
//! the very same file under the same number.
//!
//! Threads, fork: `descriptors.rs`.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::Relaxed;

use super::{Entry, FREE, Held, TABLE, identity_in, stat};

/// Places of the table that are left to files which are open for a moment, many more than are needed: one rotation has one open, the end of the program another.
const FOR_A_MOMENT: usize = 16;

/// A file that stays open for long, and that a forked child closes. Closed when dropped, unless the host has closed it.
#[derive(Debug)]
pub struct Kept(Held);

impl Kept {
    /// Opens a file that is none of the three which a program inherits; `None` if `open` fails, or if too many are open already for a child to know of another.
    /// `open` does that and nothing else that takes time: a fork waits for it.
    ///
    /// Where one is to take the place of another, that is dropped first: if the host has closed it, the new one may get its number.
    pub fn open(open: impl FnOnce() -> io::Result<File>) -> Option<Self> {
        let (_, table) = TABLE.split_at(FOR_A_MOMENT);
        let is_free = |entry: &Entry| entry.descriptor.load(Relaxed) == FREE;
        if !table.iter().any(is_free) {
            return None;
        }
        let held = Held::open_among(table, || open().and_then(beyond_the_standard)).ok()?;
        // Without an entry: another thread was quicker.
        held.entry.is_some().then_some(Self(held))
    }

    /// What the kernel tells of it; `None` if the host has closed it.
    #[must_use]
    pub fn stat(&self) -> Option<libc::stat> {
        let stat = stat(self.0.as_raw_fd()).ok()?;
        (self.0.identity == Some(identity_in(&stat))).then_some(stat)
    }

    /// Reads its beginning into `room`: how many bytes; `None` if it has none, cannot be read, or the host has closed it.
    #[must_use]
    pub fn read(&self, room: &mut [u8]) -> Option<usize> {
        self.stat()?;
        let length = self.0.read_at(room, 0).ok()?;
        (length > 0).then_some(length)
    }

    /// Its number, for tests that close it as a host may.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// The same file under a number that is not one of the three which a program inherits: the host may have closed one of those, and hand it to a program that it starts.
fn beyond_the_standard(file: File) -> io::Result<File> {
    if file.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(file);
    }
    let least = libc::STDERR_FILENO + 1;
    // SAFETY: `file` is open, and no memory is given.
    let number = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: made right here, and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(number) })
}
