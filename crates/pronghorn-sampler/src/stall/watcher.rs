//! The ticker's part: is the main thread's turn too long, and has it said where it is?
//!
//! Time is wall time on the monotonic clock, which stands still while the machine sleeps. It also goes on while the process is held (SIGSTOP,
//! a debugger of native code, a frozen container): the ticker is held too, so one that wakes up long after its time begins to count anew.
//!
//! Sleep: a thread in its poll cannot stall, so nothing here wakes a process that idles. While a turn is under way the ticker, which otherwise
//! looks less and less often at a thread that stands still, is back when the turn would be too long.
//!
//! Threads: the ticker alone. Fork: made anew with the ticker.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use pronghorn_sync::fork;

use super::record::Outcome;
use super::{ASKED, IDLE, Report, STATE, TAKEN, output};
use crate::slot::{self, ThreadSlot};
use crate::statistics::shared;
use crate::{session, ticker};

/// A ticker that comes so much too late was held. Less is a busy machine.
const HELD_NS: u64 = 300_000_000;
/// What a turn may have lasted when the ticker first sees it, beside two intervals.
const UNSEEN_NS: u64 = 100_000_000;
/// An answer is looked for this often.
const AGAIN_NS: u64 = 5_000_000;
/// A thread that is in a collection is asked again for so long.
const COLLECTION_NS: u64 = 200_000_000;
/// A thread that has not answered by then (it has the signal blocked, or is in a system call that nothing interrupts) is reported without its stack.
const ANSWER_NS: u64 = 1_000_000_000;
/// The next report of the same turn comes when it has taken so many times as long.
const GROWTH: u64 = 10;
/// Between two reports that are written lies at least this time. One that is due in between waits, and is lost if its turn ends first.
const REST_NS: u64 = 1_000_000_000;

/// See the module's description.
pub(crate) struct Watcher {
    threshold_ns: u64,
    /// What a turn may have lasted when it is first seen. More would be a process that was held; half the threshold, so that a first look never
    /// decides.
    unseen_ns: u64,
    /// When the ticker wants to be back.
    back_at: Option<u64>,
    /// When it was last found to have been held.
    held_until: u64,
    /// The turn under way, by its beginning; 0: none was seen.
    turn: u64,
    first_seen: u64,
    /// How long the turn takes when it is reported next.
    report_at: u64,
    /// Since when the thread has been asked; 0: it is not.
    asked_at: u64,
    written_at: u64,
    /// A report that waits.
    waiting: Option<Report>,
}

impl Watcher {
    /// `None` if nothing is to be watched.
    pub(crate) fn new(interval_ns: u64) -> Option<Self> {
        let threshold_ns = STATE.get().threshold_ns.load(Relaxed);
        (threshold_ns != 0).then_some(Self {
            threshold_ns,
            unseen_ns: (2 * interval_ns + UNSEEN_NS).min(threshold_ns / 2),
            back_at: None,
            held_until: 0,
            turn: 0,
            first_seen: 0,
            report_at: threshold_ns,
            asked_at: 0,
            written_at: 0,
            waiting: None,
        })
    }

    /// The ticker is about to sleep until then.
    pub(crate) fn sleeps_until(&mut self, until: Option<u64>) {
        self.back_at = until;
    }

    /// One look. Returns when the ticker is to be back at the latest.
    pub(crate) fn look(&mut self, now: u64) -> Option<u64> {
        let (index, slot) = slot::all().find(|(_, slot)| session::is_main(slot))?;
        if !slot.armed.load(Acquire) {
            return None;
        }
        let turn = slot.turn_since.load(Relaxed);
        let due = self.advance(turn, now)?;
        if now < due {
            return Some(self.write(now));
        }
        self.report(index, slot, now)
    }

    /// Brings what is known of the turn up to date. Returns when it is to be reported; `None` if none is under way.
    fn advance(&mut self, turn: u64, now: u64) -> Option<u64> {
        if self.back_at.take().is_some_and(|at| now > at + HELD_NS) {
            self.held_until = now;
        }
        if turn != self.turn {
            self.turn = turn;
            self.first_seen = now;
            self.report_at = self.threshold_ns;
            self.asked_at = 0;
            if self.waiting.take().is_some() {
                shared().lost_stall_reports.fetch_add(1, Relaxed);
            }
        }
        (turn != 0).then(|| self.since().saturating_add(self.report_at))
    }

    /// Since when the turn counts.
    fn since(&self) -> u64 {
        self.turn
            .max(self.held_until)
            .max(self.first_seen.saturating_sub(self.unseen_ns))
    }

    /// The turn is too long: asks the thread where it is, or takes its answer.
    fn report(&mut self, index: usize, slot: &'static ThreadSlot, now: u64) -> Option<u64> {
        let state = STATE.get();
        if state.excused.load(Relaxed) == self.turn {
            return None;
        }
        if self.asked_at == 0 {
            self.ask(index, slot, now);
            return Some(now + AGAIN_NS);
        }
        let answer = (state.phase.load(Acquire) == TAKEN)
            .then(super::record)
            .flatten();
        let waited = now.saturating_sub(self.asked_at);
        let patience = match answer.map(|record| record.outcome) {
            None => ANSWER_NS,
            Some(Outcome::Collection) => COLLECTION_NS,
            Some(_) => 0,
        };
        if waited < patience {
            // Asked anew, since collections end, and the last signal may have come while the thread was at work on its samples.
            if !fork::is_forking(slot.tid.load(Relaxed)) {
                let _ = state.phase.compare_exchange(TAKEN, ASKED, AcqRel, Relaxed);
                ticker::send_signal(index, slot, now);
            }
            return Some(now + AGAIN_NS);
        }
        let report = Report::new(self.turn, self.since(), now, answer);
        keep(slot, &report);
        // So that a signal that is late names nothing.
        let _ = state.phase.compare_exchange(ASKED, IDLE, AcqRel, Relaxed);
        self.asked_at = 0;
        self.report_at = self.report_at.saturating_mul(GROWTH);
        // Of two that wait the newer one is kept: it says how long it has been.
        if self.waiting.replace(report).is_some() {
            shared().lost_stall_reports.fetch_add(1, Relaxed);
        }
        Some(self.write(now))
    }

    /// Has the report that waits written, if it is time. Returns when to be back.
    fn write(&mut self, now: u64) -> u64 {
        let next = self.since().saturating_add(self.report_at);
        let rested = self.written_at.saturating_add(REST_NS);
        if self.waiting.is_none() {
            return next;
        }
        if self.written_at != 0 && now < rested {
            return next.min(rested);
        }
        if let Some(report) = self.waiting.take() {
            self.written_at = now;
            output::hand_over(report);
        }
        next
    }

    fn ask(&mut self, index: usize, slot: &'static ThreadSlot, now: u64) {
        if fork::is_forking(slot.tid.load(Relaxed)) {
            return;
        }
        let state = STATE.get();
        state.noticed.store(self.turn, Relaxed);
        state.since.store(self.since(), Relaxed);
        // Whatever an earlier turn has left is not wanted any more.
        let before = state.phase.load(Acquire);
        if matches!(before, IDLE | TAKEN) {
            let _ = state.phase.compare_exchange(before, ASKED, AcqRel, Relaxed);
        }
        self.asked_at = now;
        ticker::send_signal(index, slot, now);
    }
}

/// Keeps the first report of a turn that has a stack, for the application.
fn keep(slot: &ThreadSlot, report: &Report) {
    STATE.get().current.lock().with(|current| {
        let known = current
            .as_ref()
            .is_some_and(|known| known.turn == report.turn && known.has_stack());
        if !known && slot.turn_since.load(Relaxed) == report.turn {
            let mut kept = report.clone();
            kept.show_native(session::native_frames());
            *current = Some(kept);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn watcher() -> Watcher {
        STATE.get().threshold_ns.store(100 * MS, Relaxed);
        let watcher = Watcher::new(10 * MS);
        STATE.get().threshold_ns.store(0, Relaxed);
        watcher.unwrap()
    }

    #[test]
    fn a_turn_is_due_when_it_has_lasted() {
        let mut watcher = watcher();
        assert_eq!(watcher.advance(0, 1_000 * MS), None, "in the poll");
        assert_eq!(watcher.advance(1_000 * MS, 1_005 * MS), Some(1_100 * MS));
        assert_eq!(watcher.advance(1_000 * MS, 1_050 * MS), Some(1_100 * MS));
        assert_eq!(
            watcher.advance(1_060 * MS, 1_070 * MS),
            Some(1_160 * MS),
            "another"
        );
        assert_eq!(watcher.advance(0, 2_000 * MS), None);
    }

    #[test]
    fn time_in_which_the_process_was_held_does_not_count() {
        let mut watcher = watcher();
        watcher.advance(1_000 * MS, 1_005 * MS);
        watcher.sleeps_until(Some(1_015 * MS));
        // An hour under SIGSTOP.
        let now = 3_600_000 * MS;
        assert_eq!(watcher.advance(1_000 * MS, now), Some(now + 100 * MS));
        // Late by what a busy machine does.
        watcher.sleeps_until(Some(now + 10 * MS));
        assert_eq!(
            watcher.advance(1_000 * MS, now + 200 * MS),
            Some(now + 100 * MS)
        );
        // It sleeps for as long as nothing happens: nothing is late.
        watcher.sleeps_until(None);
        assert_eq!(watcher.advance(1_000 * MS, 2 * now), Some(now + 100 * MS));
    }

    #[test]
    fn a_turn_that_was_seen_late_counts_from_there() {
        let mut watcher = watcher();
        let now = 60_000 * MS;
        assert_eq!(watcher.advance(1_000 * MS, now), Some(now + 50 * MS));
        assert_eq!(
            watcher.advance(1_000 * MS, now + 10 * MS),
            Some(now + 50 * MS)
        );
    }
}
