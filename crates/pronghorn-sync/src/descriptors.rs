//! Files that our native threads have open, in a table that a forked child can read: it closes what it inherited.
//!
//! A fork copies every descriptor. The thread that would have closed this one does not exist in the child, so it would stay open for
//! good; one of `/proc/self/mem` even is a view of the parent's memory. Nobody else closes it: close-on-exec helps only those who exec.
//!
//! # The table
//! A fixed array of atomics in the image. An entry has the descriptor, and the device and inode of what was opened: a child that has
//! closed all it did not know (daemons do) may have the number in use for something of its own by the time of its reset.
//!
//! # Threads
//! Any but a signal handler's. Whoever brings an entry out of FREE, by compare-and-exchange, owns it.
//!
//! # Invariants
//! 1. While an entry names a descriptor, that is open, and its [`Held`]'s, unless that stays open for long and the host has closed it, which [`Held::stat`] tells.
//! 2. Opening and noting, and forgetting and closing, each happen inside a [`fork::Section`]: without it a fork that falls between
//!    the two would leave a descriptor that no table names, or a number that is somebody else's by now. A section is for places that take
//!    microseconds; these do, since what we open is loaded, or is a file that this process writes itself. Reading and writing happen outside.
//!    The main thread, which forks, enters none: a fork by a handler of the host's would wait for itself. It goes on in the child, so that what
//!    it was about to note is noted there.
//!
//! # Orderings
//! Device and inode are written before the descriptor is stored with release, and read after it is loaded with acquire.
//!
//! # Fork
//! [`close_inherited`] empties the table, in limbo, where nothing of ours opens anything. A [`Held`] that is dropped in a child of the
//! process that opened it does nothing: its descriptor is the reset's to close, or is closed.

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{
    AtomicI32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::own_tid;
use crate::{Alone, fork};

const ENTRIES: usize = 32;
/// Places that are left free by what stays open for long, many more than are needed: one rotation has one file open, the end of the program another. What finds
/// no place stays unknown to a child.
const FOR_A_MOMENT: usize = 16;

const FREE: i32 = -1;
/// Somebody is about to open something.
const TAKEN: i32 = -2;

#[derive(Debug)]
struct Entry {
    descriptor: AtomicI32,
    device: AtomicU64,
    inode: AtomicU64,
}

// Fork: copied as it stood; `close_inherited` closes what it names and empties it.
static TABLE: [Entry; ENTRIES] = [const {
    Entry {
        descriptor: AtomicI32::new(FREE),
        device: AtomicU64::new(0),
        inode: AtomicU64::new(0),
    }
}; ENTRIES];

/// An open file that a forked child closes. Closed when dropped.
#[derive(Debug)]
pub struct Held {
    file: ManuallyDrop<File>,
    entry: Option<&'static Entry>,
    /// Device and inode of what stays open for long.
    kept: Option<(u64, u64)>,
    /// The process that opened it.
    generation: u32,
}

impl Held {
    /// Opens a file. `open` does that and nothing else that takes time: a fork waits for it.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        Self::open_among(&TABLE, open)
    }

    /// Opens a file that stays open for long, where a child will know of it: `None` if too many are open already, or `open` fails. As [`Held::open`] otherwise.
    ///
    /// Meanwhile the host may close what it does not know, and have the number for something of its own: [`Held::stat`] is to be asked right before each use. Drop what
    /// it tells is gone before another is opened in its place, which may get the same number.
    pub fn keep(open: impl FnOnce() -> io::Result<File>) -> Option<Self> {
        let (_, table) = TABLE.split_at(FOR_A_MOMENT);
        let is_free = |entry: &Entry| entry.descriptor.load(Relaxed) == FREE;
        if !table.iter().any(is_free) {
            return None;
        }
        let mut held = Self::open_among(table, || open().and_then(beyond_the_standard)).ok()?;
        held.kept = identity(held.file.as_raw_fd());
        // Without an entry: another thread was quicker.
        held.entry.is_some().then_some(held)
    }

    fn open_among(
        table: &'static [Entry],
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Self> {
        let _section = section();
        let entry = table.iter().find(|entry| {
            entry
                .descriptor
                .compare_exchange(FREE, TAKEN, Acquire, Relaxed)
                .is_ok()
        });
        let opened = open();
        if let Some(entry) = entry {
            let identified = opened.as_ref().ok().and_then(|file| {
                let number = file.as_raw_fd();
                Some((number, identity(number)?))
            });
            match identified {
                Some((number, (device, inode))) => {
                    entry.device.store(device, Relaxed);
                    entry.inode.store(inode, Relaxed);
                    entry.descriptor.store(number, Release);
                }
                None => entry.descriptor.store(FREE, Release),
            }
        }
        Ok(Self {
            file: ManuallyDrop::new(opened?),
            entry,
            kept: None,
            generation: fork::generation(),
        })
    }

    /// What the kernel tells of a file that stays open for long; `None` if its number stands for something else by now, or for nothing.
    #[must_use]
    pub fn stat(&self) -> Option<libc::stat> {
        let stat = stat(self.file.as_raw_fd())?;
        (self.kept == Some(identity_in(&stat))).then_some(stat)
    }
}

impl Deref for Held {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.file
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _section = section();
        if self.generation != fork::generation() {
            return;
        }
        if let Some(entry) = self.entry {
            entry.descriptor.store(FREE, Release);
        }
        // What the host has closed is not closed again: the number may be its own by now.
        if self.kept.is_none() || self.stat().is_some() {
            // SAFETY: the one place that drops it, once.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}

/// See invariant 2.
fn section() -> Option<fork::Section> {
    // SAFETY: no preconditions.
    let is_main = own_tid() == unsafe { libc::getpid() };
    (!is_main).then(fork::enter)
}

/// After a fork: closes what the parent's threads had open, and returns how many that were.
pub fn close_inherited(_alone: &Alone) -> usize {
    let mut closed = 0;
    for entry in &TABLE {
        let descriptor = entry.descriptor.swap(FREE, Acquire);
        let opened = (entry.device.load(Relaxed), entry.inode.load(Relaxed));
        if descriptor >= 0 && identity(descriptor) == Some(opened) {
            // SAFETY: opened by a thread of ours that is gone; nobody else was given the number.
            unsafe { libc::close(descriptor) };
            closed += 1;
        }
    }
    closed
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

/// Device and inode of what is open under that number.
fn identity(descriptor: i32) -> Option<(u64, u64)> {
    stat(descriptor).as_ref().map(identity_in)
}

const fn identity_in(stat: &libc::stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn stat(descriptor: i32) -> Option<libc::stat> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: a place of the right size; the kernel checks the number.
    if unsafe { libc::fstat(descriptor, stat.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: zeroed bytes are a valid stat, and the kernel filled it in.
    Some(unsafe { stat.assume_init() })
}
