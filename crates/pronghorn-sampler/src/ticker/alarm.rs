//! A thread that is never blocked asks for its own samples: a timer on its CPU clock rings once per interval, and the ticker, whose every
//! look costs more than a sample, comes back every few intervals only (docs/measurements.md).
//!
//! Such a timer never rings in a thread that is blocked, and the kernel looks at it at its own tick. So it is set only where blocking has hardly a
//! part (`steadiness.rs`: the thread runs, waits for a processor, or waits in its event loop's poll, whose time is known anyway), and only for intervals
//! of two kernel ticks and more. The ticker judges that anew over some intervals; when a thread blocks elsewhere, its alarm
//! is switched off and it is looked at like any other: at once, or, if it has been steady for long, the second time in a row; the first time it is sampled where it is.
//!
//! What makes the intervals irregular, so that they do not beat with the program's: whenever the thread is judged, the next ones' length is drawn.
//!
//! The signal carries the slot's index and nonce, like the ticker's own, and comes from the kernel as SI_TIMER (`signal.rs`).
//!
//! Threads: the ticker; [`may_ring`] in the handler, on the slot's thread. `slot.alarm` says which timer is set: the ticker stores it before it arms
//! the timer, the handler may take it. Relaxed: it stands for itself.
//!
//! Fork: a signal that arrives during clone(2) makes old kernels begin it anew, so a thread that forks switches its alarm off when it rings, and
//! the ticker sets it again. In the child there are no timers; the slot's memory says so, since forks do not copy it. See `ticker.rs` for the rest.

use std::sync::atomic::Ordering::Relaxed;

use super::queued::Queue;
use super::steadiness::{Clocks, Window};
use super::watch::Pace;
use crate::cpu_timer::CpuTimer;
use crate::slot::{ThreadSlot, ticket};
use crate::{signal, statistics};
use pronghorn_sync::fork;

/// Intervals between two looks at a thread that has an alarm.
const LOOK_INTERVALS: u64 = 5;
/// The same for one that has been steady for long.
const LONG_LOOK_INTERVALS: u64 = 10;
/// Windows after which it has.
const LONG_STEADY: u32 = 4;
/// Intervals that a thread is judged by. Less than lie between two looks, give or take the ticker's tenth.
const WINDOW_INTERVALS: u64 = 4;
/// The same for one that has been steady for long, and is looked at in between for what it has left to resolve.
const LONG_WINDOW_INTERVALS: u64 = 8;
/// A thread that has not been sampled for so many intervals of its CPU time has an alarm that nobody hears.
const UNHEARD_INTERVALS: u64 = 10;

/// What the ticker knows of one thread's alarm.
#[derive(Default)]
pub(super) struct Alarm {
    timer: Option<CpuTimer>,
    /// The kernel grants no timer for this thread.
    refused: bool,
    is_set: bool,
    /// For how many windows the thread has been steady.
    steady: u32,
    /// Where on the thread's CPU clock it first rings, and how much later each next time, as it was last set.
    first: u64,
    period: u64,
    window: Window,
    queue: Queue,
}

/// What the ticker has to do about a thread, by its alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing for so many nanoseconds: the alarm asks for the samples.
    Alone(u64),
    /// It has an alarm, and was blocked for a part of the time. If it still is, that does not ring: it is sampled now, where it is.
    WhereItIs,
    /// It has no alarm.
    ToTheTicker,
}

/// What is to become of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is too early to tell.
    AsItIs,
    /// The thread is steady.
    Steady,
    /// It was, for long: the next window tells, and comes sooner.
    OnceMore,
    /// It blocks, or the alarm is not heard.
    Off,
}

impl Alarm {
    /// How long the thread may be left to its alarm; `None` if that is not set.
    pub(super) fn rest(&self, interval_ns: u64) -> Option<u64> {
        let looks = if self.is_long_steady() {
            LONG_LOOK_INTERVALS
        } else {
            LOOK_INTERVALS
        };
        self.is_set.then_some(looks * interval_ns)
    }

    /// Closes what is open about the thread: it is not looked at any more, or not judged.
    pub(super) fn let_go(&mut self) {
        self.queue.let_go();
    }

    const fn is_long_steady(&self) -> bool {
        self.steady >= LONG_STEADY
    }

    /// Judges the thread, and sets its alarm or switches it off.
    pub(super) fn judge(
        &mut self,
        index: usize,
        slot: &ThreadSlot,
        clocks: Clocks,
        pace: Pace,
        random: u64,
    ) -> Left {
        if !pace.may_ring || self.refused {
            return Left::ToTheTicker;
        }
        // The handler switched it off, since the thread forked.
        self.is_set &= slot.alarm.load(Relaxed) != 0;
        let unheard =
            clocks.cpu.saturating_sub(clocks.sampled) > UNHEARD_INTERVALS * pace.interval_ns;
        let window = if self.is_long_steady() {
            LONG_WINDOW_INTERVALS
        } else {
            WINDOW_INTERVALS
        };
        let queued = || self.queue.waited_ns(slot.tid.load(Relaxed));
        let judged = self.window.judge(clocks, window * pace.interval_ns, queued);
        let verdict = self.verdict(judged, unheard);
        match verdict {
            Verdict::AsItIs => {}
            Verdict::Steady | Verdict::OnceMore => self.set(index, slot, clocks, pace, random),
            Verdict::Off => {
                // Somebody has the signal blocked, or the kernel does not do what it says: such a thread is looked at, for good.
                self.refused |= unheard && self.is_set;
                self.switch_off(slot);
                if self.refused {
                    self.let_go();
                }
            }
        }
        match self.rest(pace.interval_ns) {
            None => Left::ToTheTicker,
            Some(_) if verdict == Verdict::OnceMore => Left::WhereItIs,
            Some(rest) => Left::Alone(rest),
        }
    }

    fn verdict(&mut self, is_steady: Option<bool>, unheard: bool) -> Verdict {
        let (verdict, steady) = match is_steady {
            _ if unheard => (Verdict::Off, 0),
            None => (Verdict::AsItIs, self.steady),
            Some(true) => (Verdict::Steady, self.steady.saturating_add(1)),
            // Once is no habit, and the alarm is worth what it costs to set it again.
            Some(false) if self.is_set && self.is_long_steady() => (Verdict::OnceMore, 0),
            Some(false) => (Verdict::Off, 0),
        };
        self.steady = steady;
        verdict
    }

    fn set(&mut self, index: usize, slot: &ThreadSlot, clocks: Clocks, pace: Pace, random: u64) {
        let first = self.next(clocks, pace.interval_ns);
        let tenth = pace.interval_ns / 10;
        self.first = first;
        self.period = pace.interval_ns - tenth + random % (2 * tenth).max(1);
        if self.timer.is_none() {
            let tid = slot.tid.load(Relaxed);
            let value = ticket::of(index, slot);
            self.timer = CpuTimer::new(tid, signal::number(), tid, value);
        }
        self.is_set = self.timer.is_some_and(|timer| {
            slot.alarm.store(timer.into_raw() + 1, Relaxed);
            timer.arm_each(self.first, self.period)
        });
        self.refused = !self.is_set;
        if self.refused {
            slot.alarm.store(0, Relaxed);
        }
    }

    /// Where on the thread's clock the next sample is due: an interval behind the last, or where the alarm would have rung if it were not set
    /// again. The kernel is late by up to a tick: what is due already and has not come yet still has to.
    fn next(&self, clocks: Clocks, interval_ns: u64) -> u64 {
        if !self.is_set {
            return (clocks.sampled + interval_ns).max(clocks.cpu);
        }
        let Some(past) = clocks.cpu.checked_sub(self.first) else {
            return self.first;
        };
        let last = clocks.cpu - past % self.period.max(1);
        if clocks.sampled < last {
            last
        } else {
            last + self.period
        }
    }

    fn switch_off(&mut self, slot: &ThreadSlot) {
        if self.is_set
            && let Some(timer) = self.timer
        {
            timer.disarm();
            slot.alarm.store(0, Relaxed);
        }
        self.is_set = false;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.delete();
        }
    }
}

/// The alarm of the calling thread has rung: whether it is to be sampled. One that forks is not, and switches its alarm off. Async-signal-safe.
pub(crate) fn may_ring(slot: &ThreadSlot, tid: i32) -> bool {
    if !fork::is_forking(tid) {
        statistics::shared().signals_sent.fetch_add(1, Relaxed);
        return true;
    }
    let alarm = slot.alarm.swap(0, Relaxed);
    if alarm != 0 {
        CpuTimer::from_raw(alarm - 1).disarm();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticker::steadiness::tests::at;

    const MS: u64 = 1_000_000;

    fn next(first: u64, cpu: u64, sampled: u64) -> u64 {
        let mut alarm = Alarm::default();
        (alarm.is_set, alarm.first, alarm.period) = (true, first * MS, 11 * MS);
        let clocks = Clocks {
            sampled: sampled * MS,
            ..at(0, cpu, 0)
        };
        alarm.next(clocks, 10 * MS) / MS
    }

    #[test]
    fn it_goes_on_where_it_would_have_rung() {
        assert_eq!(next(100, 90, 89), 100);
        assert_eq!(next(100, 105, 101), 111);
        assert_eq!(next(100, 125, 123), 133);
    }

    #[test]
    fn what_the_kernel_is_late_with_still_comes() {
        assert_eq!(next(100, 101, 89), 100);
        assert_eq!(next(100, 124, 112), 122);
    }

    #[test]
    fn the_first_comes_an_interval_behind_the_last_sample() {
        let clocks = |cpu, sampled| Clocks {
            sampled: sampled * MS,
            ..at(0, cpu, 0)
        };
        let alarm = Alarm::default();
        assert_eq!(alarm.next(clocks(103, 100), 10 * MS), 110 * MS);
        assert_eq!(alarm.next(clocks(150, 100), 10 * MS), 150 * MS);
    }

    #[test]
    fn one_that_has_been_steady_for_long_may_block_once() {
        let mut alarm = Alarm::default();
        let (runs, blocks) = (Some(true), Some(false));
        let mut verdicts = |is_set, windows: &[Option<bool>]| {
            alarm.is_set = is_set;
            let verdicts = windows.iter().map(|window| alarm.verdict(*window, false));
            verdicts.collect::<Vec<_>>()
        };
        assert_eq!(verdicts(false, &[blocks]), [Verdict::Off]);
        assert_eq!(verdicts(false, &[runs]), [Verdict::Steady]);
        assert_eq!(verdicts(true, &[runs; 2]), [Verdict::Steady; 2]);
        assert_eq!(verdicts(true, &[blocks]), [Verdict::Off], "too few");
        assert_eq!(
            verdicts(true, &[runs; LONG_STEADY as usize]),
            [Verdict::Steady; LONG_STEADY as usize]
        );
        assert_eq!(
            verdicts(true, &[None, blocks, runs, blocks]),
            [
                Verdict::AsItIs,
                Verdict::OnceMore,
                Verdict::Steady,
                Verdict::Off
            ]
        );
        verdicts(true, &[runs; LONG_STEADY as usize]);
        assert_eq!(
            verdicts(true, &[blocks, blocks]),
            [Verdict::OnceMore, Verdict::Off]
        );
        assert_eq!(alarm.verdict(runs, true), Verdict::Off, "it is not heard");
    }

    #[test]
    fn a_thread_that_is_not_heard_of_has_no_alarm() {
        let slot = ThreadSlot::new();
        assert!(slot.map());
        let mut pace = Pace::new(10 * MS);
        pace.may_ring = true;
        let mut alarm = Alarm::default();
        alarm.is_set = true;
        slot.alarm.store(7, Relaxed);
        let unheard = Clocks {
            sampled: 50 * MS,
            ..at(0, 200, 0)
        };
        assert_eq!(alarm.judge(0, &slot, unheard, pace, 0), Left::ToTheTicker);
        assert_eq!(slot.alarm.load(Relaxed), 7, "there was no timer");
        assert!(alarm.refused, "nor will there be another");
    }
}
