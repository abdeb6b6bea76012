//! The tables that an encoder looks everything up in.
//!
//! The standard library's hash takes a twelfth of an encoding. This one is seeded by it, anew for each table, so that names that were chosen to
//! collide do not. Not by its own random seed: a process makes that once, under a lock that spins, which a fork could leave taken in the child.
//!
//! Fork: nothing is kept.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use foldhash::fast::{FixedState, FoldHasher};

/// A map with a fast hash.
pub type FastMap<K, V> = HashMap<K, V, FastHash>;

/// The hash of one map.
#[derive(Debug, Clone)]
pub struct FastHash(FixedState);

impl Default for FastHash {
    fn default() -> Self {
        Self(FixedState::with_seed(RandomState::new().hash_one(())))
    }
}

impl BuildHasher for FastHash {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_map_has_a_hash_of_its_own() {
        let hashes: Vec<u64> = (0..8).map(|_| FastHash::default().hash_one("a")).collect();
        assert!(hashes.iter().any(|&hash| hash != hashes[0]), "{hashes:?}");
        let map: FastMap<&str, u32> = [("a", 1), ("b", 2)].into_iter().collect();
        assert_eq!((map.get("a"), map.get("c")), (Some(&1), None));
    }
}
