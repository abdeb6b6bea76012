//! What happens when something of ours fails at run time: it is caught, the sampler is switched off, and the reason waits
//! for the application to be told.
//!
//! Threads: any. The first failure since the last start counts; later ones are its consequences. The reason's lock is held
//! for a copy. After a fork nothing has failed yet; in a forked process that has not been reset no lock is taken.

use std::any::Any;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use pronghorn_sync::{Alone, Guarded, Resettable, fork};

struct State {
    failed: AtomicBool,
    reason: Guarded<Option<String>>,
}

impl State {
    const fn new() -> Self {
        Self {
            failed: AtomicBool::new(false),
            reason: Guarded::new(None),
        }
    }

    /// What a child starts with: nothing of this.
    fn inherited(&self) -> Self {
        let Self {
            failed: _,
            reason: _,
        } = self;
        Self::new()
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// From here on a panic in this library is one line on standard error. The standard library would print a backtrace wherever RUST_BACKTRACE is set: a screenful
/// in somebody else's program, and more than the stacks of our own threads hold, whose overflow ends the process.
pub fn tell_panics_in_a_line() {
    // Fork: kept; the hook is there, as this library's copy of the standard library is. No `Once`, for which a child might wait for ever.
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.swap(true, Relaxed) {
        set_hook(Box::new(tell_panic));
    }
}

fn tell_panic(panic: &PanicHookInfo<'_>) {
    let message = message_of(panic.payload());
    // Nothing can be done where standard error takes nothing.
    let _ = match panic.location() {
        Some(place) => writeln!(std::io::stderr(), "pronghorn: {message} ({place})"),
        None => writeln!(std::io::stderr(), "pronghorn: {message}"),
    };
}

/// Runs `work`; if it panics, switches sampling off and keeps the reason. `place` names what failed, for the reader.
pub fn guarded<R>(place: &str, work: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(|| {
        injection::fire(place);
        work()
    })) {
        Ok(result) => Some(result),
        Err(panic) => {
            switch_off(format!("{place} failed: {}", message_of(&*panic)));
            None
        }
    }
}

/// Switches sampling off for the reason given.
pub fn switch_off(reason: String) {
    crate::session::disarm();
    if fork::forked() {
        // Nobody is there to be told, and the lock may be a dead thread's.
        return;
    }
    let state = STATE.get();
    state.reason.lock().with(|place| {
        if place.is_none() {
            *place = Some(reason);
            state.failed.store(true, Relaxed);
        }
    });
}

/// The reason for the failure since the last start, handed out once. One load if there is none.
pub fn take() -> Option<String> {
    if !STATE.get().failed.swap(false, Relaxed) {
        return None;
    }
    reason()
}

/// Forgets an earlier failure, for a start.
pub fn clear() {
    let state = STATE.get();
    state.failed.store(false, Relaxed);
    state.reason.lock().with(|place| *place = None);
}

/// Why sampling was switched off since the last start, if it was.
pub fn reason() -> Option<String> {
    STATE.get().reason.lock().with(|place| place.clone())
}

/// In a forked process, step two: nothing has failed here.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// Panics on demand, so that a test can show that one in any of our entries does not reach the host.
pub mod injection {
    use super::{AtomicU32, Relaxed};

    /// Places that can be made to panic, and steps of the reset after a fork that can be made to fail.
    const PLACES: [&str; 12] = [
        "the ticker",
        "the safe point before the poll",
        "the garbage collection prologue",
        "the garbage collection epilogue",
        "the interrupt",
        "the end of an environment",
        "the last profile",
        "a native call",
        "hooksOff",
        "resetCollector",
        "resetRecorder",
        "resetBinding",
    ];
    // Fork: kept; a test arms it before the fork for a place in the child.
    static ARMED: AtomicU32 = AtomicU32::new(0);

    /// The next entry into `place` panics. False if there is no such place.
    pub fn arm(place: &str) -> bool {
        let index = PLACES.iter().position(|known| *known == place);
        ARMED.store(index.map_or(0, |index| index as u32 + 1), Relaxed);
        index.is_some()
    }

    /// Fails if `place` is armed: a step of the reset after a fork that comes to nothing.
    pub fn fail(place: &str) -> Result<(), String> {
        if is_next(place) {
            ARMED.store(0, Relaxed);
            return Err(format!("{place}: injected"));
        }
        Ok(())
    }

    fn is_next(place: &str) -> bool {
        let armed = ARMED.load(Relaxed);
        armed != 0 && PLACES.get(armed as usize - 1) == Some(&place)
    }

    #[allow(clippy::panic, reason = "panicking is what this is for")]
    pub(super) fn fire(place: &str) {
        if is_next(place) {
            ARMED.store(0, Relaxed);
            panic!("injected");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_leaves_nothing_of_what_was_set() {
        let state = State::new();
        state.failed.store(true, Relaxed);
        let set = |place: &mut Option<String>| *place = Some("it failed".to_owned());
        state.reason.lock().with(set);
        // Held by a thread that is gone.
        std::mem::forget(state.reason.lock());

        let State { failed, reason } = state.inherited();
        assert!(!failed.load(Relaxed));
        assert_eq!(reason.lock().with(|place| place.clone()), None);
    }
}
