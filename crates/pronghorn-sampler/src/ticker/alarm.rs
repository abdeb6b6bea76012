//! A thread that is never blocked asks for its own samples: a timer on its CPU clock rings once per interval, and the ticker, whose every
//! look costs more than a sample, comes back every few intervals only (docs/measurements.md).
//!
//! Such a timer never rings in a thread that is blocked, and the kernel looks at it at its own tick. So it is set only where blocking has no
//! part ([`STEADY`]: the thread runs, waits for a processor, or waits in its event loop's poll, whose time is known anyway), and only for intervals
//! of two kernel ticks and more. The ticker judges that anew at each look, over some intervals; as soon as a thread blocks elsewhere, its alarm
//! is switched off and it is looked at like any other.
//!
//! What makes the intervals irregular, so that they do not beat with the program's: each look draws the next ones' length.
//!
//! The signal carries the slot's index and nonce, like the ticker's own, and comes from the kernel as SI_TIMER (`signal.rs`).
//!
//! Threads: the ticker; [`may_ring`] in the handler, on the slot's thread. `slot.alarm` says which timer is set: the ticker stores it before it arms
//! the timer, the handler may take it. Relaxed: it stands for itself.
//!
//! Fork: a signal that arrives during clone(2) makes old kernels begin it anew, so a thread that forks switches its alarm off when it rings, and
//! the ticker sets it again. In the child there are no timers; the slot's memory says so, since forks do not copy it. See `ticker.rs` for the rest.

use std::sync::atomic::Ordering::Relaxed;

use super::queued::queued_ns;
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
const LONG_STEADY: u32 = 10;
/// Intervals that a thread is judged by. Less than lie between two looks, give or take the ticker's tenth.
const WINDOW_INTERVALS: u64 = 4;
/// The part of its time that a steady thread is blocked outside of its poll, at most: one in so many.
const STEADY: u64 = 10;
/// Windows for which a thread that has seemed to stand still is asked whether it only waits for a processor, which costs as much as a sample.
const ASKED_WINDOWS: u32 = 10;
/// One that did not in so many windows in a row is left in peace for ten times as many.
const USELESS_WINDOWS: u32 = 10;
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
}

/// The time that a thread is judged by: the clocks at its beginning.
#[derive(Default)]
struct Window {
    since: u64,
    cpu: u64,
    polled: u64,
    /// For how long the thread had waited for processors, if it was asked.
    queued: Option<u64>,
    /// For how many windows it is still to be asked.
    asked: u32,
    /// In how many windows in a row it has stood still all the same; beyond [`USELESS_WINDOWS`] in how many it has been left in peace.
    useless: u32,
    /// The window before: how much of it the thread stood, and waited for a processor.
    before: Part,
}

/// What a thread has done in a window, in nanoseconds.
#[derive(Clone, Copy, Default)]
struct Part {
    passed: u64,
    stood: u64,
    waited: u64,
}

impl Part {
    fn is_steady(self) -> bool {
        self.stood.saturating_sub(self.waited) <= self.passed / STEADY
    }

    fn and(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            stood: self.stood + other.stood,
            waited: self.waited + other.waited,
        }
    }
}

/// A thread's clocks at a look.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    /// Monotonic nanoseconds.
    pub(super) now: u64,
    /// Its CPU clock.
    pub(super) cpu: u64,
    /// What it has polled so far.
    pub(super) polled: u64,
    /// Its CPU clock when its last sample was done.
    pub(super) sampled: u64,
}

impl Window {
    fn at(clocks: Clocks) -> Self {
        Self {
            since: clocks.now,
            cpu: clocks.cpu,
            polled: clocks.polled,
            ..Self::default()
        }
    }

    /// Whether the thread was blocked for no more than a little of the time since the window began, which begins anew then; `None` if it is too
    /// early to tell. `queued` says for how long it has waited for processors so far.
    fn judge(
        &mut self,
        clocks: Clocks,
        interval_ns: u64,
        queued: impl FnOnce() -> Option<u64>,
    ) -> Option<bool> {
        if self.since == 0 {
            *self = Self::at(clocks);
            return None;
        }
        let passed = clocks.now.saturating_sub(self.since);
        if passed < WINDOW_INTERVALS * interval_ns {
            return None;
        }
        let ran = clocks.cpu.saturating_sub(self.cpu);
        let polled = clocks.polled.saturating_sub(self.polled);
        let stood = passed.saturating_sub(ran + polled);
        let seems_to_stand = stood > passed / STEADY;
        let asked = match seems_to_stand {
            false => self.asked.saturating_sub(1),
            true if self.useless < USELESS_WINDOWS => ASKED_WINDOWS,
            true => 0,
        };
        let queued = if asked > 0 { queued() } else { None };
        let waits = queued.zip(self.queued);
        let waited = waits.map_or(0, |(now, before)| now.saturating_sub(before));
        let part = Part {
            passed,
            stood,
            waited,
        };
        // A wait counts when it is over, perhaps in the window after its own: with the window before, which then seemed to stand still, it comes out right.
        let is_steady = !seems_to_stand || (part.is_steady() && part.and(self.before).is_steady());
        let useless = match is_steady {
            true => 0,
            false => (self.useless + 1) % (11 * USELESS_WINDOWS),
        };
        *self = Self {
            queued,
            asked,
            useless,
            before: part,
            ..Self::at(clocks)
        };
        Some(is_steady)
    }
}

impl Alarm {
    /// How long the thread may be left to its alarm; `None` if that is not set.
    pub(super) fn rest(&self, interval_ns: u64) -> Option<u64> {
        let looks = if self.steady < LONG_STEADY {
            LOOK_INTERVALS
        } else {
            LONG_LOOK_INTERVALS
        };
        self.is_set.then_some(looks * interval_ns)
    }

    /// Judges the thread, and sets its alarm or switches it off. How long the thread may be left to it then; `None` if it is off.
    pub(super) fn judge(
        &mut self,
        index: usize,
        slot: &ThreadSlot,
        clocks: Clocks,
        pace: Pace,
        random: u64,
    ) -> Option<u64> {
        if !pace.may_ring || self.refused {
            return None;
        }
        // The handler switched it off, since the thread forked.
        self.is_set &= slot.alarm.load(Relaxed) != 0;
        let unheard =
            clocks.cpu.saturating_sub(clocks.sampled) > UNHEARD_INTERVALS * pace.interval_ns;
        let queued = || queued_ns(slot.tid.load(Relaxed));
        match self.window.judge(clocks, pace.interval_ns, queued) {
            None if !unheard => {}
            Some(true) if !unheard => self.set(index, slot, clocks, pace, random),
            _ => {
                // Somebody has the signal blocked, or the kernel does not do what it says: such a thread is looked at, for good.
                self.refused |= unheard && self.is_set;
                self.switch_off(slot);
            }
        }
        self.rest(pace.interval_ns)
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
        self.steady = self.steady.saturating_add(1);
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
        self.steady = 0;
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

    const MS: u64 = 1_000_000;

    fn at(now: u64, cpu: u64, polled: u64) -> Clocks {
        Clocks {
            now: (1_000 + now) * MS,
            cpu: cpu * MS,
            polled: polled * MS,
            sampled: 0,
        }
    }

    fn judge(looks: &[Clocks]) -> Vec<Option<bool>> {
        judge_queued(&looks.iter().map(|look| (*look, None)).collect::<Vec<_>>())
    }

    /// With how long it has waited for a processor, in milliseconds.
    fn judge_queued(looks: &[(Clocks, Option<u64>)]) -> Vec<Option<bool>> {
        let mut window = Window::default();
        window.judge(at(0, 0, 0), 10 * MS, || None);
        let judge = |(clocks, queued): &(Clocks, Option<u64>)| {
            window.judge(*clocks, 10 * MS, || queued.map(|queued| queued * MS))
        };
        looks.iter().map(judge).collect()
    }

    #[test]
    fn one_that_waits_for_a_processor_is_as_steady_once_it_has_been_asked() {
        let waits = [
            (at(40, 20, 0), Some(1_000)),
            (at(80, 40, 0), Some(1_020)),
            (at(120, 60, 0), Some(1_040)),
            (at(160, 80, 0), Some(1_060)),
            (at(200, 100, 0), Some(1_065)),
        ];
        let [no, yes] = [Some(false), Some(true)];
        // The first is not known to have waited, nor are the first two together.
        assert_eq!(judge_queued(&waits), [no, no, yes, yes, no]);
    }

    #[test]
    fn a_wait_that_ends_in_the_next_window_does_not_hide_that_it_blocks_there() {
        let waits = [
            (at(40, 20, 0), Some(1_000)),
            (at(80, 60, 0), Some(1_000)),
            (at(120, 64, 0), Some(1_000)),
            (at(160, 74, 0), Some(1_036)),
        ];
        let [no, yes] = [Some(false), Some(true)];
        assert_eq!(judge_queued(&waits), [no, yes, no, no]);
    }

    #[test]
    fn one_that_blocks_again_and_again_is_seldom_asked() {
        let mut window = Window::default();
        let mut asked = 0;
        for look in 0..1_000 {
            window.judge(at(40 * look, 0, 0), 10 * MS, || {
                asked += 1;
                Some(0)
            });
        }
        assert!(asked > USELESS_WINDOWS && asked < 110, "{asked} times");
    }

    #[test]
    fn one_that_has_run_for_long_is_not_asked() {
        let mut window = Window::default();
        let mut asked = 0;
        for look in 0..30 {
            // It stands still in the first.
            let clocks = at(40 * look, 40 * look.saturating_sub(1), 0);
            window.judge(clocks, 10 * MS, || {
                asked += 1;
                Some(0)
            });
        }
        assert_eq!(asked, ASKED_WINDOWS);
    }

    #[test]
    fn a_thread_that_runs_or_polls_all_the_time_is_steady() {
        assert_eq!(judge(&[at(40, 40, 0)]), [Some(true)]);
        assert_eq!(judge(&[at(40, 1, 39)]), [Some(true)]);
        assert_eq!(judge(&[at(40, 20, 16)]), [Some(true)]);
        assert_eq!(judge(&[at(40, 20, 15)]), [Some(false)]);
        assert_eq!(judge(&[at(40, 35, 0)]), [Some(false)], "it blocks");
    }

    #[test]
    fn it_is_judged_by_some_intervals_at_a_time() {
        let looks = [at(10, 10, 0), at(39, 39, 0), at(50, 40, 0), at(90, 80, 0)];
        assert_eq!(judge(&looks), [None, None, Some(false), Some(true)]);
    }

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
        assert_eq!(alarm.judge(0, &slot, unheard, pace, 0), None);
        assert_eq!(slot.alarm.load(Relaxed), 7, "there was no timer");
        assert!(alarm.refused, "nor will there be another");
    }
}
