//! What a thread holds of samples between two of its safe points, and beside them.
//!
//! Threads: the thread itself, as the rest of its record (`thread.rs`).
//!
//! Fork: replaced whole. It is the forking thread's own, so nobody was at work on it, and it is freed; only the recorder is
//! abandoned, some of whose owners do not exist any more.

use std::collections::VecDeque;
use std::sync::Arc;

use pronghorn_recorder::{Frame, LabelSet, Recorder, Values};

use crate::buffer::RecordHeader;
use crate::stack::KeptStack;

/// A sample whose record is gone from the buffer, and whose lines are not counted yet.
pub(super) struct KeptSample {
    pub(super) header: RecordHeader,
    pub(super) stack: KeptStack,
    pub(super) labels: Option<Arc<LabelSet>>,
}

pub(super) struct Stacks {
    /// The recorder of a session, with that session's number.
    pub(super) recorder: Option<(u64, Arc<Recorder>)>,
    /// The stack being resolved.
    pub(super) frames: Vec<Frame>,
    /// The stack of the previous sample: time that the thread stood still in it is added to it.
    pub(super) last: Vec<Frame>,
    /// Its labels.
    pub(super) last_labels: Option<Arc<LabelSet>>,
    /// The set of labels that was looked up last, by its number.
    pub(super) known_labels: (u32, Option<Arc<LabelSet>>),
    /// The stack of the full collection under way.
    pub(super) collection: Option<KeptStack>,
    /// Samples from before a collection, or from before a stop. They come before those in the buffer.
    pub(super) kept: VecDeque<KeptSample>,
    /// What the recorder had no slot free for.
    pub(super) backlog: Vec<(Values, Vec<Frame>, Option<Arc<LabelSet>>)>,
}

impl Stacks {
    pub(super) const fn new() -> Self {
        Self {
            recorder: None,
            frames: Vec::new(),
            last: Vec::new(),
            last_labels: None,
            known_labels: (0, None),
            collection: None,
            kept: VecDeque::new(),
            backlog: Vec::new(),
        }
    }

    /// In a forked process: nothing of this goes on.
    pub(super) fn reset_after_fork(&mut self) {
        let Self {
            recorder,
            frames,
            last,
            last_labels,
            known_labels,
            collection,
            kept,
            backlog,
        } = std::mem::replace(self, Self::new());
        std::mem::forget(recorder);
        drop((
            frames,
            last,
            last_labels,
            known_labels,
            collection,
            kept,
            backlog,
        ));
    }

    /// Forgets the last session's, for a start.
    pub(super) fn begin_session(&mut self) {
        self.last.clear();
        self.last_labels = None;
        self.collection = None;
        self.kept.clear();
        self.backlog.clear();
    }
}

#[cfg(test)]
mod tests {
    use pronghorn_recorder::ProfileTime;

    use super::*;

    #[test]
    fn a_fork_leaves_nothing_of_what_was_set_and_does_not_let_go_of_the_recorder() {
        let parents = Recorder::new(ProfileTime::now());
        let stack = || vec![Frame::Native { address: 7 }];
        let set = Arc::new(LabelSet::new([("a", "1")]));
        let mut stacks = Stacks {
            recorder: Some((7, Arc::clone(&parents))),
            frames: stack(),
            last: stack(),
            last_labels: Some(Arc::clone(&set)),
            known_labels: (7, Some(Arc::clone(&set))),
            collection: Some(KeptStack::default()),
            kept: VecDeque::from([KeptSample {
                header: RecordHeader::default(),
                stack: KeptStack::default(),
                labels: Some(Arc::clone(&set)),
            }]),
            backlog: vec![(Values::default(), stack(), Some(Arc::clone(&set)))],
        };
        stacks.reset_after_fork();
        let Stacks {
            recorder,
            frames,
            last,
            last_labels,
            known_labels,
            collection,
            kept,
            backlog,
        } = stacks;
        assert!(last_labels.is_none());
        assert_eq!(known_labels, (0, None));
        assert_eq!(Arc::strong_count(&set), 1);
        assert!(recorder.is_none());
        assert!(frames.is_empty() && last.is_empty() && backlog.is_empty());
        assert!(collection.is_none() && kept.is_empty());
        assert_eq!(Arc::strong_count(&parents), 2, "abandoned");
    }
}
