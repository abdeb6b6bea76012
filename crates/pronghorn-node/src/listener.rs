//! How the application hears of what happens by itself: forks, stalls, and failures that have switched the profiler off.
//!
//! Threads: only the thread that started the profiler uses the listener, and takes the lock around it.
//!
//! Fork: a fork on that thread finds the lock open. The child tells the application through the same functions until its next start brings
//! new ones.

use napi::bindgen_prelude::{Env, FnArgs, Function, FunctionRef};
use pronghorn_sampler::slot::ThreadSlot;
use pronghorn_sampler::{failure, session, stall};
use pronghorn_sync::{Alone, Guarded, Resettable};

use crate::error::Code;

type OnFailure = FnArgs<(String, String)>;

/// Functions of the application's. Used only on the thread that started the profiler.
pub(crate) struct Listener {
    pub(crate) env: Env,
    on_failure: FunctionRef<OnFailure, ()>,
    pub(crate) on_fork: FunctionRef<(), ()>,
    on_stall: Option<FunctionRef<(), ()>>,
}
// SAFETY: `with_listener` hands it out on the JavaScript thread it was made on only.
unsafe impl Send for Listener {}

impl Listener {
    /// On the thread that is to be told.
    pub(crate) fn new(
        env: Env,
        on_failure: &Function<OnFailure, ()>,
        on_fork: &Function<(), ()>,
        on_stall: Option<&Function<(), ()>>,
    ) -> napi::Result<Self> {
        Ok(Self {
            env,
            on_failure: on_failure.create_ref()?,
            on_fork: on_fork.create_ref()?,
            on_stall: on_stall.map(Function::create_ref).transpose()?,
        })
    }
}

struct State {
    listener: Guarded<Option<Listener>>,
}

impl State {
    const fn new() -> Self {
        Self {
            listener: Guarded::new(None),
        }
    }

    /// What a child starts with: the same functions.
    fn inherited(&self) -> Self {
        let Self { listener } = self;
        Self {
            listener: Guarded::new(listener.lock().with(Option::take)),
        }
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// In a forked process: what this file keeps.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

/// Who is told from now on. On the thread that starts the profiler, or has.
pub(crate) fn set(listener: Option<Listener>) {
    STATE.get().listener.lock().with(|place| *place = listener);
}

/// Takes the listener for a moment, if `slot` is that of the thread that started the profiler. It is not locked while it is used: it may call into us.
pub(crate) fn with_listener(slot: &ThreadSlot, work: impl FnOnce(&Listener)) {
    if !session::is_main(slot) {
        return;
    }
    let Some(listener) = STATE.get().listener.lock().with(Option::take) else {
        return;
    };
    work(&listener);
    // A start in the meantime has brought its own. The place is looked up anew: a reset may lie in between.
    STATE.get().listener.lock().with(|place| {
        place.get_or_insert(listener);
    });
}

/// Tells the application what there is to tell, before a poll.
pub(crate) fn tell(slot: &ThreadSlot) {
    if stall::has_ended() {
        tell_stall(slot);
    }
    tell_failure(slot);
}

/// Tells the application that a stall is over; it takes it by itself.
#[cold]
fn tell_stall(slot: &ThreadSlot) {
    with_listener(slot, |Listener { env, on_stall, .. }| {
        if let Some(on_stall) = on_stall {
            let called = env.run_in_scope(|| on_stall.borrow_back(env)?.call(()));
            // As in `tell_failure`.
            drop(called);
        }
    });
}

/// Tells the application, on the thread that started the profiler, that it has switched itself off.
fn tell_failure(slot: &ThreadSlot) {
    if !session::is_main(slot) {
        return;
    }
    let Some(reason) = failure::take() else {
        return;
    };
    with_listener(
        slot,
        |Listener {
             env, on_failure, ..
         }| {
            let arguments = FnArgs::from((Code::Internal.as_ref().to_owned(), reason));
            let called = env.run_in_scope(|| on_failure.borrow_back(env)?.call(arguments));
            // What the listener throws has been taken off the environment; there is no JavaScript below this to throw it to.
            drop(called);
        },
    );
}
