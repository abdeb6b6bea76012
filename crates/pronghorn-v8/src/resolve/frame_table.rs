//! What raw frames have resolved to: each frame of each sample is looked up here, and nearly all of them are known.
//!
//! Not `std::collections::HashMap`: looking up takes as long as its memory is away, and between two slices the program has used the processor's caches. The
//! frames that come next are known beforehand, so what their look-ups will read is asked for some frames ahead ([`FrameTable::ahead`]), which a map's
//! interface cannot say. Nothing is ever removed but everything at once.

use std::hash::{Hash, Hasher};

use crate::address_hash::AddressHasher;
use crate::function_info::Resolved;
use crate::raw_frame::RawFrame;
use pronghorn_sync::prefetch_place;

// Bounds; a table that reaches one is emptied.
const MOST_FRAMES: usize = 1 << 16;
const MOST_RESOLVED: usize = 1 << 18;
const FIRST_BUCKETS: usize = 1 << 10;

/// How many frames ahead a bucket is asked for, then the entry that it names, then what that resolved to.
const BUCKET_AHEAD: usize = 12;
const ENTRY_AHEAD: usize = 8;
const RESOLVED_AHEAD: usize = 4;

/// A frame, where what it resolved to stands, and how many that are.
#[derive(Clone, Copy)]
struct Entry {
    raw: RawFrame,
    start: u32,
    count: u32,
}

/// See the module documentation.
pub(super) struct FrameTable<F> {
    /// Positions of entries plus one, 0 for none, by the hashes of their frames: open addressing, at most half full.
    buckets: Vec<u32>,
    entries: Vec<Entry>,
    /// In the order of first sight: what lies on one stack is looked up together.
    resolved: Vec<Resolved<F>>,
}

impl<F: Clone> FrameTable<F> {
    pub(super) const fn new() -> Self {
        Self {
            buckets: Vec::new(),
            entries: Vec::new(),
            resolved: Vec::new(),
        }
    }

    /// What `raw` resolved to, the innermost function first, if it is known.
    pub(super) fn get(&self, raw: &RawFrame) -> Option<&[Resolved<F>]> {
        let entry = self.find(raw)?;
        self.resolved
            .get(entry.start as usize..)?
            .get(..entry.count as usize)
    }

    fn find(&self, raw: &RawFrame) -> Option<&Entry> {
        let mask = self.buckets.len().checked_sub(1)?;
        let mut bucket = hash(raw) & mask;
        loop {
            let position = self.buckets.get(bucket)?.checked_sub(1)?;
            let entry = self.entries.get(position as usize)?;
            if entry.raw == *raw {
                return Some(entry);
            }
            bucket = (bucket + 1) & mask;
        }
    }

    /// Adds a frame that is not in the table yet.
    pub(super) fn insert(&mut self, raw: &RawFrame, resolved: &[Resolved<F>]) {
        if self.entries.len() >= MOST_FRAMES || self.resolved.len() >= MOST_RESOLVED {
            self.clear();
        }
        self.grow_if_full();
        self.entries.push(Entry {
            raw: *raw,
            start: self.resolved.len() as u32,
            count: resolved.len() as u32,
        });
        self.resolved.extend_from_slice(resolved);
        put(&mut self.buckets, raw, self.entries.len() as u32);
    }

    fn grow_if_full(&mut self) {
        if self.entries.len() * 2 < self.buckets.len() {
            return;
        }
        self.buckets = vec![0; (self.buckets.len() * 2).max(FIRST_BUCKETS)];
        for (entry, position) in self.entries.iter().zip(1..) {
            put(&mut self.buckets, &entry.raw, position);
        }
    }

    /// Forgets all of them; the memory stays.
    pub(super) fn clear(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        self.buckets.fill(0);
        self.entries.clear();
        self.resolved.clear();
    }

    /// Has the processor fetch what the look-ups of the next frames will read. `next` are those that are still to be looked up, the one of this moment first.
    pub(super) fn ahead(&self, next: &[RawFrame]) {
        let Some(mask) = self.buckets.len().checked_sub(1) else {
            return;
        };
        if let Some(raw) = next.get(BUCKET_AHEAD)
            && let Some(bucket) = self.buckets.get(hash(raw) & mask)
        {
            prefetch_place(bucket);
        }
        // By its first bucket, which is nearly always the right one.
        let entry = |raw| {
            let position = self.buckets.get(hash(raw) & mask)?.checked_sub(1)?;
            self.entries.get(position as usize)
        };
        if let Some(entry) = next.get(ENTRY_AHEAD).and_then(entry) {
            prefetch_place(entry);
        }
        if let Some(entry) = next.get(RESOLVED_AHEAD).and_then(entry)
            && let Some(resolved) = self.resolved.get(entry.start as usize)
        {
            prefetch_place(resolved);
        }
    }
}

fn hash(raw: &RawFrame) -> usize {
    let mut hasher = AddressHasher::default();
    raw.hash(&mut hasher);
    hasher.finish() as usize
}

/// Puts a position plus one into the first free bucket.
fn put(buckets: &mut [u32], raw: &RawFrame, position: u32) {
    let Some(mask) = buckets.len().checked_sub(1) else {
        return;
    };
    let mut bucket = hash(raw) & mask;
    while let Some(place) = buckets.get_mut(bucket) {
        if *place == 0 {
            *place = position;
            return;
        }
        bucket = (bucket + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function_info::Place;

    fn raw(index: u64) -> RawFrame {
        RawFrame::compiled(0x7f00_0000_0000 + index * 32, false, 1 + index % 7 * 64)
    }

    /// As many as the index says modulo three, one after the other.
    fn resolved(index: u64) -> Vec<Resolved<u64>> {
        (0..index % 3)
            .map(|inner| Resolved {
                function: index * 10 + inner,
                place: Place::default(),
            })
            .collect()
    }

    fn check(table: &FrameTable<u64>, index: u64) {
        let known = table.get(&raw(index)).map(<[_]>::to_vec);
        assert_eq!(known, Some(resolved(index)), "{index}");
    }

    #[test]
    fn what_was_put_in_is_found_and_nothing_else_while_it_grows() {
        let mut table = FrameTable::new();
        assert!(table.get(&raw(0)).is_none());
        for index in 0..5_000 {
            assert!(table.get(&raw(index)).is_none());
            table.insert(&raw(index), &resolved(index));
            check(&table, index);
        }
        for index in 0..5_000 {
            check(&table, index);
        }
        assert!(table.entries.len() * 2 <= table.buckets.len());
        table.clear();
        assert!(table.get(&raw(7)).is_none());
        table.insert(&raw(7), &resolved(7));
        check(&table, 7);
    }

    #[test]
    fn a_full_one_begins_anew() {
        let mut table = FrameTable::new();
        let most = MOST_FRAMES as u64;
        for index in 0..=most {
            table.insert(&raw(index), &resolved(index));
        }
        check(&table, most);
        assert_eq!(table.entries.len(), 1);
        assert!(table.get(&raw(0)).is_none());
    }

    #[test]
    fn asking_ahead_changes_nothing() {
        let mut table = FrameTable::new();
        table.ahead(&[]);
        let frames: Vec<RawFrame> = (0..200).map(raw).collect();
        table.ahead(&frames);
        for index in 0..100 {
            table.insert(&raw(index), &resolved(index));
        }
        for at in 0..=frames.len() {
            table.ahead(&frames[at..]);
        }
        assert_eq!(table.entries.len(), 100);
        check(&table, 99);
    }
}
