//! One sample on its way into a slot.

use std::sync::Arc;

use crate::{Frame, LabelSet};

/// The thread a sample was taken on, as the profile labels it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ThreadLabel {
    /// The kernel's thread id (`gettid`): the label `thread id`.
    pub id: u32,
    /// The label `thread name`: `main` for the main thread.
    pub name: Arc<str>,
}

/// One resolved sample. It borrows everything; the recorder copies what it has not seen before.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// The thread it was taken on.
    pub thread: &'a ThreadLabel,
    /// The stack, leaf first.
    pub frames: &'a [Frame],
    /// What the application has labelled it with, if it has.
    pub labels: Option<&'a Arc<LabelSet>>,
    /// What it adds to that stack.
    pub values: Values,
}

/// What a sample adds to its stack, and what a stack has collected: the three sample types of the profile in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Values {
    /// Samples. 0 for a record that only adds time to a stack, such as off-CPU time that belongs to the previous sample.
    pub count: u64,
    /// Thread CPU time since the thread's previous sample, in nanoseconds.
    pub cpu_ns: u64,
    /// Elapsed time since the thread's previous sample, in nanoseconds.
    pub wall_ns: u64,
}

impl Values {
    /// Adds `other`, stopping at the largest number instead of wrapping around.
    pub fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.cpu_ns = self.cpu_ns.saturating_add(other.cpu_ns);
        self.wall_ns = self.wall_ns.saturating_add(other.wall_ns);
    }
}
