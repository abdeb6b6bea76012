//! The sets of labels of the process, by number: a bounded table that forgets what has not been used for longest.
//!
//! A program may use a request's id as a label, so sets cannot be kept for ever, and nobody can tell when the last asynchronous
//! work that carries one is gone. So the table has room for [`CAPACITY`] sets. A new one takes the place of that which was least recently entered
//! or sampled among the [`WAYS`] that share its hash: about so many new ones after its last use. A number that has been forgotten stands for nothing
//! and is not given again for a long time: work that still carries it is not labelled, and counted where it is sampled.
//!
//! A number is a place in the table and how often that has been used (its generation), 14 and 17 bits: a small integer of V8's that
//! is not 0.
//!
//! # Memory
//! A mapping of our own, which JavaScript sees too: `tags` says which number is in each place, so it needs no call to know that its own is
//! still good; `used` says when, by `tick`, which counts the new sets. JavaScript and handlers write `used`, with plain stores: one that is lost
//! makes a set look a little older.
//!
//! # Threads
//! Any JavaScript thread makes and looks up sets, under the lock, for a microsecond. Handlers only [`touch`].
//!
//! # Fork
//! The child goes on with the parent's table: the work it is in the middle of carries numbers. Each place is a pointer, stored last and taken
//! out first, so that another thread that ceased to exist in the middle leaves a whole set or none. The lock is made anew.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use pronghorn_recorder::LabelSet;
use pronghorn_sync::{Alone, Guarded, Resettable};

use crate::{mapping, statistics};

/// Sets that the process knows at a time.
pub const CAPACITY: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Places among which a set may lie.
pub const WAYS: usize = 8;
/// Generations run from 1 to this.
const LAST_GENERATION: u32 = (1 << 17) - 1;
/// Labels that one set may have.
pub const MOST_LABELS: usize = 16;

/// What JavaScript sees, and behind it the sets.
#[repr(C)]
struct Table {
    /// Counts the sets that were made.
    tick: AtomicU32,
    unused: AtomicU32,
    tags: [AtomicU32; CAPACITY],
    used: [AtomicU32; CAPACITY],
    /// Each an `Arc`'s pointer, or null.
    sets: [AtomicPtr<LabelSet>; CAPACITY],
    /// Generations of the places; they outlive what was in them.
    generations: [AtomicU32; CAPACITY],
}

/// 32-bit words that JavaScript sees: `tick`, an unused one, `tags`, `used`.
pub const SHARED_WORDS: usize = 2 + 2 * CAPACITY;

/// A set would have too many labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyLabels;

struct State {
    table: AtomicPtr<Table>,
    lock: Guarded<()>,
}

impl State {
    const fn new() -> Self {
        Self {
            table: AtomicPtr::new(std::ptr::null_mut()),
            lock: Guarded::new(()),
        }
    }

    /// What a child starts with: the same sets, and nobody at work on them.
    fn inherited(&self) -> Self {
        let Self { table, lock: _ } = self;
        Self {
            table: AtomicPtr::new(table.load(Relaxed)),
            ..Self::new()
        }
    }

    fn table(&self) -> Option<&'static Table> {
        // SAFETY: null, or memory mapped for good by `map`, of which zeroes are a valid content.
        unsafe { self.table.load(Acquire).as_ref() }
    }

    /// The memory; mapped at the first call.
    fn map(&self) -> Option<&'static Table> {
        self.lock.lock().with(|()| {
            if self.table().is_none() {
                let fresh = mapping::map(size_of::<Table>())?;
                self.table.store(fresh.cast(), Release);
            }
            self.table()
        })
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// Where the [`SHARED_WORDS`] begin; `None` without memory. They stay there for as long as the process lives.
pub fn shared_words() -> Option<*mut u32> {
    let table = STATE.get().map()?;
    Some(std::ptr::from_ref(table).cast_mut().cast())
}

/// The number of the set that has the labels of `outer` (0: none) and on top of them these. Not from a signal handler. 0 without memory, and
/// for a set without labels.
pub fn intern(outer: u32, labels: &[(&str, &str)]) -> Result<u32, TooManyLabels> {
    let around = resolve(outer);
    let around = around.iter().flat_map(|set| set.pairs());
    let set = LabelSet::new(around.chain(labels.iter().copied()));
    if set.pairs().len() > MOST_LABELS {
        return Err(TooManyLabels);
    }
    if set.pairs().len() == 0 {
        return Ok(0);
    }
    let state = STATE.get();
    let number = state.map().map(|table| {
        let mut lock = state.lock.lock();
        lock.with(|()| table.number_of(set))
    });
    Ok(number.unwrap_or(0))
}

/// The set with this number, if it has not been forgotten. Not from a signal handler.
pub fn resolve(number: u32) -> Option<Arc<LabelSet>> {
    let state = STATE.get();
    let table = state.table()?;
    state.lock.lock().with(|()| table.get(number))
}

/// The set is in use. Async-signal-safe.
pub(crate) fn touch(number: u32) {
    if let Some(table) = STATE.get().table() {
        let place = place_of(number);
        if table.tags[place].load(Relaxed) == number {
            table.used[place].store(table.tick.load(Relaxed), Relaxed);
        }
    }
}

/// In a forked process, step two.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

const fn place_of(number: u32) -> usize {
    number as usize & (CAPACITY - 1)
}

/// Under the lock.
impl Table {
    fn get(&self, number: u32) -> Option<Arc<LabelSet>> {
        let place = place_of(number);
        let set = self.sets[place].load(Acquire);
        if number == 0 || self.tags[place].load(Relaxed) != number || set.is_null() {
            return None;
        }
        // SAFETY: stored by `put`, from `Arc::into_raw`, and not taken out yet: that needs the lock.
        unsafe {
            Arc::increment_strong_count(set);
            Some(Arc::from_raw(set))
        }
    }

    fn number_of(&self, set: LabelSet) -> u32 {
        let first = (set.hash() as usize % (CAPACITY / WAYS)) * WAYS;
        let group = first..first + WAYS;
        let known = group.clone().find(|&place| {
            // SAFETY: null, or alive as in `get`.
            unsafe { self.sets[place].load(Acquire).as_ref() }.is_some_and(|known| *known == set)
        });
        let tick = self.tick.load(Relaxed);
        if let Some(place) = known {
            self.used[place].store(tick, Relaxed);
            return self.tags[place].load(Relaxed);
        }
        let age = |place: &usize| {
            if self.sets[*place].load(Acquire).is_null() {
                u32::MAX
            } else {
                tick.wrapping_sub(self.used[*place].load(Relaxed))
            }
        };
        let place = group.max_by_key(age).unwrap_or(first);
        self.put(place, set, tick.wrapping_add(1))
    }

    fn put(&self, place: usize, set: LabelSet, tick: u32) -> u32 {
        self.tags[place].store(0, Relaxed);
        let before = self.sets[place].swap(std::ptr::null_mut(), Release);
        if !before.is_null() {
            // SAFETY: stored below, from `Arc::into_raw`; taken out once.
            drop(unsafe { Arc::from_raw(before) });
            statistics::shared()
                .forgotten_label_sets
                .fetch_add(1, Relaxed);
        }
        let generation = self.generations[place].load(Relaxed) % LAST_GENERATION + 1;
        self.generations[place].store(generation, Relaxed);
        let number = generation << INDEX_BITS | place as u32;
        self.used[place].store(tick, Relaxed);
        self.tick.store(tick, Relaxed);
        self.tags[place].store(number, Relaxed);
        self.sets[place].store(Arc::into_raw(Arc::new(set)).cast_mut(), Release);
        number
    }
}

#[cfg(test)]
mod tests;
