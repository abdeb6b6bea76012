//! Where the bytes of an image come from: its file, or the memory it is loaded in.
//!
//! Fork: a child closes the descriptors that its parent's threads had open here ([`pronghorn_sync::descriptors`]).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use pronghorn_sync::descriptors::Held;
use pronghorn_sync::failpoint;

/// Bytes at 64-bit positions, of which any may be missing.
#[derive(Debug)]
pub(crate) struct Source(Held);

impl Source {
    /// A file; positions are file offsets.
    pub(crate) fn file(path: &Path) -> io::Result<Self> {
        // Opening a pipe by accident would block, reading a device could have effects.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let file = Held::open(|| File::open(path))?;
        failpoint!("symbol-file");
        // Once more: the path may lead elsewhere by now.
        if file.metadata()?.is_file() {
            Ok(Self(file))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    /// This process's memory; positions are addresses. Unmapped ones are missing bytes, not faults.
    pub(crate) fn process() -> io::Result<Self> {
        Held::open(|| File::open("/proc/self/mem")).map(Self)
    }

    /// Fills `buffer` from `position` on, or gives `None` if not all of it is there.
    pub(crate) fn fill(&self, position: u64, buffer: &mut [u8]) -> Option<()> {
        self.0.read_exact_at(buffer, position).ok()
    }

    /// As many bytes from `position` on as there are, at most the buffer's length.
    pub(crate) fn read<'buffer>(&self, position: u64, buffer: &'buffer mut [u8]) -> &'buffer [u8] {
        let mut length = 0_usize;
        while let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) {
            let place = position.saturating_add(length as u64);
            match self.0.read_at(room, place) {
                Ok(0) => break,
                Ok(count) => length = length.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        buffer.get(..length).unwrap_or_default()
    }

    /// A structure's bytes.
    pub(crate) fn array<const LENGTH: usize>(&self, position: u64) -> Option<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        self.fill(position, &mut bytes)?;
        Some(bytes)
    }

    pub(crate) fn u32(&self, position: u64) -> Option<u32> {
        self.array(position).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&self, position: u64) -> Option<u64> {
        self.array(position).map(u64::from_le_bytes)
    }
}
