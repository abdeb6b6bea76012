//! Work that belongs to the process that began it, whether it is done on the thread for such work or on the calling one.
//!
//! Threads: made on a JavaScript thread, done on that of `work_thread.rs` or right there.
//!
//! Fork: the other thread is gone in the child, and a handler may fork in the middle of work on the calling one. It is the parent's: nothing of it is used or
//! dropped in the child, since what a thread was at work on may be in any state.

use std::mem::ManuallyDrop;

use crate::error::Failure;
use crate::fork::OwnProcess;
use crate::outcomes::Outcomes;
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

    /// Does it, on whatever thread this is.
    pub(crate) fn run(&mut self) -> Result<W::Done, Failure> {
        self.process.check()?;
        self.work.run(self.process)
    }

    /// Has it done on the thread of `line`, by `run`, and puts what comes of it into `outcomes`: by the number that is returned it is found there. What `run`
    /// holds on to is let go of in the same moment.
    pub(crate) fn give<H>(
        mut self,
        line: Line,
        outcomes: fn() -> &'static Outcomes<W::Done>,
        run: impl FnOnce(&mut Self, On) -> (Result<W::Done, Failure>, H) + Send + 'static,
    ) -> u32 {
        let process = self.process;
        let number = outcomes().begin();
        let job = move |on| {
            let (result, held) = run(&mut self, on);
            if process.is_here() {
                outcomes().put(number, result, held);
            } else {
                std::mem::forget((result, held));
            }
        };
        work_thread::give(line, process, Box::new(job));
        number
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
