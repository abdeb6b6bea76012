//! What the ticker does about one thread each time it looks: whether the thread has run, and then a signal; whether its samples wait for too
//! long, and then an interrupt (`resolving.rs`).
//!
//! Threads: the ticker.
//!
//! Fork: the ticker's own, whose thread does not exist in the child.

use std::sync::atomic::Ordering::Relaxed;

use super::alarm::{Alarm, Left};
use super::resolving::Resolving;
use super::steadiness::Clocks;
use crate::handler::on_sampling_signal;
use crate::slot::ThreadSlot;
use crate::waker::Waker;
use crate::{clock, signal, statistics};
use pronghorn_sync::fork;

/// A thread that used less CPU than this since its last sample has not run: it only came back from the handler. Where that takes longer, see `standing.rs`.
const SLACK_NS: u64 = 12_000;
/// A thread with an alarm that has something left of an earlier slice is looked at, and asked for it, after so many intervals, or so long. Sooner costs more looks;
/// later, more is left when a full collection comes, before which all of it has to be kept.
const LOOK_UNFINISHED: u64 = 5;
const LOOK_UNFINISHED_NS: u64 = 50_000_000;
/// A signal that its thread has not taken after so much of its own CPU time is asked after: it may be lost.
const OVERDUE_NS: u64 = 100_000_000;
/// Intervals that a thread which gets little of a processor is left alone for at most: it may block, or get more of it.
const LONGEST_REST: u64 = 3;
/// Threads that share a processor have it in turns of so long at most. What one gets says nothing of intervals that are shorter.
const TURN_NS: u64 = 5_000_000;
/// Rounds in which nothing ran before the ticker slows down or parks.
const QUIET_ROUNDS: u32 = 2;

/// How often threads are sampled.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// Between two samples of a thread that runs.
    pub(super) interval_ns: u64,
    /// A thread that used less CPU than this since its last sample has not run.
    slack_ns: u64,
    /// Looks in which a thread that is only waiting for a processor may not have moved.
    pub(super) crowd: u32,
    /// Whether the kernel looks at CPU timers often enough for alarms.
    pub(super) may_ring: bool,
}

impl Pace {
    pub(super) fn new(interval_ns: u64) -> Self {
        Self {
            interval_ns,
            slack_ns: SLACK_NS.min(interval_ns / 4),
            crowd: 0,
            may_ring: interval_ns / 2 >= clock::kernel_tick_ns(),
        }
    }

    /// CPU time from one sample to the next. Ticks are jittered by a tenth, so a thread that has a processor for itself has run for that
    /// long at each. One that comes from its poll again and again is only seen where a tick finds it running: it is not made to wait for more.
    fn enough(&self, has_polled: bool) -> u64 {
        if has_polled {
            self.interval_ns / 4
        } else {
            self.interval_ns - self.interval_ns / 4
        }
    }
}

/// What the ticker knows of one slot.
#[derive(Default)]
pub(super) struct Watch {
    nonce: u32,
    poll_since: u64,
    poll_cpu: u64,
    still_since: u64,
    quiet_rounds: u32,
    /// The thread's CPU clock at the look before this one, and how often it has not moved since.
    seen_cpu: u64,
    unmoved: u32,
    /// When it was looked at before, and whether it has polled since its last sample.
    seen_at: u64,
    has_polled: bool,
    /// The thread's CPU clock when the signal that is under way was sent, or last asked after.
    asked_at_cpu: u64,
    resolving: Resolving,
    waker: Option<Waker>,
    waker_refused: bool,
    alarm: Alarm,
}

/// What one look at a thread came to.
pub(super) enum Look {
    /// It runs, or may. There is nothing to see before this time has passed.
    Running(u64),
    /// It runs, or may, and for so many nanoseconds its alarm asks for its samples.
    Rung(u64),
    /// It stands still outside its poll, for so many nanoseconds.
    Still(u64),
    /// It waits in its poll, or is gone.
    Quiet,
}

impl Watch {
    /// Looks at the thread, samples it if it has run since the last look, and asks it to resolve if it is time.
    pub(super) fn look(
        &mut self,
        index: usize,
        slot: &'static ThreadSlot,
        now: u64,
        pace: Pace,
        random: u64,
    ) -> Look {
        let Pace { interval_ns, .. } = pace;
        let nonce = slot.nonce.load(Relaxed);
        if self.nonce != nonce {
            *self = Self {
                nonce,
                ..Self::default()
            };
        }
        let tid = slot.tid.load(Relaxed);
        let Some(cpu) = clock::cpu_ns_of(tid) else {
            return Look::Quiet;
        };
        let poll_since = slot.account.poll_since();
        if poll_since != 0 {
            if self.poll_since != poll_since {
                self.poll_since = poll_since;
                self.poll_cpu = cpu;
                self.quiet_rounds = 0;
                return self.runs(interval_ns);
            }
            // Native callbacks run inside what looks like the poll; if they run for long they are sampled too.
            if cpu.saturating_sub(self.poll_cpu) < interval_ns / 2 {
                self.quiet_rounds += 1;
                return self.quiet(Look::Quiet, tid, interval_ns);
            }
            self.poll_cpu = cpu;
        } else if stands(slot, tid, cpu, pace) {
            slot.account.note_still(now);
            if self.still_since == 0 {
                self.still_since = now;
            }
            self.quiet_rounds += 1;
            let still = Look::Still(now - self.still_since);
            return self.quiet(still, tid, interval_ns);
        }
        self.still_since = 0;
        self.quiet_rounds = 0;
        let is_urgent = self.resolving.ask(index, slot, now);
        if fork::is_forking(tid) {
            return Look::Running(interval_ns);
        }
        let clocks = Clocks {
            now,
            cpu,
            polled: slot.account.polled_by(now),
            sampled: slot.cpu_at_sample.load(Relaxed),
        };
        let left = self.alarm.judge(index, slot, clocks, pace, random);
        if left != Left::ToTheTicker {
            // If it stops ringing, what has passed until then is not to be taken for one look's.
            (self.seen_at, self.seen_cpu) = (now, cpu);
        }
        if let Left::Alone(rest) = left {
            return if is_urgent {
                Look::Running(interval_ns)
            } else if slot.unfinished.load(Relaxed) {
                let soon = (LOOK_UNFINISHED * interval_ns).min(LOOK_UNFINISHED_NS);
                Look::Rung(rest.min(soon.max(interval_ns)))
            } else {
                Look::Rung(rest)
            };
        }
        // Once more: what was asked of the kernel in between may have waited for a fork.
        if fork::is_forking(tid) {
            return Look::Running(interval_ns);
        }
        if left == Left::ToTheTicker
            && let Some(rest) = self.shall_run_on(slot, cpu, now, pace)
        {
            return Look::Running(if is_urgent { interval_ns } else { rest });
        }
        if send_signal(index, slot, now) {
            self.asked_at_cpu = cpu;
        } else if cpu.saturating_sub(self.asked_at_cpu) > OVERDUE_NS {
            self.asked_at_cpu = cpu;
            give_up_if_lost(slot, tid);
        }
        Look::Running(interval_ns)
    }

    /// Whether the thread, which has run since its last sample, is to get the next one later: it goes on, and has not run for long enough. Threads
    /// that share processors would have a sample at every tick for a part of an interval's CPU time each, and the more threads, the more of them.
    /// One that has not moved for longer than it can have waited for a processor is blocked, and is sampled once, where it is.
    ///
    /// Returns how long it takes until it has run for an interval, if it goes on as it did since the last look: one that gets half of a
    /// processor need not be looked at twice as often as it is sampled.
    fn shall_run_on(&mut self, slot: &ThreadSlot, cpu: u64, now: u64, pace: Pace) -> Option<u64> {
        self.has_polled |= slot.account.left_poll_at() > self.seen_at;
        let passed = now.saturating_sub(self.seen_at);
        self.seen_at = now;
        let moved = cpu.saturating_sub(self.seen_cpu);
        let has_moved = moved > pace.slack_ns;
        self.seen_cpu = cpu;
        self.unmoved = if has_moved { 0 } else { self.unmoved + 1 };
        let ran = cpu.saturating_sub(slot.cpu_at_sample.load(Relaxed));
        let run_on = ran < pace.enough(self.has_polled) && self.unmoved <= pace.crowd;
        if !run_on {
            self.has_polled = false;
            self.unmoved = 0;
            return None;
        }
        // Where one that comes from its poll is seen, it is by chance: as often as ticks fall there.
        if self.has_polled || !has_moved || pace.interval_ns < TURN_NS {
            return Some(pace.interval_ns);
        }
        let missing = pace.interval_ns.saturating_sub(ran);
        let rest = u128::from(missing) * u128::from(passed) / u128::from(moved);
        let longest = pace.interval_ns * LONGEST_REST;
        Some(u64::try_from(rest).map_or(longest, |rest| rest.clamp(pace.interval_ns, longest)))
    }

    /// It runs, or may run again any moment.
    fn runs(&self, interval_ns: u64) -> Look {
        let rest = self.alarm.rest(interval_ns);
        rest.map_or(Look::Running(interval_ns), Look::Rung)
    }

    /// The slot has no thread to look at.
    pub(super) fn let_go(&mut self) {
        self.alarm.let_go();
    }

    /// Whether the kernel refuses the timer that would tell when the thread runs again.
    pub(super) fn must_look_often(&self) -> bool {
        self.waker_refused
    }

    /// The thread does nothing: once that has lasted, its CPU clock is to wake the ticker.
    fn quiet(&mut self, look: Look, tid: i32, interval_ns: u64) -> Look {
        if self.quiet_rounds < QUIET_ROUNDS {
            return self.runs(interval_ns);
        }
        if self.waker.is_none() && !self.waker_refused {
            self.waker = Waker::new(tid, signal::number(), super::STATE.get().tid.load(Relaxed));
        }
        let armed = self.waker.as_ref().is_some_and(|waker| waker.arm(SLACK_NS));
        self.waker_refused = !armed;
        look
    }
}

/// Whether the thread, whose CPU clock shows `cpu`, has not run since its last sample: it only came back into the call in which it was sampled.
fn stands(slot: &ThreadSlot, tid: i32, cpu: u64, pace: Pace) -> bool {
    let used = cpu.saturating_sub(slot.cpu_at_sample.load(Relaxed));
    used <= pace.slack_ns || (used <= pace.interval_ns / 4 && slot.standing.is_back(tid))
}

/// The thread has run for long with a signal under way: it blocks the signal, which then waits for it, or somebody has swallowed it, and the
/// next one is to be sent.
fn give_up_if_lost(slot: &ThreadSlot, tid: i32) {
    let sent = slot.pending_since.load(Relaxed);
    let waits = {
        let _section = fork::enter();
        signal::is_waiting_for(tid)
    };
    if waits == Some(false)
        && sent != 0
        && slot
            .pending_since
            .compare_exchange(sent, 0, Relaxed, Relaxed)
            .is_ok()
    {
        statistics::shared().lost_signals.fetch_add(1, Relaxed);
    }
}

/// Sends the slot's thread the sampling signal, unless one is under way: then false. The caller has made sure that the thread does not fork.
pub(crate) fn send_signal(index: usize, slot: &'static ThreadSlot, now: u64) -> bool {
    let free = slot
        .pending_since
        .compare_exchange(0, now, Relaxed, Relaxed)
        .is_ok();
    if free {
        match signal::send(index, slot, on_sampling_signal) {
            signal::Sent::Yes => {
                statistics::shared().signals_sent.fetch_add(1, Relaxed);
            }
            signal::Sent::NoSuchThread | signal::Sent::Refused => {
                slot.pending_since.store(0, Relaxed);
            }
        }
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A thread whose last sample was when its CPU clock stood at zero, and what it says to the CPU clocks of the ticks of 10 ms.
    fn run_on(crowd: u32, polls_at: Option<u64>, clocks: &[u64]) -> Vec<bool> {
        let slot = ThreadSlot::new();
        assert!(slot.map());
        let mut watch = Watch::default();
        let mut pace = Pace::new(10 * MS);
        pace.crowd = crowd;
        let looks = clocks.iter().enumerate().map(|(tick, cpu)| {
            let now = (tick as u64 + 1) * 10 * MS;
            if polls_at.is_some_and(|at| at < now && at + 10 * MS >= now) {
                slot.account.enter_poll(now - 2);
                slot.account.leave_poll(now - 1);
            }
            watch.shall_run_on(&slot, *cpu, now, pace).is_some()
        });
        looks.collect()
    }

    /// How long a thread is left alone that has run for `ran` in the 10 ms since its last sample, which was when its clock stood at `before`.
    fn rest(before: u64, ran: u64) -> Option<u64> {
        let slot = ThreadSlot::new();
        assert!(slot.map());
        slot.cpu_at_sample.store(before, Relaxed);
        let mut watch = Watch {
            seen_at: 100 * MS,
            seen_cpu: before,
            ..Watch::default()
        };
        watch.shall_run_on(&slot, before + ran, 110 * MS, Pace::new(10 * MS))
    }

    #[test]
    fn one_that_gets_a_part_of_a_processor_is_looked_at_when_it_should_have_run_for_an_interval() {
        assert_eq!(rest(7, 8 * MS), None);
        assert_eq!(rest(7, 6 * MS), Some(10 * MS), "not before the next tick");
        assert_eq!(rest(7, 4 * MS), Some(15 * MS));
        assert_eq!(rest(7, MS), Some(30 * MS), "it may get more");
        assert_eq!(rest(7, 0), None, "it is blocked");
    }

    #[test]
    fn a_thread_with_a_processor_of_its_own_is_sampled_at_each_tick() {
        assert_eq!(run_on(0, None, &[9 * MS]), [false]);
    }

    #[test]
    fn one_that_shares_it_is_sampled_when_it_has_run_for_an_interval() {
        let clocks = [3 * MS, 5 * MS, 7 * MS, 9 * MS];
        assert_eq!(run_on(0, None, &clocks), [true, true, true, false]);
    }

    #[test]
    fn one_that_blocks_is_sampled_at_the_next_tick() {
        assert_eq!(run_on(0, None, &[3 * MS, 3 * MS]), [true, false]);
    }

    #[test]
    fn one_in_a_crowd_may_wait_for_its_processor_for_longer() {
        let clocks = [3 * MS, 3 * MS, 3 * MS, 3 * MS];
        assert_eq!(run_on(2, None, &clocks), [true, true, true, false]);
    }

    #[test]
    fn one_that_comes_from_its_poll_waits_for_less() {
        assert_eq!(run_on(0, Some(5 * MS), &[2 * MS]), [true]);
        assert_eq!(run_on(0, Some(5 * MS), &[3 * MS]), [false]);
        // It counts until the sample.
        let clocks = [2 * MS, 3 * MS];
        assert_eq!(run_on(0, Some(5 * MS), &clocks), [true, false]);
    }
}
