//! A resolved stack, and what it was resolved from.
//!
//! Samples of a thread that works follow each other every few milliseconds, and most of their callers are the same. To look a frame up that is
//! known already takes some five cache lines which the program has pushed out meanwhile (tables, the function and its count of owners), to
//! see that it is the same as last time takes none: so a stack takes over from one before it what both have at their root end.
//!
//! Threads: the thread's own. Fork: replaced with the other stacks (`thread/stacks.rs`).

use pronghorn_recorder::Frame;
use pronghorn_v8::RawFrame;

/// See the module documentation.
#[derive(Clone, Debug, Default)]
pub struct BuiltStack {
    /// Leaf first.
    frames: Vec<Frame>,
    /// Leaf first.
    raw: Vec<RawFrame>,
    /// How many of `frames` each of `raw` came to.
    counts: Vec<u32>,
    /// Of those at the root end that came from `raw`, how many are not in `frames`: native ones, called by no JavaScript.
    cut: usize,
    /// What the resolver's pointers were then ([`Resolver::pointers`](pronghorn_v8::Resolver::pointers)), if `frames` are what `raw` comes to.
    pointers: Option<u64>,
}

/// How much of the root end two stacks share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) raw: usize,
    pub(super) frames: usize,
}

impl BuiltStack {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frames: Vec::new(),
            raw: Vec::new(),
            counts: Vec::new(),
            cut: 0,
            pointers: None,
        }
    }

    /// Leaf first.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The same, for whoever makes something else of them.
    pub fn change(&mut self) -> &mut Vec<Frame> {
        self.pointers = None;
        &mut self.frames
    }

    /// Nothing any more.
    pub fn clear(&mut self) {
        self.change().clear();
    }

    /// What `raw` need not be looked up for; with JavaScript in it, or nothing.
    pub(super) fn shared(&self, raw: &[RawFrame], pointers: u64) -> Shared {
        if self.pointers != Some(pointers) {
            return Shared::default();
        }
        let known = self.raw.iter().zip(&self.counts).rev();
        let mut shared = Shared::default();
        // Frames that came to nothing are counted whenever they are met.
        for (_, (_, &count)) in raw
            .iter()
            .rev()
            .zip(known)
            .take_while(|(raw, (known, count))| raw == known && **count > 0)
        {
            shared.raw += 1;
            shared.frames += count as usize;
        }
        match shared.frames.checked_sub(self.cut) {
            Some(frames) if frames > 0 => Shared { frames, ..shared },
            _ => Shared::default(),
        }
    }

    /// Keeps what is shared, and puts `leaf` in front of it, which the rest of `raw` came to, by `counts`; both are left empty.
    pub(super) fn replace(
        &mut self,
        raw: &[RawFrame],
        shared: Shared,
        leaf: &mut Vec<Frame>,
        counts: &mut Vec<u32>,
    ) {
        self.pointers = None;
        let others = self.frames.len() - shared.frames;
        self.frames.splice(..others, leaf.drain(..));
        let others = self.counts.len() - shared.raw;
        self.counts.splice(..others, counts.drain(..));
        self.raw.clear();
        self.raw.extend_from_slice(raw);
        if shared.raw == 0 {
            self.cut = 0;
        }
    }

    /// The frames are what `raw` came to, but for native ones at the root end.
    pub(super) fn is_whole(&mut self, pointers: u64) {
        let all: usize = self.counts.iter().map(|&count| count as usize).sum();
        self.cut = all - self.frames.len();
        self.pointers = Some(pointers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(pcs: &[u64]) -> Vec<RawFrame> {
        pcs.iter().map(|&pc| RawFrame::native(pc, false)).collect()
    }

    fn native(address: u64) -> Frame {
        Frame::Native { address }
    }

    /// Leaf first: a frame that is two functions, one that is nothing, one that is one, and one at the root that was cut off.
    fn built() -> BuiltStack {
        let mut stack = BuiltStack::new();
        let mut leaf = vec![native(10), native(11), native(30), native(40)];
        let mut counts = vec![2, 0, 1, 1];
        stack.replace(
            &raw(&[1, 2, 3, 4]),
            Shared::default(),
            &mut leaf,
            &mut counts,
        );
        stack.frames.pop();
        stack.is_whole(7);
        assert_eq!(stack.cut, 1);
        stack
    }

    #[test]
    fn the_root_end_is_shared_up_to_what_differs_or_came_to_nothing() {
        let stack = built();
        let shared = |pcs: &[u64]| stack.shared(&raw(pcs), 7);
        let some = Shared { raw: 2, frames: 1 };
        assert_eq!(shared(&[1, 2, 3, 4]), some);
        assert_eq!(shared(&[9, 3, 4]), some);
        assert_eq!(shared(&[3, 4]), some);
        // What they share was cut off.
        assert_eq!(shared(&[9, 4]), Shared::default());
        assert_eq!(shared(&[3, 4, 9]), Shared::default());
        assert_eq!(shared(&[]), Shared::default());
    }

    #[test]
    fn nothing_is_shared_over_a_collection_or_a_change() {
        let mut stack = built();
        let all = raw(&[1, 2, 3, 4]);
        assert_eq!(stack.shared(&all, 8), Shared::default());
        stack.change();
        assert_eq!(stack.shared(&all, 7), Shared::default());
    }

    #[test]
    fn what_is_shared_stays_and_the_rest_is_replaced() {
        let mut stack = built();
        let next = raw(&[5, 6, 3, 4]);
        let shared = stack.shared(&next, 7);
        let (mut leaf, mut counts) = (vec![native(50), native(60)], vec![1, 1]);
        stack.replace(&next, shared, &mut leaf, &mut counts);
        assert_eq!(stack.frames(), [native(50), native(60), native(30)]);
        assert!(leaf.is_empty() && counts.is_empty());
        assert_eq!(stack.shared(&next, 7), Shared::default(), "it is not done");
        stack.is_whole(7);
        assert_eq!(stack.cut, 1);
        assert_eq!(stack.shared(&next, 7), Shared { raw: 4, frames: 3 });
    }
}
