//! What a thread holds of samples between two of its safe points, and beside them.
//!
//! Threads: the thread itself, as the rest of its record (`thread.rs`).
//!
//! Fork: replaced whole. It is the forking thread's own, so nobody was at work on it, and it is freed; only the recorder is
//! abandoned, some of whose owners do not exist any more.

use std::sync::Arc;

use pronghorn_recorder::{Frame, LabelSet, Recorder, Values};

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
    /// The stack of the collection under way, once it is resolved.
    pub(super) collection: Option<Vec<Frame>>,
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
            backlog,
        } = std::mem::replace(self, Self::new());
        std::mem::forget(recorder);
        drop((frames, last, last_labels, known_labels, collection, backlog));
    }

    /// Forgets the last session's, for a start.
    pub(super) fn begin_session(&mut self) {
        self.last.clear();
        self.last_labels = None;
        self.collection = None;
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
            collection: Some(stack()),
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
            backlog,
        } = stacks;
        assert!(last_labels.is_none());
        assert_eq!(known_labels, (0, None));
        assert_eq!(Arc::strong_count(&set), 1);
        assert!(recorder.is_none());
        assert!(frames.is_empty() && last.is_empty() && backlog.is_empty());
        assert!(collection.is_none());
        assert_eq!(Arc::strong_count(&parents), 2, "abandoned");
    }
}
