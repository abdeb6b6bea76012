//! What happens when something of ours fails at run time: it is caught, the sampler is switched off, and the reason waits
//! for the application to be told.
//!
//! Threads: any. The first failure since the last start counts; later ones are its consequences.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

static FAILED: AtomicBool = AtomicBool::new(false);
static REASON: Mutex<Option<String>> = Mutex::new(None);

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
    crate::collector::disarm();
    let mut place = REASON.lock().unwrap_or_else(|poison| poison.into_inner());
    if place.is_none() {
        *place = Some(reason);
        FAILED.store(true, Relaxed);
    }
}

/// The reason for the failure since the last start, handed out once. One load if there is none.
pub fn take() -> Option<String> {
    if !FAILED.swap(false, Relaxed) {
        return None;
    }
    REASON
        .lock()
        .unwrap_or_else(|poison| poison.into_inner())
        .clone()
}

/// Forgets an earlier failure, for a start.
pub fn clear() {
    FAILED.store(false, Relaxed);
    *REASON.lock().unwrap_or_else(|poison| poison.into_inner()) = None;
}

/// Whether sampling was switched off since the last start.
pub fn reason() -> Option<String> {
    REASON
        .lock()
        .unwrap_or_else(|poison| poison.into_inner())
        .clone()
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

    /// Places that can be made to panic.
    const PLACES: [&str; 8] = [
        "the ticker",
        "the safe point before the poll",
        "the garbage collection prologue",
        "the garbage collection epilogue",
        "the interrupt",
        "the end of an environment",
        "the last profile",
        "a native call",
    ];
    static ARMED: AtomicU32 = AtomicU32::new(0);

    /// The next entry into `place` panics. False if there is no such place.
    pub fn arm(place: &str) -> bool {
        let index = PLACES.iter().position(|known| *known == place);
        ARMED.store(index.map_or(0, |index| index as u32 + 1), Relaxed);
        index.is_some()
    }

    #[allow(clippy::panic, reason = "panicking is what this is for")]
    pub(super) fn fire(place: &str) {
        let armed = ARMED.load(Relaxed);
        if armed != 0 && PLACES.get(armed as usize - 1) == Some(&place) {
            ARMED.store(0, Relaxed);
            panic!("injected");
        }
    }
}
