//! The hash of what is known by an address: the resolver's tables, which each frame of each sample is looked up in.
//!
//! The standard library's default hash keeps out keys that were chosen to collide, which nobody can do with addresses of V8's heap, and costs more
//! than the rest of a look-up.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are made of addresses and numbers.
pub(crate) type AddressMap<K, V> = HashMap<K, V, BuildHasherDefault<AddressHasher>>;

/// A set of the same.
pub(crate) type AddressSet<K> = HashSet<K, BuildHasherDefault<AddressHasher>>;

/// Odd, with its bits evenly spread: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Multiplies to 128 bits and folds the halves, word by word: every bit of a key reaches those that a table goes by, the lowest and the
/// highest ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AddressHasher(u64);

impl AddressHasher {
    fn mix(&mut self, word: u64) {
        let product = u128::from((self.0.rotate_left(23) ^ word).wrapping_add(MULTIPLIER))
            * u128::from(MULTIPLIER);
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
}

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (place, byte) in word.iter_mut().zip(chunk) {
                *place = *byte;
            }
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_i32(&mut self, value: i32) {
        self.mix(u64::from(value.cast_unsigned()));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::Hash;

    use super::*;

    fn hash_of(value: impl Hash) -> u64 {
        let mut hasher = AddressHasher::default();
        value.hash(&mut hasher);
        hasher.finish()
    }

    /// A table takes its bucket from the lowest bits and tells those of one bucket apart by the highest seven.
    #[test]
    fn neighbouring_addresses_spread_over_both_ends() {
        let hashes = || (0..4096u64).map(|index| hash_of(0x7f12_3456_0001 + index * 32));
        let low: HashSet<u64> = hashes().map(|hash| hash & 0xfff).collect();
        let high: HashSet<u64> = hashes().map(|hash| hash >> 57).collect();
        // 4096 throws into 4096 buckets hit 63% of them.
        assert!(low.len() > 2400, "{}", low.len());
        assert_eq!(high.len(), 128);
    }

    #[test]
    fn the_order_of_words_counts_and_bytes_do_too() {
        assert_ne!(hash_of((1u64, 2u64)), hash_of((2u64, 1u64)));
        assert_ne!(hash_of(0u64), hash_of((0u64, 0u64)));
        assert_ne!(
            hash_of([1u8, 2, 3].as_slice()),
            hash_of([1u8, 2, 4].as_slice())
        );
    }
}
