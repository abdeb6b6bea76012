//! What an AsyncLocalStorage holds for the code that runs, read without running any: usable in the signal handler.
//!
//! Where Node keeps the contexts of asynchronous work in V8 (AsyncContextFrame: the default from 24 on, a flag on 22), the frame in
//! force is a word of the isolate, V8's "continuation-preserved embedder data": a JavaScript Map, of a class of Node's, from
//! each AsyncLocalStorage to its store. Node makes a new Map for each change and never alters one that is in force, but for
//! `AsyncLocalStorage.disable()`, so the table is whole whenever one looks, except during a garbage collection.
//!
//! No version exports where that word lies, nor how a Map is laid out. [`StorePlace::find`] looks for it: the one word of the isolate from
//! which the way leads to an entry with a storage and a number that its caller has just put there. The caller does so several times, with other
//! numbers, and goes by the place only if it was the same each time, and if it is nothing when nothing was put there.
//!
//! Reading is bounded: 64 entries, three loads each at most. Whatever is not as expected is no number.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, instance_type, is_pointer, smi, smi_field};

/// `JSCollection::table`, behind map, properties and elements.
const TABLE: u64 = 24;
/// `OrderedHashMap`, a FixedArray: live entries, deleted ones, buckets; then the buckets, then the entries.
const LIVE: u64 = 16;
const DELETED: u64 = 24;
const BUCKETS: u64 = 32;
const FIRST_BUCKET: u64 = 40;
/// Key, value, next of the bucket.
const ENTRY: u64 = 24;
const VALUE: u64 = 8;
/// Storages that a program has at a time; beyond that it has no labels.
const MOST_ENTRIES: i32 = 64;
/// Bytes of the isolate that are looked through. The word lies at 576 (Node 22), 632 (24) and 680 (26).
const LOOKED_THROUGH: u64 = 16 << 10;

/// Where the frame in force is found, and what it looks like. Fits into a word, so that it can be published as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorePlace {
    /// Bytes from the isolate.
    offset: u32,
    map_type: u16,
    table_type: u16,
}

impl StorePlace {
    /// The first place at or behind `from` bytes that leads from the isolate to the number `wanted` under `key` (a tagged object).
    pub fn find<M: Memory>(
        memory: &M,
        layout: &Layout,
        isolate: u64,
        key: u64,
        wanted: i32,
    ) -> Option<Self> {
        (0..LOOKED_THROUGH)
            .step_by(8)
            .map_while(|offset| memory.u64(isolate + offset).map(|frame| (offset, frame)))
            .find_map(|(offset, frame)| {
                let table = is_pointer(frame)
                    .then(|| field(memory, frame, TABLE))
                    .flatten()?;
                if look_up(memory, table, key)? != wanted {
                    return None;
                }
                Some(Self {
                    offset: offset as u32,
                    map_type: instance_type(memory, layout, frame)?,
                    table_type: instance_type(memory, layout, table)?,
                })
            })
    }

    /// The number under `key` in the frame in force, if there is one.
    #[inline]
    pub fn read<M: Memory>(
        &self,
        memory: &M,
        layout: &Layout,
        isolate: u64,
        key: u64,
    ) -> Option<i32> {
        let frame = memory.u64(isolate + u64::from(self.offset))?;
        if instance_type(memory, layout, frame)? != self.map_type {
            return None;
        }
        let table = field(memory, frame, TABLE)?;
        if instance_type(memory, layout, table)? != self.table_type {
            return None;
        }
        look_up(memory, table, key)
    }

    /// Bytes from the isolate to the word.
    #[must_use]
    pub const fn offset(&self) -> u32 {
        self.offset
    }

    /// All of it in one word, which is not 0.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        (self.offset as u64) << 32 | (self.map_type as u64) << 16 | self.table_type as u64
    }

    /// The place that [`Self::to_word`] made the word of.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self {
            offset: (word >> 32) as u32,
            map_type: (word >> 16) as u16,
            table_type: word as u16,
        }
    }
}

/// The number under `key` in a table.
#[inline]
fn look_up<M: Memory>(memory: &M, table: u64, key: u64) -> Option<i32> {
    let live = smi_field(memory, table, LIVE)?;
    let deleted = smi_field(memory, table, DELETED)?;
    let buckets = smi_field(memory, table, BUCKETS)?;
    let small = 0..=MOST_ENTRIES;
    if !small.contains(&live) || !small.contains(&deleted) || !small.contains(&buckets) {
        return None;
    }
    let entries = table - 1 + FIRST_BUCKET + 8 * buckets as u64;
    (0..(live + deleted).min(MOST_ENTRIES) as u64)
        .map(|index| entries + index * ENTRY)
        .find_map(|entry| match memory.u64(entry) {
            Some(word) if word == key => Some(memory.u64(entry + VALUE).and_then(smi)),
            Some(_) => None,
            None => Some(None),
        })?
}

#[cfg(test)]
mod tests;
