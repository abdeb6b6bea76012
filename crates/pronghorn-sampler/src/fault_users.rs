//! Who needs the handlers of faults: the session, and threads that look whether this runtime can be profiled.
//!
//! The handlers are the process's. A worker that imports the package looks around with checked loads at any moment, also while the main thread
//! starts or stops a session: the first to be done must not take the handlers away from the other.
//!
//! Threads: JavaScript threads, each outside of signal handlers and hooks. The lock is held for two system calls.
//!
//! Fork: the handlers are taken off in step one of the reset, and nobody who needed them exists; a fresh state is put in place.

use pronghorn_sync::{Alone, Guarded, Resettable};
use pronghorn_v8::fault::{self, InstallError};

struct Users {
    /// Threads that are looking around.
    looking: u32,
    /// A session runs, begins, or has ended while a thread was still inside one of our hooks.
    session: bool,
}

struct State {
    users: Guarded<Users>,
}

impl State {
    const fn new() -> Self {
        Self {
            users: Guarded::new(Users {
                looking: 0,
                session: false,
            }),
        }
    }

    /// What a child starts with: nobody.
    fn inherited(&self) -> Self {
        let Self { users: _ } = self;
        Self::new()
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// Looks around with the handlers installed.
pub(crate) fn while_looking<R>(look: impl FnOnce() -> R) -> Result<R, InstallError> {
    change(|users| {
        fault::install()?;
        users.looking += 1;
        Ok(())
    })?;
    let result = look();
    change(|users| {
        users.looking = users.looking.saturating_sub(1);
        restore_if_unused(users);
    });
    Ok(result)
}

/// A session begins.
pub(crate) fn begin_session() -> Result<(), InstallError> {
    change(|users| {
        fault::install()?;
        users.session = true;
        Ok(())
    })
}

/// The session is over, and nobody is inside one of our hooks.
pub(crate) fn end_session() {
    change(|users| {
        users.session = false;
        restore_if_unused(users);
    });
}

/// In a forked process, step two. The handlers are off.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

fn change<R>(work: impl FnOnce(&mut Users) -> R) -> R {
    STATE.get().users.lock().with(work)
}

fn restore_if_unused(users: &Users) {
    if users.looking == 0 && !users.session {
        fault::restore();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    #[test]
    fn whoever_is_done_first_takes_nothing_from_the_others() {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Relaxed) {
                        assert!(while_looking(fault::is_ours).unwrap());
                    }
                });
            }
            for _ in 0..2_000 {
                begin_session().unwrap();
                assert!(fault::is_ours());
                std::thread::yield_now();
                assert!(fault::is_ours());
                end_session();
            }
            over.store(true, Relaxed);
        });
        assert!(!fault::is_ours());
    }

    #[test]
    fn a_fork_leaves_nobody() {
        let state = State::new();
        state.users.lock().with(|users| {
            *users = Users {
                looking: 2,
                session: true,
            };
        });
        // Held by a thread that is gone.
        std::mem::forget(state.users.lock());
        let State { users } = state.inherited();
        let Users { looking, session } = users.lock().with(|users| Users { ..*users });
        assert_eq!((looking, session), (0, false));
    }
}
