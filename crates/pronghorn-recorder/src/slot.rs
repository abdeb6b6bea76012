//! What one slot collects during one period: distinct stacks per thread and set of labels, each with the sum of its values.
//!
//! Frames are numbered on first sight, and a stack is a run of frame numbers, four bytes a frame. Recording a stack that was
//! seen before allocates nothing: the hash, computed before the slot is locked, leads to the stack, and its frames are
//! compared one by one. A new stack looks up each of its frames and clones the `Arc`s of the new ones.
//!
//! Threads: none of its own. A slot's data is owned either by its [`Guarded`](pronghorn_sync::Guarded) cell or, after its
//! period, by the [`FinishedPeriod`](crate::FinishedPeriod).
//!
//! Fork: the tables lie in mappings of our own. A child unmaps its parent's, wherever they were at the instant of the fork,
//! without looking into them: the functions that they refer to are abandoned with them.

use std::sync::Arc;

use pronghorn_sync::mapping::{Kind, MapError};
use pronghorn_sync::{MappedVec, prefetch_place};

use crate::hash::{HashIndex, mix};
use crate::{Frame, LabelSet, Sample, ThreadLabel, Values};

/// The most frame numbers that the stacks of one slot may hold together: 2^25, or 128 MiB. A recorder that is never
/// rotated stops growing there instead of eating the host's memory.
const MAX_STORED_FRAMES: usize = 1 << 25;

/// The most distinct stacks in one slot.
const MAX_STACKS: usize = 1 << 22;
/// How many frames ahead a bucket is asked for, then the frame that it names.
const BUCKET_AHEAD: usize = 8;
const FRAME_AHEAD: usize = 4;

/// How much room a slot is prepared with. The recorder goes by the last period, so that a busy program's tables seldom
/// grow while a slot is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) frames: usize,
    pub(crate) stacks: usize,
    pub(crate) stored_frames: usize,
}

impl Capacity {
    pub(crate) const DEFAULT: Self = Self {
        frames: 1_024,
        stacks: 1_024,
        stored_frames: 16_384,
    };
}

/// The content of a slot. Made by [`Recorder::prepare`](crate::Recorder::prepare), before any lock is taken, and handed to
/// [`Recorder::flip`](crate::Recorder::flip), which puts it in the place of the inactive slot's.
#[derive(Debug)]
pub struct SlotData {
    threads: MappedVec<ThreadLabel>,
    /// What the application has labelled samples with: distinct sets.
    label_sets: MappedVec<Arc<LabelSet>>,
    label_index: HashIndex,
    frames: MappedVec<Frame>,
    frame_index: HashIndex,
    stacks: MappedVec<Stack>,
    stack_index: HashIndex,
    /// The frame numbers of all stacks, one after the other.
    stored_frames: MappedVec<u32>,
    max_stored_frames: usize,
}

#[derive(Debug, Clone, Copy)]
struct Stack {
    hash: u64,
    /// Where its frame numbers are in `stored_frames`.
    start: usize,
    len: usize,
    thread: u32,
    /// A position in `label_sets` plus one; 0 for none.
    labels: u32,
    values: Values,
}

/// A stack, for whoever reads the slot: everything by number.
pub(crate) struct StackEntry<'a> {
    pub(crate) thread: u32,
    pub(crate) labels: Option<u32>,
    /// Leaf first.
    pub(crate) frames: &'a [u32],
    pub(crate) values: Values,
}

/// The slot holds as much as a slot may, or as much as there is memory for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl From<MapError> for Full {
    fn from(_no_memory: MapError) -> Self {
        Self
    }
}

/// A sample with its hash, ready to be recorded: what can be done before the lock is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashedSample<'a> {
    pub(crate) sample: Sample<'a>,
    hash: u64,
}

impl<'a> HashedSample<'a> {
    pub(crate) fn new(sample: Sample<'a>) -> Self {
        let start = match sample.labels {
            None => u64::from(sample.thread.id),
            Some(labels) => mix(labels.hash(), u64::from(sample.thread.id)),
        };
        let hash = sample
            .frames
            .iter()
            .fold(start, |hash, frame| mix(hash, frame.hash_word()));
        Self { sample, hash }
    }
}

impl SlotData {
    /// A slot with room prepared. Without memory it has less room or none, and says so when it is recorded into.
    pub(crate) fn with_capacity(capacity: Capacity) -> Self {
        Self::try_with_capacity(capacity).unwrap_or_else(|_no_memory| Self {
            max_stored_frames: MAX_STORED_FRAMES,
            ..Self::placeholder()
        })
    }

    fn try_with_capacity(capacity: Capacity) -> Result<Self, MapError> {
        const KIND: Kind = Kind::Slot;
        Ok(Self {
            threads: MappedVec::with_capacity(8, KIND)?,
            // Most programs use none.
            label_sets: MappedVec::new(KIND),
            label_index: HashIndex::new(),
            frames: MappedVec::with_capacity(capacity.frames, KIND)?,
            frame_index: HashIndex::with_capacity(capacity.frames)?,
            stacks: MappedVec::with_capacity(capacity.stacks, KIND)?,
            stack_index: HashIndex::with_capacity(capacity.stacks)?,
            stored_frames: MappedVec::with_capacity(capacity.stored_frames, KIND)?,
            max_stored_frames: MAX_STORED_FRAMES,
        })
    }

    /// What stands in a closed slot whose data was taken out. Has no memory, and is never recorded into.
    pub(crate) const fn placeholder() -> Self {
        Self {
            threads: MappedVec::new(Kind::Slot),
            label_sets: MappedVec::new(Kind::Slot),
            label_index: HashIndex::new(),
            frames: MappedVec::new(Kind::Slot),
            frame_index: HashIndex::new(),
            stacks: MappedVec::new(Kind::Slot),
            stack_index: HashIndex::new(),
            stored_frames: MappedVec::new(Kind::Slot),
            max_stored_frames: 0,
        }
    }

    /// Whether its memory belongs to a process that this one was forked off from.
    pub(crate) fn is_inherited(&self) -> bool {
        self.stacks.is_inherited()
    }

    /// The room that a slot needs to hold as much as this one.
    pub(crate) fn used(&self) -> Capacity {
        Capacity {
            frames: self.frames.len(),
            stacks: self.stacks.len(),
            stored_frames: self.stored_frames.len(),
        }
    }

    /// Adds a sample: all of it, or nothing if the slot is full.
    pub(crate) fn record(&mut self, hashed: &HashedSample<'_>) -> Result<(), Full> {
        #[cfg(test)]
        injected::panic_if_asked();
        let thread = self.thread_number(hashed.sample.thread)?;
        let labels = match hashed.sample.labels {
            Some(labels) => self.labels_number(labels)?,
            None => 0,
        };
        let position = match self.find(thread, labels, hashed) {
            Some(position) => position,
            None => self.insert(thread, labels, hashed)?,
        };
        self.stacks[position as usize]
            .values
            .add(hashed.sample.values);
        Ok(())
    }

    fn find(&self, thread: u32, labels: u32, hashed: &HashedSample<'_>) -> Option<u32> {
        let frames = hashed.sample.frames;
        self.stack_index.find(hashed.hash, |position| {
            let stack = &self.stacks[position as usize];
            stack.hash == hashed.hash
                && stack.thread == thread
                && stack.labels == labels
                && stack.len == frames.len()
                && self.stored_frames[stack.start..][..stack.len]
                    .iter()
                    .zip(frames)
                    .all(|(&number, frame)| self.frames[number as usize] == *frame)
        })
    }

    /// Adds a stack without values, after all that can fail.
    fn insert(&mut self, thread: u32, labels: u32, hashed: &HashedSample<'_>) -> Result<u32, Full> {
        let frames = hashed.sample.frames;
        let start = self.stored_frames.len();
        if frames.len() > self.max_stored_frames.saturating_sub(start)
            || self.stacks.len() >= MAX_STACKS
        {
            return Err(Full);
        }
        self.stored_frames.reserve(frames.len())?;
        self.stacks.reserve(1)?;
        let stacks = &self.stacks;
        self.stack_index
            .reserve_one(|earlier| stacks[earlier as usize].hash)?;
        for (at, frame) in frames.iter().enumerate() {
            self.ahead(frames, at);
            match self.frame_number(frame) {
                Ok(number) => self.stored_frames.push(number)?,
                Err(full) => {
                    self.stored_frames.truncate(start);
                    return Err(full);
                }
            }
        }
        let position = self.stacks.len() as u32;
        self.stacks.push(Stack {
            hash: hashed.hash,
            start,
            len: frames.len(),
            thread,
            labels,
            values: Values::default(),
        })?;
        self.stack_index.insert(hashed.hash, position);
        Ok(position)
    }

    /// Asks for what the look-ups of the next frames will read, most of which the program has driven out of the processor's caches since the last sample.
    fn ahead(&self, frames: &[Frame], at: usize) {
        if let Some(frame) = frames.get(at + BUCKET_AHEAD) {
            self.frame_index.prefetch(hash_of(frame));
        }
        if let Some(frame) = frames.get(at + FRAME_AHEAD)
            && let Some(number) = self.frame_index.first(hash_of(frame))
            && let Some(known) = self.frames.get(number as usize)
        {
            prefetch_place(known);
        }
    }

    /// There are fewer distinct frames than stored ones, and fewer of those than a `u32` counts.
    fn frame_number(&mut self, frame: &Frame) -> Result<u32, Full> {
        let hash = hash_of(frame);
        let frames = &self.frames;
        if let Some(number) = self
            .frame_index
            .find(hash, |number| frames[number as usize] == *frame)
        {
            return Ok(number);
        }
        let number = self.frames.len() as u32;
        self.frame_index
            .reserve_one(|earlier| hash_of(&frames[earlier as usize]))?;
        self.frames.push(frame.clone())?;
        self.frame_index.insert(hash, number);
        Ok(number)
    }

    /// A process has few threads that run JavaScript, so looking at each is quicker than hashing.
    fn thread_number(&mut self, label: &ThreadLabel) -> Result<u32, Full> {
        let known = self.threads.iter().position(|thread| {
            thread.id == label.id
                && (Arc::ptr_eq(&thread.name, &label.name) || thread.name == label.name)
        });
        if let Some(number) = known {
            return Ok(number as u32);
        }
        self.threads.push(label.clone())?;
        Ok(self.threads.len() as u32 - 1)
    }

    /// Each request may have a set of its own, so they are hashed.
    fn labels_number(&mut self, labels: &Arc<LabelSet>) -> Result<u32, Full> {
        let sets = &self.label_sets;
        let hash = labels.hash();
        let known = self.label_index.find(hash, |position| {
            let known = &sets[position as usize];
            Arc::ptr_eq(known, labels) || known == labels
        });
        if let Some(position) = known {
            return Ok(position + 1);
        }
        let position = self.label_sets.len() as u32;
        self.label_index
            .reserve_one(|earlier| sets[earlier as usize].hash())?;
        self.label_sets.push(Arc::clone(labels))?;
        self.label_index.insert(hash, position);
        Ok(position + 1)
    }

    /// The distinct frames; a stack's frame numbers are positions in it.
    pub(crate) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The threads; a stack's thread number is a position in it.
    pub(crate) fn threads(&self) -> &[ThreadLabel] {
        &self.threads
    }

    /// The sets of labels; a stack's number is a position in it plus one.
    pub(crate) fn label_sets(&self) -> &[Arc<LabelSet>] {
        &self.label_sets
    }

    /// Every stack in the order of first sight.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = StackEntry<'_>> {
        self.stacks.iter().map(|stack| StackEntry {
            thread: stack.thread,
            labels: stack.labels.checked_sub(1),
            frames: &self.stored_frames[stack.start..][..stack.len],
            values: stack.values,
        })
    }

    /// The sum over all stacks.
    pub(crate) fn totals(&self) -> Values {
        let mut totals = Values::default();
        for stack in &*self.stacks {
            totals.add(stack.values);
        }
        totals
    }
}

fn hash_of(frame: &Frame) -> u64 {
    mix(0, frame.hash_word())
}

#[cfg(test)]
impl SlotData {
    /// Where its stacks are in memory, and its limit: tells one slot's data from another's.
    pub(crate) fn identity(&self) -> (usize, usize) {
        assert!(self.stacks.capacity() > 0, "nothing is allocated");
        (self.stacks.as_ptr() as usize, self.max_stored_frames)
    }

    /// The same, with another limit.
    pub(crate) fn with_room_for(mut self, stored_frames: usize) -> Self {
        self.max_stored_frames = stored_frames;
        self
    }
}

/// Lets a test make the next `record` on its thread panic inside the locked slot.
#[cfg(test)]
pub(crate) mod injected {
    use std::cell::Cell;

    thread_local! {
        static SAMPLES_BEFORE_PANIC: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// After that many further samples on this thread, recording one panics, once.
    pub(crate) fn panic_after(samples: u32) {
        SAMPLES_BEFORE_PANIC.set(Some(samples));
    }

    pub(super) fn panic_if_asked() {
        match SAMPLES_BEFORE_PANIC.get() {
            None => {}
            Some(0) => {
                SAMPLES_BEFORE_PANIC.set(None);
                panic!("injected while a slot is locked");
            }
            Some(left) => SAMPLES_BEFORE_PANIC.set(Some(left - 1)),
        }
    }
}
