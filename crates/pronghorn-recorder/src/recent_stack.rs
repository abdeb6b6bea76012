//! The stack that a slot got last, to compare the next new one with.
//!
//! New stacks of a thread that works share most of their callers with the one before. Their frame numbers are copied then, where each would have to
//! be looked up in two tables that the program has pushed out of the caches.
//!
//! Threads and fork: part of a slot's data.

use pronghorn_sync::MappedVec;
use pronghorn_sync::mapping::{Kind, MapError};

use crate::Frame;
use crate::frame::Identity;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct RecentStack {
    /// Root first. The functions in there are alive as long as the slot, whose frames own them.
    frames: MappedVec<Identity>,
    /// Where its frame numbers, leaf first, end among the stored ones.
    end: usize,
}

impl RecentStack {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self {
            frames: MappedVec::new(Kind::Slot),
            end: 0,
        }
    }

    /// None yet, with room for one of so many frames.
    pub(crate) fn with_capacity(frames: usize) -> Result<Self, MapError> {
        Ok(Self {
            frames: MappedVec::with_capacity(frames, Kind::Slot)?,
            end: 0,
        })
    }

    /// How many frames at the root end are the same.
    pub(crate) fn shared(&self, frames: &[Frame]) -> usize {
        let pairs = frames.iter().rev().zip(self.frames.iter());
        pairs
            .take_while(|(frame, known)| frame.identity() == **known)
            .count()
    }

    /// Where the numbers of so many frames at its root end begin.
    pub(crate) const fn numbers(&self, shared: usize) -> usize {
        self.end - shared
    }

    /// Makes room for one of so many frames.
    pub(crate) fn reserve(&mut self, frames: usize) -> Result<(), MapError> {
        self.frames
            .reserve(frames.saturating_sub(self.frames.len()))
    }

    /// This is it now; so much of it is shared, and its numbers end there.
    pub(crate) fn replace(
        &mut self,
        frames: &[Frame],
        shared: usize,
        end: usize,
    ) -> Result<(), MapError> {
        self.frames.truncate(shared);
        for frame in frames.iter().rev().skip(shared) {
            self.frames.push(frame.identity())?;
        }
        self.end = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(addresses: &[u64]) -> Vec<Frame> {
        addresses
            .iter()
            .map(|&address| Frame::Native { address })
            .collect()
    }

    #[test]
    fn the_root_end_is_shared() {
        let mut recent = RecentStack::new();
        assert_eq!(recent.shared(&stack(&[1, 2, 3])), 0);
        recent.reserve(3).unwrap();
        recent.replace(&stack(&[1, 2, 3]), 0, 10).unwrap();
        assert_eq!(recent.shared(&stack(&[1, 2, 3])), 3);
        assert_eq!(recent.shared(&stack(&[9, 8, 2, 3])), 2);
        assert_eq!(recent.shared(&stack(&[3])), 1);
        assert_eq!(recent.shared(&stack(&[1, 2])), 0);
        assert_eq!(recent.numbers(2), 8);
        recent.replace(&stack(&[9, 8, 2, 3]), 2, 20).unwrap();
        assert_eq!(recent.shared(&stack(&[9, 8, 2, 3])), 4);
        assert_eq!(recent.shared(&stack(&[1, 2, 3])), 2);
    }
}
