//! Anonymous memory of our own, outside the allocator, in a table that a forked child can read.
//!
//! # Why not the allocator
//! What the parent's threads were writing at the instant of a fork is torn in the child. Freeing it would mean to walk it, and
//! keeping it would leak it with every generation. A mapping needs no walk: the table says where it is, and the
//! child unmaps it, whatever stands in it.
//!
//! # The table
//! table.rs: a fixed array of atomics in the image; each entry says where a mapping is, whose, for what, and how it stands.
//!
//! # Threads
//! Any, not from signal handlers. Entries are taken by compare-and-exchange.
//!
//! # Orderings
//! An entry's word is taken with acquire and given back with release, so what it says of the mapping is whole for whoever takes it next. A child reads
//! what its own memory has: no thread is there to be ordered with.
//!
//! # Fork
//! The child's copies of the parent's entries have an earlier generation in their word. [`unmap_inherited`] unmaps those that
//! are LIVE or IDLE. One that a thread was CHANGING at the instant of the fork is left alone: its addresses may already
//! belong to somebody else, and a leak is better than that. The window is one system call wide.

use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::Alone;

mod table;

use table::{CHANGING, Entry, FREE, IDLE, KIND, LIVE, OWNER, STATE, TABLE, of_kind, owner};
pub use table::{live_bytes, live_mappings};

/// The granularity of lengths.
const PAGE: usize = 4096;
/// How many IDLE ones of a kind are kept, and how large they may be.
const IDLE_MOST: usize = 8;
const IDLE_BYTES: usize = 1 << 18;

/// What a mapping is for; a reset unmaps kind by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The tables of a recorder's slot.
    Slot = 1,
    /// What a signal handler writes. No reset unmaps it: a late signal may still name what lies in it.
    Buffer = 2,
    /// What our threads and handlers write all the time, and no child needs: forks do not copy it, a child finds it zeroed
    /// (`wiped.rs`; copied all the same where the kernel cannot do that).
    Wiped = 3,
    /// What the ticker knows of the threads; wiped too.
    Ticker = 4,
    /// The stack of a thread of ours; wiped too.
    Stack = 5,
}

impl Kind {
    const fn is_wiped(self) -> bool {
        match self {
            Self::Slot | Self::Buffer => false,
            Self::Wiped | Self::Ticker | Self::Stack => true,
        }
    }
}

/// Why there is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// More mappings than the table has entries.
    TableFull,
    /// The kernel refused, with this errno.
    Refused(i32),
}

impl std::fmt::Display for MapError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TableFull => formatter.write_str("there are too many mappings"),
            Self::Refused(errno) => write!(formatter, "no memory was mapped: errno {errno}"),
        }
    }
}

impl std::error::Error for MapError {}

/// Private memory, readable and writable, at least as long as was asked for. Given back when dropped, unless by then the process is a
/// fork of the one that mapped it: then its reset has unmapped it, or will.
#[derive(Debug)]
pub struct Mapping {
    entry: &'static Entry,
    base: NonNull<u8>,
    bytes: usize,
    /// The entry's word with the state taken out.
    identity: u64,
}

// SAFETY: it owns its memory as a box does, and the entry is made of atomics.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` gives no access to the memory.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps that many bytes, rounded up to pages. What stands in them is not said: zeroes, or what an earlier owner left.
    ///
    /// # Errors
    /// The table is full, or the kernel refuses.
    pub fn new(bytes: usize, kind: Kind) -> Result<Self, MapError> {
        let bytes = rounded(bytes)?;
        match Self::take_idle(bytes, owner() | of_kind(kind)) {
            Some(mapping) => Ok(mapping),
            None => Self::fresh(bytes, kind),
        }
    }

    /// One from the kernel, zeroed. `bytes` are whole pages.
    fn fresh(bytes: usize, kind: Kind) -> Result<Self, MapError> {
        let identity = owner() | of_kind(kind);
        let entry = TABLE
            .iter()
            .find(|entry| {
                entry.word.load(Relaxed) == FREE
                    && entry
                        .word
                        .compare_exchange(FREE, identity | CHANGING, Acquire, Relaxed)
                        .is_ok()
            })
            .ok_or(MapError::TableFull)?;
        let Ok(base) = map(bytes, kind) else {
            let errno = last_errno();
            entry.word.store(FREE, Release);
            return Err(MapError::Refused(errno));
        };
        if kind.is_wiped() {
            wipe(base, bytes);
        }
        entry.base.store(base.as_ptr(), Relaxed);
        entry.bytes.store(bytes, Relaxed);
        entry.word.store(identity | LIVE, Release);
        Ok(Self {
            entry,
            base,
            bytes,
            identity,
        })
    }

    /// One that is kept, large enough, and not more than four times that.
    fn take_idle(bytes: usize, identity: u64) -> Option<Self> {
        let fits = |entry: &Entry| {
            let length = entry.bytes.load(Relaxed);
            length >= bytes && length / 4 <= bytes
        };
        TABLE.iter().find_map(|entry| {
            if entry.word.load(Relaxed) != identity | IDLE || !fits(entry) {
                return None;
            }
            entry
                .word
                .compare_exchange(identity | IDLE, identity | LIVE, Acquire, Relaxed)
                .ok()?;
            // Ours now. Between the look and the exchange it may have been another mapping, though.
            let base = NonNull::new(entry.base.load(Relaxed)).filter(|_| fits(entry));
            let Some(base) = base else {
                entry.word.store(identity | IDLE, Release);
                return None;
            };
            Some(Self {
                entry,
                base,
                bytes: entry.bytes.load(Relaxed),
                identity,
            })
        })
    }

    /// Where it begins: on a page.
    #[must_use]
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// How long it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it belongs to a process that this one was forked off from: then nobody may touch the memory.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.identity & OWNER != owner()
    }

    /// Makes it at least that long, with the content kept; it may move.
    ///
    /// # Errors
    /// The kernel refuses; nothing has changed then.
    pub fn grow(&mut self, bytes: usize) -> Result<(), MapError> {
        let bytes = rounded(bytes)?;
        if bytes <= self.bytes {
            return Ok(());
        }
        let (identity, entry) = (self.identity, self.entry);
        entry.word.store(identity | CHANGING, Relaxed);
        // SAFETY: the range is a mapping of ours, and `&mut self` says that nobody uses it meanwhile.
        let moved = unsafe {
            libc::mremap(
                self.base.as_ptr().cast(),
                self.bytes,
                bytes,
                libc::MREMAP_MAYMOVE,
            )
        };
        let grown = if moved == libc::MAP_FAILED {
            Err(MapError::Refused(last_errno()))
        } else {
            NonNull::new(moved.cast()).ok_or(MapError::Refused(0))
        };
        if let Ok(base) = grown {
            self.base = base;
            self.bytes = bytes;
            entry.base.store(base.as_ptr(), Relaxed);
            entry.bytes.store(bytes, Relaxed);
        }
        entry.word.store(identity | LIVE, Release);
        grown.map(|_| ())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.is_inherited() {
            return;
        }
        let idle = self.identity | IDLE;
        let keep = self.bytes <= IDLE_BYTES
            && TABLE
                .iter()
                .filter(|entry| entry.word.load(Relaxed) == idle)
                .count()
                < IDLE_MOST;
        if keep {
            self.entry.word.store(idle, Release);
        } else {
            unmap(self.entry, self.base.as_ptr(), self.bytes, self.identity);
        }
    }
}

/// Maps memory that is never given back, by forked children neither: they go on using it, with what it holds. Zeroed.
///
/// # Errors
/// As [`Mapping::new`].
pub fn for_good(bytes: usize, kind: Kind) -> Result<NonNull<u8>, MapError> {
    let mapping = Mapping::fresh(rounded(bytes)?, kind)?;
    let base = mapping.base;
    std::mem::forget(mapping);
    Ok(base)
}

/// After a fork: unmaps all that the parents kept for `kind`, and returns how many mappings that were. What this process
/// has mapped itself stays.
pub fn unmap_inherited(kind: Kind, _alone: &Alone) -> usize {
    let own = owner();
    let mut unmapped = 0;
    for entry in &TABLE {
        let word = entry.word.load(Acquire);
        let inherited = word != FREE && word & OWNER != own;
        if inherited && word & KIND == of_kind(kind) && word & STATE != CHANGING {
            let base = entry.base.load(Relaxed);
            unmap(entry, base, entry.bytes.load(Relaxed), word & !STATE);
            unmapped += 1;
        }
    }
    unmapped
}

fn rounded(bytes: usize) -> Result<usize, MapError> {
    bytes
        .max(1)
        .checked_next_multiple_of(PAGE)
        .ok_or(MapError::Refused(libc::ENOMEM))
}

// Fork: kept; what lies there in a child does not matter.
/// Where the last mappings begin: those that forks copy, and those that they wipe.
static LAST: [AtomicPtr<u8>; 2] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 2];

/// As far as there is room, right below the one before: the kernel joins neighbours of the same kind, and what it joins costs a fork once.
fn map(bytes: usize, kind: Kind) -> Result<NonNull<u8>, ()> {
    let [copied, wiped] = &LAST;
    let last = if kind.is_wiped() { wiped } else { copied };
    let before = last.load(Relaxed);
    // No hint for the first: one above the usual 47 bits would be taken for consent to addresses up there (Linux, mmap(2) with five levels of page tables).
    let below = if before.is_null() {
        before
    } else {
        before.wrapping_sub(bytes)
    };
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing that exists; ours is a hint.
    let base = unsafe {
        libc::mmap(
            below.cast(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(());
    }
    last.store(base.cast(), Relaxed);
    NonNull::new(base.cast()).ok_or(())
}

/// From here on forks wipe these pages, a mapping of the caller's. False if the kernel does not know how; they are copied then.
pub(crate) fn wipe(base: NonNull<u8>, bytes: usize) -> bool {
    // SAFETY: the advice concerns what children see of a mapping of ours.
    unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_WIPEONFORK) == 0 }
}

/// The caller owns the entry.
fn unmap(entry: &Entry, base: *mut u8, bytes: usize, identity: u64) {
    entry.word.store(identity | CHANGING, Relaxed);
    // SAFETY: the range is a mapping of ours that nobody uses: its owner is being dropped, or is gone.
    unsafe { libc::munmap(base.cast(), bytes) };
    entry.base.store(std::ptr::null_mut(), Relaxed);
    entry.bytes.store(0, Relaxed);
    entry.word.store(FREE, Release);
}

fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

#[cfg(all(test, not(loom)))]
mod tests;
