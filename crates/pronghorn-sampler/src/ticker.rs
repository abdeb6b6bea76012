//! The ticker: the one native thread that decides when a JavaScript thread is sampled.
//!
//! Rule: a thread is signalled if it has run since its last sample, by its CPU clock, and otherwise left alone. So a
//! running thread is sampled once per interval; one that blocks is looked at once, since it ran up to its call, and not
//! again; one that waits in its event loop's poll is not looked at at all, its account says since when it waits. Threads that share
//! processors are sampled once per interval of their CPU time, not at each tick (`ticker/watch.rs`).
//!
//! Alarms: a thread that is never blocked is sampled by a timer on its own CPU clock (`ticker/alarm.rs`). While nothing else runs the ticker
//! rests for some intervals.
//!
//! Sleep: with a running thread that has no alarm the ticker sleeps one interval, jittered by a tenth so that it does not beat with the
//! program's own timers; up to three where the threads get only a part of a processor, and so need longer to run for an interval. While threads stand still it looks less and less often (a hundredth of the time they have
//! stood still, at most half a second), and when all of them wait in their polls it parks for good. Three things bring
//! it back: a thread that runs JavaScript after its poll (`unpark`, see `event_loop.rs`), a timer on a watched thread's
//! CPU clock, and `stop`. If the kernel refuses those timers, it does not slow down for threads that stand still.
//!
//! A sample must not fall where the program happens to wake the ticker: a server would be seen at the beginning of its callbacks
//! and nowhere else, with all the CPU time of the callback before. So a ticker that is brought back waits for a random
//! part of an interval before it looks, and one that waits for its next tick is not woken at all.
//!
//! It also watches for stalls, if it is asked to (`stall.rs`): while the main thread is outside of its poll, it is then back in time to see
//! that it has been there for too long.
//!
//! It also asks a thread to resolve its buffer when that is half full, or has waited for a tenth of a second (`ticker/resolving.rs`), through
//! V8's RequestInterrupt, and calls it only under the registration lock, which a thread has to take before it leaves.
//!
//! Threads: `start` and `stop` on the controlling thread; the rest on the ticker. It blocks every signal but the
//! sampling one, which only ends its sleep.
//!
//! Orderings: `stopping` is sequentially consistent with the parking, as all that keeps the ticker from going to sleep: it announces that it will, and then looks once more. A
//! slot's `armed` is read with acquire: see `slot.rs`.
//!
//! It is a [`bare_thread`]: as long as the program loads no libraries and ends no workers it neither allocates nor frees.
//!
//! Fork: the thread does not exist in the child, which closes what it has open ([`Kept`](pronghorn_sync::descriptors::Kept)). It calls V8 and the dynamic linker only inside a [`fork::Section`], which
//! a fork waits for, and not while one is under way. A thread that forks is not signalled meanwhile ([`fork::is_forking`]): a signal makes the kernel
//! begin its clone(2) again, and in a large process one that takes longer than the interval would never end. The reset puts
//! a fresh state in place and abandons the thread's handle. A handler of the host's that forks while the thread is made waits until that is over: signals
//! are blocked.

mod alarm;
mod queued;
mod resolving;
mod steadiness;
mod watch;

use crate::bare_thread::{self, Bare, Body};
use crate::discovery::{self, Discovery};
use crate::slot;
use crate::spawn::{BlockedSignals, check_process};
use crate::stall::Watcher;
use crate::{clock, failure, session, signal, statistics};
use pronghorn_sync::mapping::{Kind, unmap_inherited};
use pronghorn_sync::{
    Alone, Guarded, MappedVec, Parking, Resettable, Sleep, Wiped, failpoint, fork, own_tid,
};
use std::sync::atomic::{
    AtomicBool, AtomicI32,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

pub(crate) use alarm::may_ring;
pub(crate) use watch::send_signal;
use watch::{Look, Pace, Watch};

/// How often the list of images is looked after while something runs.
const IMAGES_AFTER_NS: u64 = 100_000_000;
/// The longest sleep while a thread stands still outside its poll.
const LONGEST_WATCH_NS: u64 = 500_000_000;

struct State {
    stopping: AtomicBool,
    /// The ticker's own thread id; 0 while it does not run.
    tid: AtomicI32,
    /// Only the controlling thread takes this lock.
    handle: Guarded<Option<Bare>>,
}

impl State {
    const fn new() -> Self {
        Self {
            stopping: AtomicBool::new(false),
            tid: AtomicI32::new(0),
            handle: Guarded::new(None),
        }
    }

    /// What a child starts with: no thread.
    fn inherited(&self) -> Self {
        let Self {
            stopping: _,
            tid: _,
            handle: _,
        } = self;
        Self::new()
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// Where the ticker sleeps: written at each tick, so not for forks to copy. In a child nobody sleeps.
static PARKING: Wiped<Parking> = Wiped::new(Parking::new());

// Fork: kept, it says what a thread would run.
static BODY: Body = Body {
    name: c"pronghorn",
    work: tick,
};

extern "C" fn tick() {
    failure::guarded("the ticker", || Ticker::new(session::interval_ns()).run());
}

/// Starts the thread, for the session that is set up; not in a child of a fork in the middle of that. Errors carry the reason why the system refuses a thread.
pub fn start() -> std::io::Result<()> {
    failpoint!("making-thread");
    let _blocked = BlockedSignals::all();
    // A handler of the host's may have forked just before.
    check_process()?;
    let state = STATE.get();
    state.handle.lock().with(|handle| {
        if handle.is_some() {
            return Ok(());
        }
        // Where the kernel wipes nothing it stays where it is.
        PARKING.install();
        state.stopping.store(false, Release);
        *handle = Some(bare_thread::spawn(&BODY)?);
        Ok(())
    })
}

/// Tells the thread to end. [`stop`] has to follow.
pub fn begin_stop() {
    STATE.get().stopping.store(true, SeqCst);
    PARKING.get().wake();
}

/// Ends the thread and waits for it: it is never longer than one round from noticing, and has had that time if [`begin_stop`] came first.
pub fn stop() {
    let state = STATE.get();
    let handle = state.handle.lock().with(Option::take);
    begin_stop();
    if let Some(mut handle) = handle {
        loop {
            if fork::forked() {
                // A handler of this very thread forked while it waited: the thread does not exist here, and its record belongs to the C library.
                return;
            }
            match handle.try_join() {
                Ok(()) => break,
                Err(running) => handle = running,
            }
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    }
    state.tid.store(0, Relaxed);
    for (_, slot) in slot::all() {
        // The timers went with it.
        slot.alarm.store(0, Relaxed);
    }
}

/// Ends the ticker's sleep, if it sleeps, for something that cannot wait for the next tick; one load if it does not sleep.
/// Async-signal-safe.
#[inline]
pub fn wake() {
    PARKING.get().wake();
}

/// A thread runs that may have been at rest: a ticker that is parked begins to tick, and so does one that rests if the thread has no alarm that
/// asks for its samples. One load if it does not sleep that deep. Async-signal-safe.
#[inline]
pub fn unpark(has_alarm: bool) {
    PARKING.get().unpark(has_alarm);
}

/// In a forked process, step two: the thread is gone.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
    let fresh = PARKING.get().inherited();
    PARKING.reset(alone, fresh);
    // What the ticker knew, and where it ran.
    unmap_inherited(Kind::Ticker, alone);
    unmap_inherited(Kind::Stack, alone);
}

/// CPU nanoseconds of the ticker's threads in the session. Whoever wants to know reads the clock: the ticker itself would at every tick.
pub(crate) fn cpu_ns() -> u64 {
    let state = STATE.get();
    let running = match state.tid.load(Relaxed) {
        0 => None,
        // It adds its time to that of those that have ended.
        _ if state.stopping.load(Relaxed) => None,
        tid => clock::cpu_ns_of(tid),
    };
    statistics::shared().ticker_cpu_ns.load(Relaxed) + running.unwrap_or(0)
}

/// The ticker's thread id; 0 while it does not run.
#[cfg(feature = "failpoints")]
pub fn thread_id() -> i32 {
    STATE.get().tid.load(Relaxed)
}

/// Whether `tid` is the ticker's own thread. Async-signal-safe.
pub fn is_ticker(tid: i32) -> bool {
    STATE.get().tid.load(Relaxed) == tid
}

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slept {
    /// It is time to look.
    Enough,
    /// Something has begun to run.
    UnparkedEarly,
}

struct Ticker {
    pace: Pace,
    /// That this process may use.
    processors: u32,
    watches: MappedVec<Watch>,
    random: u64,
    /// When the list of images was last looked after.
    images_at: u64,
    /// Looks for threads that are not registered; `None` if only the main thread is profiled.
    discovery: Option<Discovery>,
    /// Watches for stalls, if it is to.
    stalls: Option<Watcher>,
}

impl Ticker {
    fn new(interval_ns: u64) -> Self {
        Self {
            pace: Pace::new(interval_ns),
            processors: processors(),
            watches: MappedVec::new(Kind::Ticker),
            random: clock::monotonic_ns() | 1,
            images_at: 0,
            discovery: session::all_threads().then(Discovery::new),
            stalls: Watcher::new(interval_ns),
        }
    }

    fn run(&mut self) {
        let state = STATE.get();
        state.tid.store(own_tid(), Relaxed);
        // SAFETY: the set is a place of ours. Only the sampling signal may end a sleep.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, signal::number());
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        }
        while !state.stopping.load(SeqCst) {
            PARKING.get().look();
            let now = clock::monotonic_ns();
            if let Some(discovery) = &mut self.discovery {
                discovery.look(now);
            }
            let (sleep, mut until) = self.round(now);
            if let Some(stalls) = &mut self.stalls {
                until = with_stalls(stalls, now, sleep, until);
            }
            if self.sleep(sleep, until) == Slept::UnparkedEarly {
                let first = clock::monotonic_ns() + self.random() % self.pace.interval_ns.max(1);
                if let Some(stalls) = &mut self.stalls {
                    stalls.sleeps_until(Some(first));
                }
                self.sleep(Sleep::Ticking, Some(first));
            }
        }
        statistics::shared()
            .ticker_cpu_ns
            .fetch_add(clock::own_cpu_ns(), Relaxed);
    }

    /// Sleeps as [`Ticker::round`] says, unless there is something to do.
    fn sleep(&self, sleep: Sleep, until: Option<u64>) -> Slept {
        let (state, parking) = (STATE.get(), PARKING.get());
        parking.announce(sleep);
        failpoint!("ticker-parking");
        let wanted = self.discovery.is_some() && discovery::is_wanted();
        let stirred = sleep == Sleep::Parked && parking.was_stirred();
        let begun = stirred || (until.is_none() && !all_poll());
        if state.stopping.load(SeqCst) || wanted || begun {
            parking.withdraw();
            return if begun {
                Slept::UnparkedEarly
            } else {
                Slept::Enough
            };
        }
        let on_time = parking.wait(sleep, until);
        if sleep != Sleep::Ticking && !on_time {
            return Slept::UnparkedEarly;
        }
        Slept::Enough
    }

    /// Looks at every thread; returns how to sleep, and until when, `None` for as long as nothing happens.
    fn round(&mut self, now: u64) -> (Sleep, Option<u64>) {
        let (pace, random) = (self.pace, self.random());
        let mut running = 0u32;
        let mut longest_rest = u64::MAX;
        let mut shortest_rest = None::<u64>;
        let mut shortest_still = None::<u64>;
        for (index, slot) in slot::all() {
            if !slot.armed.load(Acquire) {
                if let Some(watch) = self.watches.get_mut(index) {
                    watch.let_go();
                }
                continue;
            }
            let Some(watch) = self.watch(index) else {
                continue;
            };
            match watch.look(index, slot, now, pace, random) {
                Look::Running(rest) => {
                    running += 1;
                    shortest_rest = Some(shortest_rest.map_or(rest, |least| least.min(rest)));
                }
                Look::Rung(rest) => {
                    running += 1;
                    longest_rest = longest_rest.min(rest);
                }
                Look::Still(nanos) => {
                    shortest_still = Some(shortest_still.map_or(nanos, |least| least.min(nanos)));
                }
                Look::Quiet => {}
            }
        }
        self.pace.crowd = running.saturating_sub(1) / self.processors;
        if running > 0 {
            if now.saturating_sub(self.images_at) > IMAGES_AFTER_NS {
                let section = fork::enter();
                failpoint!("ticker-images");
                if session::refresh_images_inside(&section) {
                    self.images_at = now;
                }
            }
            return match shortest_rest {
                Some(rest) => (Sleep::Ticking, Some(self.next_tick(now, rest))),
                // All that run have alarms.
                None => {
                    let rest = shortest_still
                        .map_or(longest_rest, |nanos| self.watch_for(nanos, longest_rest));
                    (Sleep::Resting, Some(self.next_tick(now, rest)))
                }
            };
        }
        let watch = shortest_still.map(|nanos| now + self.watch_for(nanos, LONGEST_WATCH_NS));
        (Sleep::Parked, watch)
    }

    /// How long a thread is left alone that has stood still for so many nanoseconds.
    fn watch_for(&self, nanos: u64, longest: u64) -> u64 {
        let interval_ns = self.pace.interval_ns;
        if self.watches.iter().any(Watch::must_look_often) {
            return interval_ns;
        }
        // An interval may be longer than that.
        (nanos / 100).clamp(interval_ns, longest.max(interval_ns))
    }

    /// What is known of this slot; nothing if there is no memory for it.
    fn watch(&mut self, index: usize) -> Option<&mut Watch> {
        while self.watches.len() <= index && self.watches.push(Watch::default()).is_ok() {}
        self.watches.get_mut(index)
    }

    /// The next tick: so much later, give or take a tenth of an interval.
    fn next_tick(&mut self, now: u64, rest: u64) -> u64 {
        let tenth = self.pace.interval_ns / 10;
        now + rest - tenth + self.random() % (2 * tenth).max(1)
    }

    /// The next of a sequence of numbers that no program beats with (xorshift).
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// Looks for a stall. Returns until when the ticker sleeps, which would be until `until`: one that ticks is back soon enough anyway.
fn with_stalls(stalls: &mut Watcher, now: u64, sleep: Sleep, until: Option<u64>) -> Option<u64> {
    let due = stalls.look(now);
    let until = match (sleep, due) {
        (Sleep::Parked | Sleep::Resting, Some(due)) => {
            Some(until.map_or(due, |until| until.min(due)))
        }
        _ => until,
    };
    stalls.sleeps_until(until);
    until
}

/// Processors that the calling thread may run on, without an allocation; one if that cannot be told.
fn processors() -> u32 {
    // SAFETY: a set is plain bytes, of which zeroes are an empty one; the kernel fills in the caller's.
    let count = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) {
            0 => libc::CPU_COUNT(&set),
            _ => 1,
        }
    };
    u32::try_from(count).unwrap_or(1).max(1)
}

fn all_poll() -> bool {
    slot::all().all(|(_, slot)| !slot.armed.load(Acquire) || slot.account.poll_since() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_stands_still_is_watched_for_an_interval_at_least_however_long_that_is() {
        let watch_for = |interval_ns, nanos| {
            let ticker = Ticker {
                pace: Pace::new(interval_ns),
                processors: 1,
                watches: MappedVec::new(Kind::Ticker),
                random: 1,
                images_at: 0,
                discovery: None,
                stalls: None,
            };
            ticker.watch_for(nanos, LONGEST_WATCH_NS)
        };
        let second = 1_000_000_000;
        assert_eq!(watch_for(second / 100, second), second / 100);
        assert_eq!(watch_for(second / 100, 10 * second), second / 10);
        assert_eq!(watch_for(second / 100, 100 * second), second / 2);
        // The longest that can be asked for.
        assert_eq!(watch_for(second, 10 * second), second);
    }

    #[test]
    fn a_fork_leaves_nothing_of_what_was_set() {
        let state = State::new();
        state.stopping.store(true, Relaxed);
        state.tid.store(7, Relaxed);
        extern "C" fn nothing() {}
        static NOTHING: Body = Body {
            name: c"nothing",
            work: nothing,
        };
        let thread = bare_thread::spawn(&NOTHING).unwrap();
        state.handle.lock().with(|handle| *handle = Some(thread));
        // Held by a thread that is gone.
        std::mem::forget(state.handle.lock());

        let State {
            stopping,
            tid,
            handle,
        } = state.inherited();
        assert!(!stopping.load(Relaxed));
        assert_eq!(tid.load(Relaxed), 0);
        assert!(handle.lock().with(|handle| handle.is_none()));
    }
}
