//! The state of this process: its gate, its witnesses, its fork handlers. See the module above.
//!
//! # Two kinds of memory
//! What the thread that forks writes, before and after, lies in [`Words`], in memory that forks do not copy (`wiped.rs`): a child finds it
//! zeroed, which is its state in a child: no fork under way, no witness. What a child has to know lies in ordinary statics, and is
//! written by the child handler, or where a fork is late.
//!
//! # Orderings
//! Installing is sequentially consistent: it happens once. A witness is released behind what a reset has put in place, for other threads that ask for it. The gate's are in `gate.rs`.

use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Relaxed, Release, SeqCst},
};

use super::gate::{Forks, Inside};
use crate::clock::monotonic_ns;
use crate::own_tid;
use crate::primitives::wait_step;
use crate::{Histogram, Wiped, Zeroed};

/// How long a fork waits for our native threads.
pub const PATIENCE_NS: u64 = 1_000_000;

/// What stands in the witness of a process that is not in limbo.
const HERE: u32 = 0x7072_6f6e;

/// Forks at a time whose threads are spared the sampling signal.
const FORKING: usize = 16;

/// What the handlers write in the parent.
struct Words {
    forks: Forks,
    witness: AtomicU32,
    /// Threads between their prepare and their parent handler, negative if that gave up waiting; 0 where there is none.
    forking: [AtomicI32; FORKING],
    /// How long the last prepare handler took.
    prepared_for: AtomicU64,
    late_forks: AtomicU64,
    /// Late forks under way that found no place in `forking`.
    unmarked_late: AtomicU32,
    handlers_time: Histogram,
}

// SAFETY: made of atomics, which zeroes make: nobody forks, and the witness is not there.
unsafe impl Zeroed for Words {}

// Fork: these tell, and are explained above; the handlers' registration is kept.
/// Wiped from `install` on, where the kernel can do that. Elsewhere it is copied by a fork, and the child handler clears its gate.
static WORDS: Wiped<Words> = Wiped::new(Words {
    forks: Forks::new(),
    witness: AtomicU32::new(0),
    forking: [const { AtomicI32::new(0) }; FORKING],
    prepared_for: AtomicU64::new(0),
    late_forks: AtomicU64::new(0),
    unmarked_late: AtomicU32::new(0),
    handlers_time: Histogram::new(),
});
// Fork: as above.
/// How many forks lie between the first process and this one, as far as handlers ran.
static GENERATION: AtomicU32 = AtomicU32::new(0);
/// The generation whose reset is complete.
static ACKNOWLEDGED: AtomicU32 = AtomicU32::new(0);
static INSIDE: Inside = Inside::new();
/// Forks under way whose prepare handler gave up waiting: written only then.
static GAVE_UP: AtomicU32 = AtomicU32::new(0);
/// Whether the fork that made this process ran no handlers: nobody else's either.
static SILENT: AtomicBool = AtomicBool::new(false);
/// When the child handler ran (monotonic); 0 in a process that has acknowledged its fork.
static FORKED_AT: AtomicU64 = AtomicU64::new(0);
/// The process that acknowledged last, where nothing is wiped; 0 before `install`.
static PROCESS: AtomicI32 = AtomicI32::new(0);
static STAGE: AtomicU8 = AtomicU8::new(0);
static HANDLERS: AtomicBool = AtomicBool::new(false);
static HANDLERS_ERROR: AtomicI32 = AtomicI32::new(0);

/// What tells that this process was forked off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// A page that the kernel wipes.
    Page,
    /// The process id: this kernel wipes no pages.
    ProcessId,
}

/// What [`install`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Whether the fork handlers are registered. Without them forks are seen by the witness, but wait for nobody.
    pub handlers: bool,
    /// If not, why: an errno.
    pub error: i32,
    /// The second witness.
    pub witness: Witness,
}

/// How the parts of [`install`] are done: the system's way, or one that a test makes fail.
struct System {
    register: fn() -> i32,
    wipe: fn() -> bool,
}

/// Registers the fork handlers and puts up the witness, once per process; later calls, from other threads too, return what the first came to.
/// Handlers stay for good, so the image must never be unloaded. Async-signal-unsafe.
pub fn install() -> Installed {
    let system = System {
        register: register_handlers,
        wipe: || WORDS.install(),
    };
    install_by(&system)
}

fn install_by(system: &System) -> Installed {
    if STAGE.compare_exchange(0, 1, SeqCst, SeqCst).is_ok() {
        // SAFETY: getpid has no preconditions.
        PROCESS.store(unsafe { libc::getpid() }, Relaxed);
        if (system.wipe)() {
            WORDS.get().witness.store(HERE, Relaxed);
        }
        let error = (system.register)();
        HANDLERS_ERROR.store(error, Relaxed);
        HANDLERS.store(error == 0, Relaxed);
        STAGE.store(2, SeqCst);
    }
    wait_until_installed();
    installed().unwrap_or(Installed {
        handlers: false,
        error: 0,
        witness: Witness::ProcessId,
    })
}

/// Another thread may be at it: some system calls, so it is waited for. In a child of a fork that caught that thread in the middle nobody
/// is, so not for ever: about a tenth of a second.
fn wait_until_installed() {
    const STEPS: u32 = 2_000;
    let mut step = 0;
    while STAGE.load(SeqCst) != 2 && step < STEPS {
        wait_step(step);
        step += 1;
    }
}

/// What the first [`install`] came to; `None` before it.
#[must_use]
pub fn installed() -> Option<Installed> {
    (STAGE.load(SeqCst) == 2).then(|| Installed {
        handlers: HANDLERS.load(Relaxed),
        error: HANDLERS_ERROR.load(Relaxed),
        witness: if WORDS.is_wiped() {
            Witness::Page
        } else {
            Witness::ProcessId
        },
    })
}

fn register_handlers() -> i32 {
    // SAFETY: three functions of this image, which is never unloaded.
    unsafe { libc::pthread_atfork(Some(on_prepare), Some(on_parent), Some(on_child)) }
}

/// Whether this process was forked off and has not acknowledged it: then nothing of ours may do anything. Costs a few
/// loads (and getpid where no page is wiped). Async-signal-safe. False before [`install`].
#[inline]
#[must_use]
pub fn forked() -> bool {
    if GENERATION.load(Relaxed) != ACKNOWLEDGED.load(Relaxed) {
        return true;
    }
    if WORDS.is_wiped() {
        return WORDS.get().witness.load(Relaxed) != HERE;
    }
    let known = PROCESS.load(Relaxed);
    // SAFETY: getpid has no preconditions.
    known != 0 && known != unsafe { libc::getpid() }
}

/// Whether handlers told of the fork; the witness tells of it in any case.
fn handlers_ran() -> bool {
    GENERATION.load(Relaxed) != ACKNOWLEDGED.load(Relaxed)
}

/// How many forks lie between the process that called [`install`] first and this one. Forks without handlers are counted
/// once until they are acknowledged, however many there were in a row.
#[must_use]
pub fn generation() -> u32 {
    let generation = GENERATION.load(Relaxed);
    if !handlers_ran() && forked() {
        return generation + 1;
    }
    generation
}

/// In limbo: whether the fork may have caught a native thread of ours inside V8 or a lock. The child must not restart.
#[must_use]
pub fn late() -> bool {
    // Where a prepare handler ran and did not give up, the child handler has cleared `INSIDE`.
    forked() && (GAVE_UP.load(Relaxed) != 0 || INSIDE.any())
}

/// In limbo: when the fork happened, by the monotonic clock in nanoseconds. `None` if it ran no handlers.
#[must_use]
pub fn forked_at() -> Option<u64> {
    let at = FORKED_AT.load(Relaxed);
    (handlers_ran() && at != 0).then_some(at)
}

/// Whether the fork that made this process ran no fork handlers, those of the C library's other users included.
#[must_use]
pub fn was_silent() -> bool {
    if forked() {
        return !handlers_ran();
    }
    SILENT.load(Relaxed)
}

/// Forks of this process that did not wait long enough for our native threads.
#[must_use]
pub fn late_forks() -> u64 {
    WORDS.get().late_forks.load(Relaxed)
}

/// Whether the thread is inside fork(2): a signal would make the kernel begin anew.
#[must_use]
pub fn is_forking(tid: i32) -> bool {
    let forking = &WORDS.get().forking;
    forking.iter().any(|place| place.load(Relaxed).abs() == tid)
}

/// Whether any thread is inside fork(2), from its prepare handler to the parent's. Whoever is inside a section and about to take a lock that the
/// child needs looks here first: a fork that has given up waiting for it would copy the lock as it is held, with nobody to release it.
#[must_use]
pub fn is_under_way() -> bool {
    WORDS.get().forks.any()
}

/// What prepare and parent handler took together, for each fork of this process.
#[must_use]
pub fn handlers_time() -> &'static Histogram {
    &WORDS.get().handlers_time
}

/// Forgets the durations and the late forks counted so far.
pub fn clear_statistics() {
    let words = WORDS.get();
    words.handlers_time.clear();
    words.late_forks.store(0, Relaxed);
}

/// Everything of the parent is reset: this process is its own. The last step of a reset.
pub fn acknowledge() {
    let generation = generation();
    if forked() {
        SILENT.store(!handlers_ran(), Relaxed);
    }
    let words = WORDS.get();
    clear_statistics();
    if !WORDS.is_wiped() {
        for place in &words.forking {
            place.store(0, Relaxed);
        }
        words.unmarked_late.store(0, Relaxed);
        words.forks.clear();
    }
    FORKED_AT.store(0, Relaxed);
    INSIDE.clear();
    GAVE_UP.store(0, Relaxed);
    // SAFETY: getpid has no preconditions.
    PROCESS.store(unsafe { libc::getpid() }, Relaxed);
    GENERATION.store(generation, Relaxed);
    ACKNOWLEDGED.store(generation, Relaxed);
    // The kernel keeps the advice for the child's copy of the mapping.
    words.witness.store(HERE, Release);
}

/// Takes an [`acknowledge`] back, where the very last step of a reset failed: the process is in limbo again.
pub fn revoke() {
    ACKNOWLEDGED.store(GENERATION.load(Relaxed).wrapping_sub(1), Relaxed);
}

/// A native thread of ours is at a place where a fork must not find it, for as long as this lives.
#[must_use = "dropping it leaves the section at once"]
pub struct Section(());

/// Enters a section; waits while a fork is under way. JavaScript threads need none. Not in a signal handler, not nested.
pub fn enter() -> Section {
    INSIDE.enter(&WORDS.get().forks);
    Section(())
}

impl Drop for Section {
    fn drop(&mut self) {
        INSIDE.leave();
    }
}

unsafe extern "C" fn on_prepare() {
    let began = monotonic_ns();
    let words = WORDS.get();
    // In limbo there is nobody to wait for: whoever is counted as inside was so in the parent, and makes this fork late as well.
    let limbo = forked();
    let clear = words.forks.hold(&INSIDE, || {
        // SAFETY: yielding has no preconditions.
        unsafe { libc::sched_yield() };
        !limbo && monotonic_ns().saturating_sub(began) < PATIENCE_NS
    });
    if !clear {
        words.late_forks.fetch_add(1, Relaxed);
    }
    let mark = if clear { own_tid() } else { -own_tid() };
    let free = |place: &&AtomicI32| place.compare_exchange(0, mark, Relaxed, Relaxed).is_ok();
    // If all places are taken, this thread is signalled while it forks, as if nothing had been done about it.
    let marked = words.forking.iter().any(|place| free(&place));
    if !clear {
        GAVE_UP.fetch_add(1, Relaxed);
        if !marked {
            words.unmarked_late.fetch_add(1, Relaxed);
        }
    }
    words
        .prepared_for
        .store(monotonic_ns().saturating_sub(began), Relaxed);
}

unsafe extern "C" fn on_parent() {
    let began = monotonic_ns();
    let words = WORDS.get();
    words.forks.release();
    let tid = own_tid();
    let own = |place: &&AtomicI32| place.load(Relaxed).abs() == tid;
    let late = match words.forking.iter().find(own) {
        Some(place) => place.swap(0, Relaxed) < 0,
        None => take_one(&words.unmarked_late),
    };
    if late {
        take_one(&GAVE_UP);
    }
    let parent = monotonic_ns().saturating_sub(began);
    words
        .handlers_time
        .record(words.prepared_for.load(Relaxed) + parent);
}

/// Takes one off a counter that is not zero, and says whether it did.
fn take_one(counter: &AtomicU32) -> bool {
    counter
        .fetch_update(Relaxed, Relaxed, |count| count.checked_sub(1))
        .is_ok()
}

unsafe extern "C" fn on_child() {
    GENERATION.store(GENERATION.load(Relaxed) + 1, Relaxed);
    FORKED_AT.store(monotonic_ns(), Relaxed);
    if !WORDS.is_wiped() {
        WORDS.get().forks.clear();
    }
    if GAVE_UP.load(Relaxed) == 0 {
        // Whoever is counted was only about to step back.
        INSIDE.clear();
    }
}

#[cfg(test)]
mod tests;
