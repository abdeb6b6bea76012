//! The native half of the reset after a fork, as JavaScript drives it: what it asks, and the steps in their order.
//!
//! lib/fork/chain.ts calls the steps one after the other, in one synchronous call: `hooksOff`, `resetCollector`, `resetRecorder`,
//! `resetBinding`, then `start`, or `acknowledgeFork` where nothing shall be started. Each step checks that those before it were
//! done for this very fork; a step that fails leaves the process in limbo, and the whole chain can be run again.
//!
//! Threads: the JavaScript thread that forked. Until the last step nothing else of ours runs in the process, so its one word needs no ordering.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use pronghorn_sampler::clock::{self, Reading};
use pronghorn_sampler::slot::ThreadSlot;
use pronghorn_sampler::{collector, failure, reset};
use pronghorn_sync::{Alone, descriptors, fork};

use crate::error::{Code, Failure, Result, guarded};
use crate::{claim, listener, otlp, rotation, sessions, source_maps, termination, work_thread};

/// Steps that are complete, as bits below the process that they were done in.
// Fork: kept; the process id tells of which it speaks.
static DONE: AtomicU64 = AtomicU64::new(0);

const HOOKS_OFF: u64 = 1;
const COLLECTOR: u64 = 2;
const RECORDER: u64 = 4;
const BINDING: u64 = 8;
const ALL: u64 = HOOKS_OFF | COLLECTOR | RECORDER | BINDING;

type Outcome = std::result::Result<(), Failure>;

/// One look at the clocks, in nanoseconds.
#[napi(object)]
pub struct ClockReading {
    /// Since the epoch.
    pub realtime_nanos: BigInt,
    /// On the monotonic clock.
    pub monotonic_nanos: BigInt,
    /// CPU time of the calling thread.
    pub cpu_nanos: BigInt,
}

impl From<Reading> for ClockReading {
    fn from(reading: Reading) -> Self {
        Self {
            realtime_nanos: BigInt::from(reading.real_time_ns),
            monotonic_nanos: BigInt::from(reading.monotonic_ns),
            cpu_nanos: BigInt::from(reading.cpu_ns),
        }
    }
}

impl From<&ClockReading> for Reading {
    fn from(reading: &ClockReading) -> Self {
        let value = |number: &BigInt| number.get_u64().1;
        Self {
            real_time_ns: value(&reading.realtime_nanos),
            monotonic_ns: value(&reading.monotonic_nanos),
            cpu_ns: value(&reading.cpu_nanos),
        }
    }
}

/// What is known of this process and the fork that made it.
#[napi(object)]
pub struct ForkState {
    /// Whether it was forked off and has not been reset.
    pub forked: bool,
    /// How many forks lie between the process that first started the profiler and this one.
    pub generation: u32,
    /// getpid(2): `process.pid` is the parent's in a child.
    pub pid: i32,
    /// getppid(2).
    pub parent_pid: i32,
    /// Whether the fork may have caught a native thread of ours inside V8: then nothing may be started.
    pub late: bool,
    /// Whether the calling thread is the one that forked and not the one that starts and stops the profiler.
    pub worker: bool,
    /// Whether the calling thread is the one that forked; false if `forked` is.
    pub forking_thread: bool,
    /// When it was forked off, by the monotonic clock; 0 if `forked` is false.
    pub forked_at_monotonic_nanos: BigInt,
}

/// The clocks at this moment.
#[napi]
pub fn read_clock() -> ClockReading {
    Reading::now().into()
}

/// Whether this process was forked off, and how. Costs a few loads while it was not; takes no lock.
#[napi]
pub fn fork_state() -> ForkState {
    let forked = fork::forked();
    // SAFETY: neither has preconditions.
    let (pid, parent_pid) = unsafe { (libc::getpid(), libc::getppid()) };
    ForkState {
        forked,
        generation: fork::generation(),
        pid,
        parent_pid,
        late: fork::late(),
        worker: forked && reset::forked_in_worker(),
        forking_thread: forked && reset::is_forking_thread(),
        forked_at_monotonic_nanos: BigInt::from(if forked { forked_at() } else { 0 }),
    }
}

/// Whether libuv's thread pool works in this process. In a child of a fork that ran no handlers libuv believes in the threads of the
/// parent's pool, and what it gives them is never done.
#[napi]
pub fn has_thread_pool() -> bool {
    !fork::was_silent()
}

/// The prepare handler's reading, or, after a fork without handlers, when the kernel says this process began.
fn forked_at() -> u64 {
    fork::forked_at()
        .or_else(process_start)
        .unwrap_or_else(clock::monotonic_ns)
}

/// When this process began, by the monotonic clock: field 22 of /proc/self/stat, in clock ticks since boot (proc(5)), so to within
/// a hundredth of a second. The boot clock that it is on also counts sleep of the machine.
fn process_start() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, the name, may hold anything; the rest follows its last parenthesis.
    let (_, rest) = text.rsplit_once(')')?;
    let ticks: u64 = rest.split_whitespace().nth(19)?.parse().ok()?;
    // SAFETY: a plain question.
    let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    let since_boot = ticks * (1_000_000_000 / per_second.max(1));
    let age = clock::since_boot_ns().saturating_sub(since_boot);
    Some(clock::monotonic_ns().saturating_sub(age))
}

/// The process that a call began in. A handler of the host's may fork in the middle of one; what then goes on in the child must
/// not finish what its parent does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnProcess {
    generation: u32,
}

impl OwnProcess {
    /// Whether this is still that process.
    pub(crate) fn is_here(self) -> bool {
        !fork::forked() && fork::generation() == self.generation
    }

    /// Refuses to go on if it is not.
    pub(crate) fn check(self) -> Outcome {
        if self.is_here() {
            return Ok(());
        }
        Err(Failure::new(
            Code::Forked,
            "the process was forked while its parent's profile was being made; the parent has it",
        ))
    }
}

/// Refuses to go on in a forked process that has not been reset.
pub(crate) fn in_own_process() -> std::result::Result<OwnProcess, Failure> {
    let generation = fork::generation();
    if !fork::forked() {
        return Ok(OwnProcess { generation });
    }
    if reset::forked_in_worker() {
        return Err(Failure::new(
            Code::ForkedInWorker,
            "this process was forked off by a worker thread; the profiler stays off in it",
        ));
    }
    Err(Failure::new(
        Code::Forked,
        "this process was forked off and the profiler has not been reset in it",
    ))
}

/// A start in a forked process needs all that comes before it.
pub(crate) fn check_start() -> Outcome {
    if !fork::forked() {
        return Ok(());
    }
    check_thread_and_fork()?;
    require(ALL)
}

fn check_thread_and_fork() -> Outcome {
    if reset::forked_in_worker() {
        return in_own_process().map(|_| ());
    }
    if fork::late() {
        return Err(Failure::new(
            Code::Forked,
            "the fork did not wait long enough for a native thread of the profiler, which may have held a lock of V8's: nothing is started in this process",
        ));
    }
    Ok(())
}

fn done() -> u64 {
    let word = DONE.load(Relaxed);
    if word >> 8 == u64::from(std::process::id()) {
        word & ALL
    } else {
        0
    }
}

fn require(steps: u64) -> Outcome {
    if done() & steps == steps {
        return Ok(());
    }
    Err(Failure::new(
        Code::Forked,
        "this process was forked off and the profiler has not been reset in it",
    ))
}

/// Runs one step, if those before it are complete; one that is repeated makes those behind it due again. Outside a forked process it
/// does nothing.
fn step(name: &'static str, bit: u64, work: impl FnOnce(&Alone)) -> Result<()> {
    guarded(|| {
        if !fork::forked() {
            return Ok(());
        }
        let before = bit - 1;
        require(before)?;
        failure::injection::fail(name).map_err(|reason| Failure::new(Code::Internal, reason))?;
        // SAFETY: the process is in limbo: it has one thread that uses anything of ours, this one, called from JavaScript and so with nothing
        // of ours further up its stack but these steps; handlers and hooks do not look.
        let alone = unsafe { Alone::vouch() };
        work(&alone);
        DONE.store((u64::from(std::process::id()) << 8) | before | bit, Relaxed);
        Ok(())
    })
    .map_err(Into::into)
}

/// Step one: every hook and handler of ours off, those of signals as they were before us.
#[napi]
pub fn hooks_off() -> Result<()> {
    step("hooksOff", HOOKS_OFF, |_| {
        reset::hooks_off();
        termination::hooks_off();
    })
}

/// Step two: threads, accounts, buffers, statistics, breaker.
#[napi]
pub fn reset_collector() -> Result<()> {
    step("resetCollector", COLLECTOR, reset::reset_after_fork)
}

/// Step three: the recorder begins at `reading`, with nothing in it.
#[napi]
pub fn reset_recorder(reading: ClockReading) -> Result<()> {
    step("resetRecorder", RECORDER, |alone| {
        reset::reset_recorder(alone, Reading::from(&reading));
    })
}

/// Step four: sessions, rotation, work and termination of this layer, and the files that the parent's threads had open.
#[napi]
pub fn reset_binding() -> Result<()> {
    step("resetBinding", BINDING, |alone| {
        claim::reset_after_fork(alone);
        work_thread::reset_after_fork(alone);
        otlp::reset_after_fork(alone);
        sessions::reset_after_fork(alone);
        listener::reset_after_fork(alone);
        rotation::reset_after_fork(alone);
        source_maps::reset_after_fork(alone);
        termination::reset_after_fork(alone);
        // Whoever had them open is abandoned with the state above.
        descriptors::close_inherited(alone);
    })
}

/// Last step where nothing shall be started: the process is its own, hooks stay off.
#[napi]
pub fn acknowledge_fork() -> Result<()> {
    guarded(|| {
        if fork::forked() {
            require(ALL)?;
            reset::acknowledge_fork();
        }
        Ok(())
    })
    .map_err(Into::into)
}

/// Before the process becomes another program: no signal of ours is sent or under way when this returns.
#[napi]
pub fn suspend() -> Result<()> {
    guarded(|| {
        in_own_process()?;
        collector::suspend();
        Ok(())
    })
    .map_err(Into::into)
}

/// It did not: goes on.
#[napi]
pub fn resume() -> Result<()> {
    guarded(|| {
        in_own_process()?;
        collector::resume().map_err(Failure::from)
    })
    .map_err(Into::into)
}

/// Before the child's loop first polls, on the loop's thread: JavaScript is told, which runs the chain. If that does not come to its
/// end, the loop goes on looking.
pub(crate) fn tell_of_fork(slot: &ThreadSlot) {
    if reset::forked_in_worker() {
        // Nothing can be started here: once and for all.
        reset::give_up();
        termination::hooks_off();
        return;
    }
    listener::with_listener(slot, |listener| {
        let env = listener.env;
        let called = env.run_in_scope(|| listener.on_fork.borrow_back(&env)?.call(()));
        // It reports its errors itself; there is no JavaScript below this to throw to.
        drop(called);
    });
}
