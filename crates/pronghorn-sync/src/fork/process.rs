//! The state of this process: its gate, its witnesses, its fork handlers. See the module above.

use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

use super::Gate;

/// How long a fork waits for our native threads.
pub const PATIENCE_NS: u64 = 1_000_000;

/// What stands in the witness page of a process that is not in limbo.
const HERE: u32 = 0x7072_6f6e;

// Fork: this is the state that tells; each word is explained where the child sets it.
static GATE: Gate = Gate::new();
/// The generation whose reset is complete.
static ACKNOWLEDGED: AtomicU32 = AtomicU32::new(0);
/// The page that a fork wipes; null before `install` or where the kernel cannot do that.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(std::ptr::null_mut());
/// The process that acknowledged last, where there is no page; 0 before `install`.
static PROCESS: AtomicI32 = AtomicI32::new(0);
static PREPARE: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
static PARENT: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
/// When the last prepare handler ran (monotonic), and for how long.
static PREPARED_AT: AtomicU64 = AtomicU64::new(0);
static PREPARED_FOR: AtomicU64 = AtomicU64::new(0);
static LATE_FORKS: AtomicU64 = AtomicU64::new(0);
static STAGE: AtomicU8 = AtomicU8::new(0);
static HANDLERS: AtomicBool = AtomicBool::new(false);
static HANDLERS_ERROR: AtomicI32 = AtomicI32::new(0);

/// What the sampler does in the fork handlers, besides what happens here. Bounded, async-signal-safe, out of V8: libuv
/// forks for every spawn.
#[derive(Clone, Copy)]
pub struct Observer {
    /// At the end of the prepare handler, on the thread that forks.
    pub prepare: fn(),
    /// In the parent handler, with the nanoseconds that both handlers took. Not in the child.
    pub parent: fn(u64),
}

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
    wiped_page: fn() -> Option<*mut AtomicU32>,
}

/// Registers the fork handlers and puts up the witness, once per process; later calls return what the first came to.
/// Handlers stay for good, so the image must never be unloaded. Async-signal-unsafe.
pub fn install(observer: Observer) -> Installed {
    let system = System {
        register: register_handlers,
        wiped_page,
    };
    install_by(&system, observer)
}

fn install_by(system: &System, observer: Observer) -> Installed {
    if STAGE.compare_exchange(0, 1, SeqCst, SeqCst).is_ok() {
        PREPARE.store(observer.prepare as *mut (), Release);
        PARENT.store(observer.parent as *mut (), Release);
        // SAFETY: getpid has no preconditions.
        PROCESS.store(unsafe { libc::getpid() }, Relaxed);
        if let Some(page) = (system.wiped_page)() {
            // SAFETY: a page of ours, aligned and writable.
            unsafe { (*page).store(HERE, Relaxed) };
            PAGE.store(page, Release);
        }
        let error = (system.register)();
        HANDLERS_ERROR.store(error, Relaxed);
        HANDLERS.store(error == 0, Relaxed);
        STAGE.store(2, SeqCst);
    }
    installed().unwrap_or(Installed {
        handlers: false,
        error: 0,
        witness: Witness::ProcessId,
    })
}

/// What the first [`install`] came to; `None` before it.
#[must_use]
pub fn installed() -> Option<Installed> {
    (STAGE.load(SeqCst) == 2).then(|| Installed {
        handlers: HANDLERS.load(Relaxed),
        error: HANDLERS_ERROR.load(Relaxed),
        witness: if PAGE.load(Acquire).is_null() {
            Witness::ProcessId
        } else {
            Witness::Page
        },
    })
}

fn register_handlers() -> i32 {
    // SAFETY: three functions of this image, which is never unloaded.
    unsafe { libc::pthread_atfork(Some(on_prepare), Some(on_parent), Some(on_child)) }
}

/// A fresh page that reads zero after a fork; `None` if there is no memory or the kernel does not wipe.
fn wiped_page() -> Option<*mut AtomicU32> {
    const BYTES: usize = 4096;
    // SAFETY: an anonymous mapping at an address of the kernel's choice; the advice concerns only that mapping.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, BYTES, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, BYTES);
            return None;
        }
        Some(page.cast())
    }
}

/// Whether this process was forked off and has not acknowledged it: then nothing of ours may do anything. Costs two
/// loads (and getpid where there is no page). Async-signal-safe. False before [`install`].
#[inline]
#[must_use]
pub fn forked() -> bool {
    if GATE.generation() != ACKNOWLEDGED.load(Relaxed) {
        return true;
    }
    let page = PAGE.load(Relaxed);
    if !page.is_null() {
        // SAFETY: the page is never unmapped.
        return unsafe { (*page).load(Relaxed) } != HERE;
    }
    let known = PROCESS.load(Relaxed);
    // SAFETY: getpid has no preconditions.
    known != 0 && known != unsafe { libc::getpid() }
}

/// How many forks lie between the process that called [`install`] first and this one. Forks without handlers are counted
/// once until they are acknowledged, however many there were in a row.
#[must_use]
pub fn generation() -> u32 {
    let generation = GATE.generation();
    if generation == ACKNOWLEDGED.load(Relaxed) && forked() {
        return generation + 1;
    }
    generation
}

/// In limbo: whether the fork may have caught a native thread of ours inside V8 or a lock. The child must not restart.
#[must_use]
pub fn late() -> bool {
    forked() && GATE.is_late()
}

/// In limbo: when the fork happened, by the monotonic clock in nanoseconds. `None` if it ran no handlers.
#[must_use]
pub fn forked_at() -> Option<u64> {
    let handlers_ran = GATE.generation() != ACKNOWLEDGED.load(Relaxed);
    handlers_ran.then(|| PREPARED_AT.load(Relaxed))
}

/// Forks of this process that did not wait long enough for our native threads.
#[must_use]
pub fn late_forks() -> u64 {
    LATE_FORKS.load(Relaxed)
}

/// Everything of the parent is reset: this process is its own. The last step of a reset.
pub fn acknowledge() {
    let generation = generation();
    LATE_FORKS.store(0, Relaxed);
    GATE.settle(generation);
    ACKNOWLEDGED.store(generation, Relaxed);
    // SAFETY: getpid has no preconditions.
    PROCESS.store(unsafe { libc::getpid() }, Relaxed);
    let page = PAGE.load(Relaxed);
    if !page.is_null() {
        // SAFETY: the page is never unmapped. The kernel keeps the advice for the child's copy of the mapping.
        unsafe { (*page).store(HERE, Release) };
    }
}

/// Takes an [`acknowledge`] back, where the very last step of a reset failed: the process is in limbo again.
pub fn revoke() {
    let generation = GATE.generation();
    ACKNOWLEDGED.store(generation.wrapping_sub(1), Relaxed);
}

/// A native thread of ours is at a place where a fork must not find it, for as long as this lives.
#[must_use = "dropping it leaves the section at once"]
pub struct Section(());

/// Enters a section; waits while a fork is under way. Not for JavaScript threads, not in a signal handler, not nested.
pub fn enter() -> Section {
    GATE.enter();
    Section(())
}

impl Drop for Section {
    fn drop(&mut self) {
        GATE.leave();
    }
}

fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place of ours; the clock exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

unsafe extern "C" fn on_prepare() {
    let began = now();
    let clear = GATE.hold(|| {
        // SAFETY: yielding has no preconditions.
        unsafe { libc::sched_yield() };
        now().saturating_sub(began) < PATIENCE_NS
    });
    if !clear {
        LATE_FORKS.fetch_add(1, Relaxed);
    }
    PREPARED_AT.store(began, Relaxed);
    if let Some(prepare) = function::<fn()>(&PREPARE) {
        prepare();
    }
    PREPARED_FOR.store(now().saturating_sub(began), Relaxed);
}

unsafe extern "C" fn on_parent() {
    let began = now();
    GATE.release();
    if let Some(parent) = function::<fn(u64)>(&PARENT) {
        parent(PREPARED_FOR.load(Relaxed) + now().saturating_sub(began));
    }
}

unsafe extern "C" fn on_child() {
    GATE.inherit();
}

/// The function stored in `place`, which must be of type `F`.
fn function<F: Copy>(place: &AtomicPtr<()>) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut ()>()) };
    let pointer = place.load(Acquire);
    // SAFETY: same size (asserted); `install_by` stores functions of these types only.
    (!pointer.is_null()).then(|| unsafe { std::mem::transmute_copy(&pointer) })
}

#[cfg(test)]
mod tests;
