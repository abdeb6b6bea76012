//! The hash of the slot's tables, and an index from hashes to positions in a vector.
//!
//! Not `std::collections::HashMap`: the hash of a stack is computed before the slot is locked and must be handed in, and a
//! stack is looked up by frames that are compared with stored frame numbers, which the map's interface cannot say. The
//! default hasher would also cost several times the rest of the lookup. Nothing is ever removed, which keeps it small.

use pronghorn_sync::mapping::{Kind, MapError};
use pronghorn_sync::{MappedVec, prefetch_place};

/// Odd, with its bits evenly spread: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Takes one more word into a hash. Multiplies to 128 bits and folds the halves, so every bit reaches the low ones, which
/// are the ones the index uses.
pub(crate) const fn mix(hash: u64, word: u64) -> u64 {
    // The rotation makes the order of the words matter; the sum keeps a zero word from ending in zero.
    let product =
        (hash.rotate_left(23) ^ word).wrapping_add(MULTIPLIER) as u128 * MULTIPLIER as u128;
    (product as u64) ^ (product >> 64) as u64
}

/// Finds positions in a vector by hash: open addressing with linear probing, at most half full.
#[derive(Debug)]
pub(crate) struct HashIndex {
    /// Position + 1, or 0 for a free bucket. The length is 0 or a power of two.
    buckets: MappedVec<u32>,
    len: usize,
}

impl HashIndex {
    /// An index without memory.
    pub(crate) const fn new() -> Self {
        Self {
            buckets: MappedVec::new(Kind::Slot),
            len: 0,
        }
    }

    /// An index that holds that many positions before it has to grow.
    pub(crate) fn with_capacity(positions: usize) -> Result<Self, MapError> {
        let buckets = positions.max(8).saturating_mul(2).next_power_of_two();
        Ok(Self {
            buckets: MappedVec::filled(0, buckets, Kind::Slot)?,
            len: 0,
        })
    }

    /// The position with that hash for which `is_same` says yes.
    pub(crate) fn find(&self, hash: u64, is_same: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.buckets.len().checked_sub(1)?;
        let mut bucket = hash as usize & mask;
        loop {
            let position = self.buckets[bucket].checked_sub(1)?;
            if is_same(position) {
                return Some(position);
            }
            bucket = (bucket + 1) & mask;
        }
    }

    /// Which position [`HashIndex::find`] will look at first.
    pub(crate) fn first(&self, hash: u64) -> Option<u32> {
        let mask = self.buckets.len().checked_sub(1)?;
        self.buckets[hash as usize & mask].checked_sub(1)
    }

    /// Has the processor fetch the bucket.
    pub(crate) fn prefetch(&self, hash: u64) {
        if let Some(mask) = self.buckets.len().checked_sub(1) {
            prefetch_place(&self.buckets[hash as usize & mask]);
        }
    }

    /// Makes room for one more position, so that the next [`HashIndex::insert`] has it. `hash_of` tells the hashes of the
    /// earlier ones, for growing.
    pub(crate) fn reserve_one(&mut self, hash_of: impl Fn(u32) -> u64) -> Result<(), MapError> {
        if (self.len + 1) * 2 <= self.buckets.len() {
            return Ok(());
        }
        let mut grown = Self::with_capacity(self.buckets.len().max(8))?;
        for earlier in self
            .buckets
            .iter()
            .filter_map(|bucket| bucket.checked_sub(1))
        {
            grown.insert(hash_of(earlier), earlier);
        }
        *self = grown;
        Ok(())
    }

    /// Adds a position that is not in the index yet, after [`HashIndex::reserve_one`]. `position` must be below `u32::MAX`.
    pub(crate) fn insert(&mut self, hash: u64, position: u32) {
        let mask = self.buckets.len() - 1;
        let mut bucket = hash as usize & mask;
        while self.buckets[bucket] != 0 {
            bucket = (bucket + 1) & mask;
        }
        self.buckets[bucket] = position + 1;
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_and_nothing_else_while_it_grows() {
        let hash_of = |position: u32| mix(0, u64::from(position) * 3);
        let mut index = HashIndex::new();
        assert_eq!(index.find(hash_of(0), |_| true), None);
        for position in 0..5_000 {
            assert_eq!(
                index.find(hash_of(position), |found| found == position),
                None
            );
            index.reserve_one(hash_of).expect("memory");
            index.insert(hash_of(position), position);
        }
        for position in 0..5_000 {
            assert_eq!(
                index.find(hash_of(position), |found| found == position),
                Some(position)
            );
        }
        assert!(index.len * 2 <= index.buckets.len());
    }

    #[test]
    fn equal_hashes_are_told_apart_by_the_comparison() {
        let mut index = HashIndex::with_capacity(4).expect("memory");
        for position in 0..100 {
            index.reserve_one(|_| 7).expect("memory");
            index.insert(7, position);
        }
        assert_eq!(index.find(7, |found| found == 42), Some(42));
        assert_eq!(index.find(7, |found| found == 100), None);
    }

    #[test]
    fn the_order_and_the_number_of_words_matter() {
        assert_ne!(mix(mix(0, 1), 2), mix(mix(0, 2), 1));
        assert_ne!(mix(0, 0), mix(mix(0, 0), 0));
    }
}
