//! Work that belongs to the process that began it, whether it is done on the thread for such work or on the calling one.
//!
//! Threads: made on a JavaScript thread, done on that of `work_thread.rs` or right there.
//!
//! Fork: the other thread is gone in the child, and a handler may fork in the middle of work on the calling one. It is the parent's: nothing of it is used or
//! dropped in the child, since what a thread was at work on may be in any state.

use std::mem::ManuallyDrop;

use crate::error::Failure;
use crate::fork::OwnProcess;
use crate::work_thread::{self, Line, On};

/// One kind of work.
pub trait Work: Send + 'static {
    /// What comes of it, on its way to the JavaScript thread.
    type Done: Send;

    /// Does it, once. `process` is the one that it belongs to; a long work asks it again where a fork may have come between.
    fn run(&mut self, process: OwnProcess) -> Result<Self::Done, Failure>;
}

/// Work, and whose it is.
pub struct OwnWork<W> {
    process: OwnProcess,
    work: ManuallyDrop<W>,
}

impl<W: Work> OwnWork<W> {
    pub(crate) fn new(process: OwnProcess, work: W) -> Self {
        Self {
            process,
            work: ManuallyDrop::new(work),
        }
    }

    pub(crate) fn work(&mut self) -> &mut W {
        &mut self.work
    }

    /// Whose it is.
    pub(crate) fn process(&self) -> OwnProcess {
        self.process
    }

    /// Does it, on whatever thread this is.
    pub(crate) fn run(&mut self) -> Result<W::Done, Failure> {
        self.process.check()?;
        self.work.run(self.process)
    }

    /// Has it done on the thread of `line`, by `run`, which says what has come of it to whoever asks.
    pub(crate) fn give(mut self, line: Line, run: impl FnOnce(&mut Self, On) + Send + 'static) {
        let process = self.process;
        work_thread::give(line, process, Box::new(move |on| run(&mut self, on)));
    }
}

impl<W> Drop for OwnWork<W> {
    fn drop(&mut self) {
        if self.process.is_here() {
            // SAFETY: this is the one place that drops it, once.
            unsafe { ManuallyDrop::drop(&mut self.work) };
        }
    }
}
