//! Reads files: regular ones only, to a bounded length.
//!
//! A map's path comes from the program's code. So what is looked at first is what it leads to: a FIFO would block for ever, a device may
//! do anything. Symbolic links are followed, as package managers want it; the kernel ends loops of them.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use pronghorn_sync::descriptors::Held;

use crate::Stamp;

/// Larger files are not read.
pub(crate) const LARGEST: u64 = 64 << 20;

/// Which file it is and when it was last written to; an error if it is none that can be read.
pub(crate) fn stamp(path: &Path) -> io::Result<Stamp> {
    check(&fs::metadata(path)?)
}

fn check(metadata: &Metadata) -> io::Result<Stamp> {
    if !metadata.is_file() {
        let what = if metadata.is_dir() {
            "a directory"
        } else {
            "no regular file"
        };
        return Err(io::Error::other(format!("it is {what}")));
    }
    if metadata.len() > LARGEST {
        return Err(io::Error::other(format!(
            "it has {} bytes, and {LARGEST} are read at most",
            metadata.len()
        )));
    }
    Ok(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.len(),
        seconds: metadata.mtime(),
        nanos: metadata.mtime_nsec(),
    })
}

/// All of a file, with what its stamp was.
pub(crate) fn all(path: &Path) -> io::Result<(Vec<u8>, Stamp)> {
    let (mut file, stamp) = open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(0));
    // Not more than it said: it may be growing, or lie about its size, as those of /proc do.
    (&mut *file).take(stamp.size).read_to_end(&mut bytes)?;
    Ok((bytes, stamp))
}

/// Its last `most` bytes.
pub(crate) fn tail(path: &Path, most: u64) -> io::Result<(Vec<u8>, Stamp)> {
    let (mut file, stamp) = open(path)?;
    file.seek(SeekFrom::Start(stamp.size.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    (&mut *file)
        .take(most.min(stamp.size))
        .read_to_end(&mut bytes)?;
    Ok((bytes, stamp))
}

fn open(path: &Path) -> io::Result<(Held, Stamp)> {
    // Opening alone can do something to a device, so it is looked at before.
    stamp(path)?;
    let file = Held::open(|| open_at_once(path))?;
    // It may be another one by now.
    let stamp = check(&file.metadata()?)?;
    Ok((file, stamp))
}

fn open_at_once(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(path)
}
