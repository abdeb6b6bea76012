//! Signals that end the program: the last profile is written, and then the process dies of the signal as it would have.
//!
//! A JavaScript listener would keep a program alive that is busy, so the handler is native: it notes the signal and wakes
//! a thread of ours, which asks the JavaScript threads for what they have, writes the file (`termination/last_profile.rs`), puts the handler that was
//! there before back (Node's own restores the terminal), and sends the signal again. A listener that the application adds
//! later replaces the handler, and then nothing of this happens. A rotation that is under way then has a profile that the main thread will not deliver any
//! more: it is written beside the last one.
//!
//! A signal that comes while the main thread ends the profile itself, and writes it, waits for that: whoever armed disarms when the profile is
//! where it belongs. If the main thread does not come for it in time the watcher writes that one, too.
//!
//! Threads: `arm` and `disarm` on the main thread, the handler anywhere, the rest on the watcher, which sleeps on a
//! futex until a signal comes. Everything is bounded: the process dies within a second even if it can give nothing.
//!
//! Orderings: sequentially consistent; nothing of it is hot. The signal is there before the watcher is woken.
//!
//! Fork: the handler is inherited and the watcher is not. Signals are blocked while the watcher is made, and it is made only if this is still the process that was to
//! be armed. In a child that has not been reset the handler gives the signal to
//! what was there before it (`termination/dispositions.rs`), so a daemon dies of SIGTERM as it should. The reset puts the handlers that were there before
//! back and a fresh state in place; a start arms again, with a watcher and a file of the child's own. What the watcher has open is closed
//! in the child; the file is the parent's.

mod dispositions;
mod last_profile;

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::time::Duration;

use napi_derive::napi;
use pronghorn_sampler::spawn::{self, BlockedSignals};
use pronghorn_sampler::{clock, failure};
use pronghorn_sync::{Alone, Guarded, Parking, Resettable, Sleep, failpoint, fork};

use crate::error::{Code, Failure, Result, guarded};
use crate::fork::{OwnProcess, in_own_process};
use dispositions::{end_by, install, pass_on, restore};
use last_profile::Target;

#[cfg(feature = "failpoints")]
pub(crate) use dispositions::armed_signals;
pub(crate) use dispositions::hooks_off;

/// How long the last profile may take to collect and write.
const LONGEST_FLUSH: Duration = Duration::from_millis(800);
/// How long the end of the program waits for the watcher to end it.
const DEATH_NS: u64 = 1_000_000_000;

struct State {
    /// The signal that ends the process; 0 while none has come.
    arrived: AtomicI32,
    watching: AtomicBool,
    parking: Parking,
    /// The file to write, while armed.
    target: Guarded<Option<Target>>,
}

impl State {
    const fn new() -> Self {
        Self {
            arrived: AtomicI32::new(0),
            watching: AtomicBool::new(false),
            parking: Parking::new(),
            target: Guarded::new(None),
        }
    }

    /// What a child starts with: no watcher, no file, no signal.
    fn inherited(&self) -> Self {
        let Self {
            arrived: _,
            watching: _,
            parking: _,
            target: _,
        } = self;
        Self::new()
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// What `armTermination` takes.
#[napi(object)]
pub struct TerminationOptions {
    /// Signal numbers.
    pub signals: Vec<i32>,
    /// The file to write.
    pub path: String,
    /// Whether it is there and is to be overwritten. Otherwise it must not exist.
    pub existing: Option<bool>,
}

/// Installs the handler for those of the signals that the process does not ignore, and returns their numbers.
#[napi]
pub fn arm_termination(options: TerminationOptions) -> Result<Vec<i32>> {
    guarded(|| {
        let process = in_own_process()?;
        let (path, existing) = (&options.path, options.existing.unwrap_or(false));
        let target = Target::new(PathBuf::from(path), existing)
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        let armed = STATE.get().target.lock().with(|place| {
            let free = place.is_none();
            place.get_or_insert(target);
            free
        });
        if !armed {
            return Err(Failure::new(Code::Internal, "termination is armed already"));
        }
        if let Err(failure) = watch(process) {
            // In a child the lock may be that of a thread which is not there.
            if process.is_here() {
                STATE.get().target.lock().with(|place| *place = None);
            }
            return Err(failure);
        }
        let signals = options.signals.iter().copied();
        Ok(signals.filter(|&signal| install(signal)).collect())
    })
    .map_err(Into::into)
}

/// The profile is where it belongs: puts the handlers that were there before back, where ours are still in place. If a signal has
/// arrived, this waits for the process to die of it.
#[napi]
pub fn disarm_termination() -> Result<()> {
    guarded(|| {
        in_own_process()?;
        let state = STATE.get();
        // First: the watcher may be waiting for this.
        state.target.lock().with(|place| *place = None);
        let deadline = clock::monotonic_ns() + DEATH_NS;
        while state.arrived.load(SeqCst) != 0 && clock::monotonic_ns() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        restore();
        Ok(())
    })
    .map_err(Into::into)
}

/// In a forked process: what this file keeps.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

extern "C" fn on_signal(signal: i32, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: errno's address is valid for the running thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    if fork::forked() {
        pass_on(signal);
    } else {
        let state = STATE.get();
        let _ = state.arrived.compare_exchange(0, signal, SeqCst, SeqCst);
        state.parking.wake();
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// Starts the watcher, once per process; not in a child in which a call of its parent's goes on.
fn watch(process: OwnProcess) -> std::result::Result<(), Failure> {
    failpoint!("making-thread");
    let _blocked = BlockedSignals::all();
    // A handler of the host's may have forked just before.
    process.check()?;
    let state = STATE.get();
    if state.watching.swap(true, SeqCst) {
        return Ok(());
    }
    let spawned = spawn::without_signals("pronghorn-end", || {
        while state.arrived.load(SeqCst) == 0 {
            state.parking.announce(Sleep::Parked);
            if state.arrived.load(SeqCst) != 0 {
                break;
            }
            state.parking.wait(Sleep::Parked, None);
        }
        let signal = state.arrived.load(SeqCst);
        failpoint!("watcher");
        // Whatever the disk does, the process ends.
        let _ = spawn::without_signals("pronghorn-end", move || {
            std::thread::sleep(LONGEST_FLUSH);
            end_by(signal);
        });
        failure::guarded("the last profile", || {
            let target = state.target.lock().with(|place| place.clone());
            let is_armed = || state.target.lock().with(|place| place.is_some());
            if let Some(target) = target {
                last_profile::write(target, LONGEST_FLUSH, is_armed);
            }
        });
        end_by(signal);
    });
    spawned.map(|_| ()).map_err(|error| {
        state.watching.store(false, SeqCst);
        Failure::new(
            Code::Internal,
            format!("no thread to watch for signals: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn a_fork_leaves_nothing_of_what_was_set() {
        let state = State::new();
        state.arrived.store(15, Relaxed);
        state.watching.store(true, Relaxed);
        state.parking.announce(Sleep::Parked);
        let target = Target::new(PathBuf::from("/parents.pb.gz"), false).unwrap();
        state.target.lock().with(|place| *place = Some(target));
        // Held by a thread that is gone.
        std::mem::forget(state.target.lock());

        let State {
            arrived,
            watching,
            parking,
            target,
        } = state.inherited();
        assert_eq!(arrived.load(Relaxed), 0);
        assert!(!watching.load(Relaxed));
        assert!(parking.is_awake());
        assert!(target.lock().with(|place| place.is_none()));
    }
}
