//! Work that belongs to the process that began it, whether it is done in libuv's thread pool or on the calling thread.
//!
//! Threads: made on a JavaScript thread, done in the pool or right there, delivered on the JavaScript thread again.
//!
//! Fork: the pool's threads are gone in the child, and work that they had finished may still be delivered there. It is the parent's: nothing of it is used or
//! dropped in the child, since what a thread was at work on may be in any state, and its promise rejects.

use std::mem::ManuallyDrop;

use napi::bindgen_prelude::{Env, Task, ToNapiValue, TypeName};

use pronghorn_sync::fork::pool;

use crate::error::Failure;
use crate::fork::OwnProcess;

/// One kind of work.
pub trait Work: Send + 'static {
    /// What comes of it, on its way to the JavaScript thread.
    type Done: Send;
    /// The same as JavaScript gets it.
    type Delivered: ToNapiValue + TypeName;

    /// Does it, once. `process` is the one that it belongs to; a long work asks it again where a fork may have come between.
    fn run(&mut self, process: OwnProcess) -> Result<Self::Done, Failure>;

    /// On the JavaScript thread.
    fn deliver(done: Self::Done) -> Self::Delivered;
}

/// Work, and whose it is.
pub struct OwnWork<W> {
    process: OwnProcess,
    kept: ManuallyDrop<Kept<W>>,
}

struct Kept<W> {
    work: W,
    /// If it is for the pool.
    given: Option<pool::Work>,
    /// What napi's error has no room for.
    failure: Option<Failure>,
}

impl<W: Work> OwnWork<W> {
    pub(crate) fn new(process: OwnProcess, work: W) -> Self {
        let kept = Kept {
            work,
            given: None,
            failure: None,
        };
        Self {
            process,
            kept: ManuallyDrop::new(kept),
        }
    }

    pub(crate) fn work(&mut self) -> &mut W {
        &mut self.kept.work
    }

    /// Whose it is.
    pub(crate) fn process(&self) -> OwnProcess {
        self.process
    }

    /// About to be given to the thread pool.
    pub(crate) fn for_pool(mut self) -> Self {
        self.kept.given = Some(pool::give());
        self
    }

    /// On the pool's thread, first of all.
    pub(crate) fn begins(&mut self) {
        if let Some(given) = &mut self.kept.given {
            given.begins();
        }
    }

    /// On the pool's thread, last of all.
    pub(crate) fn ends(&mut self) {
        if let Some(given) = &mut self.kept.given {
            given.ends();
        }
    }

    /// Does it, on whatever thread this is.
    pub(crate) fn run(&mut self) -> Result<W::Done, Failure> {
        self.process.check()?;
        self.kept.work.run(self.process)
    }
}

impl<W> Drop for OwnWork<W> {
    fn drop(&mut self) {
        if self.process.is_here() {
            // SAFETY: this is the one place that drops it, once.
            unsafe { ManuallyDrop::drop(&mut self.kept) };
        }
    }
}

impl<W: Work> Task for OwnWork<W> {
    type Output = W::Done;
    type JsValue = W::Delivered;

    fn compute(&mut self) -> napi::Result<W::Done> {
        self.begins();
        let result = self.run().map_err(|failure| {
            let message = failure.message.clone();
            self.kept.failure = Some(failure);
            napi::Error::from_reason(message)
        });
        self.ends();
        result
    }

    fn resolve(&mut self, env: Env, done: W::Done) -> napi::Result<W::Delivered> {
        if let Err(failure) = self.process.check() {
            std::mem::forget(done);
            return Err(failure.into_rejection(env));
        }
        Ok(W::deliver(done))
    }

    fn reject(&mut self, env: Env, error: napi::Error) -> napi::Result<W::Delivered> {
        if let Err(failure) = self.process.check() {
            return Err(failure.into_rejection(env));
        }
        Err(match self.kept.failure.take() {
            Some(failure) => failure.into_rejection(env),
            None => error,
        })
    }
}
