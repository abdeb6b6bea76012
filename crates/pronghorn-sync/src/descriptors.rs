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
//! 1. While an entry names a descriptor, that is open, and its [`Held`]'s, unless the host has closed it. A `Held` does not close what is not the file that it
//!    has opened; [`Kept`] is for those that are open for so long that this is to be expected.
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
use std::os::fd::AsRawFd;
use std::sync::atomic::{
    AtomicI32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

mod kept;

use crate::own_tid;
use crate::{Alone, fork};
pub use kept::Kept;

/// What finds no place stays unknown to a child.
const ENTRIES: usize = 32;

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

/// An open file that a forked child closes. Closed when dropped, unless the host has closed it.
#[derive(Debug)]
pub struct Held {
    file: ManuallyDrop<File>,
    entry: Option<&'static Entry>,
    /// Device and inode; nothing if they could not be told.
    identity: Option<(u64, u64)>,
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

    /// With a place in this part of the table, if one is free.
    fn open_among(
        table: &'static [Entry],
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Self> {
        let _section = section();
        let taken = table.iter().find(|entry| {
            entry
                .descriptor
                .compare_exchange(FREE, TAKEN, Acquire, Relaxed)
                .is_ok()
        });
        let opened = open();
        let number = opened.as_ref().ok().map(AsRawFd::as_raw_fd);
        let stat = number.and_then(|number| stat(number).ok());
        let identity = stat.as_ref().map(identity_in);
        let entry = taken.filter(|entry| match number.zip(identity) {
            Some((number, (device, inode))) => {
                entry.device.store(device, Relaxed);
                entry.inode.store(inode, Relaxed);
                entry.descriptor.store(number, Release);
                true
            }
            None => {
                entry.descriptor.store(FREE, Release);
                false
            }
        });
        Ok(Self {
            file: ManuallyDrop::new(opened?),
            entry,
            identity,
            generation: fork::generation(),
        })
    }

    /// Whether its number stands for something else by now, or for nothing.
    fn is_closed(&self) -> bool {
        match stat(self.file.as_raw_fd()) {
            Ok(stat) => self.identity.is_some_and(|own| own != identity_in(&stat)),
            // Any other error is that of a file system.
            Err(error) => error.raw_os_error() == Some(libc::EBADF),
        }
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
        // Not a second time: the number may be the host's own by now.
        if !self.is_closed() {
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
        if descriptor >= 0 && stat(descriptor).is_ok_and(|stat| identity_in(&stat) == opened) {
            // SAFETY: opened by a thread of ours that is gone; nobody else was given the number.
            unsafe { libc::close(descriptor) };
            closed += 1;
        }
    }
    closed
}

/// Device and inode.
const fn identity_in(stat: &libc::stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// What is open under that number.
fn stat(descriptor: i32) -> io::Result<libc::stat> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: a place of the right size; the kernel checks the number.
    if unsafe { libc::fstat(descriptor, stat.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed bytes are a valid stat, and the kernel filled it in.
    Ok(unsafe { stat.assume_init() })
}
