//! The table of mappings: what there is, whose it is, and how it stands. See the module above for what a child does with it.
//!
//! A fixed array of atomics in the image. Each entry has a word: the generation that it belongs to, what it is
//! for ([`Kind`]), and how it stands:
//!
//! ```text
//! FREE ──► CHANGING ──► LIVE ◄──► IDLE      IDLE: kept for the next who asks, since a system call and fresh pages
//!             ▲          │         │        cost more than the allocator would
//!             └──────────┴─────────┘        CHANGING: being mapped, moved or unmapped
//! ```
//!
//! # Threads
//! Any, not from signal handlers. Whoever brings an entry out of FREE or IDLE, by compare-and-exchange, owns it; base and
//! length are written by the owner alone, between acquiring the word and releasing it.
//!
//! Fork: the child has a copy, in which every entry of the parent's is known by its generation.

use std::sync::atomic::{
    AtomicPtr, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed},
};

use super::Kind;
use crate::fork;

/// How many mappings there can be at a time: the slots of a recorder need eighteen, each of the sampler's 256 threads two.
const ENTRIES: usize = 1024;

/// Aligned, so that none lies across two pages: a fork copies memory by the page.
#[repr(align(32))]
pub(super) struct Entry {
    pub(super) word: AtomicU64,
    pub(super) base: AtomicPtr<u8>,
    pub(super) bytes: AtomicUsize,
}

// Fork: each entry carries the generation that mapped it; `unmap_inherited` gives back those of the parent's.
pub(super) static TABLE: [Entry; ENTRIES] = [const {
    Entry {
        word: AtomicU64::new(FREE),
        base: AtomicPtr::new(std::ptr::null_mut()),
        bytes: AtomicUsize::new(0),
    }
}; ENTRIES];

// An entry's word: the generation that it belongs to in the upper half, then the kind, and the state.
pub(super) const FREE: u64 = 0;
pub(super) const CHANGING: u64 = 1;
pub(super) const LIVE: u64 = 2;
pub(super) const IDLE: u64 = 3;
pub(super) const STATE: u64 = 0xff;
pub(super) const KIND: u64 = 0xff00;
const KIND_SHIFT: u32 = 8;
pub(super) const OWNER: u64 = !0 << OWNER_SHIFT;
const OWNER_SHIFT: u32 = 32;

/// Who maps: the process of this generation.
pub(super) fn owner() -> u64 {
    u64::from(fork::generation()) << OWNER_SHIFT
}

pub(super) const fn of_kind(kind: Kind) -> u64 {
    (kind as u64) << KIND_SHIFT
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:#x}", self.word.load(Relaxed))
    }
}

/// How many mappings there are, the parents' that are not unmapped yet included.
#[must_use]
pub fn live_mappings() -> usize {
    TABLE
        .iter()
        .filter(|entry| entry.word.load(Relaxed) != FREE)
        .count()
}

/// How many bytes they have. May be off by a mapping that changes at this moment.
#[must_use]
pub fn live_bytes() -> usize {
    TABLE
        .iter()
        .filter(|entry| entry.word.load(Acquire) != FREE)
        .map(|entry| entry.bytes.load(Relaxed))
        .sum()
}
