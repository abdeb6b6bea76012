//! Whether a thread is steady: whether it runs, waits for a processor or polls nearly all the time, so that an alarm on its CPU clock asks for all of its samples.
//!
//! What neither runs nor polls either waits for a processor or is blocked. Of a thread that seems to stand still the kernel is asked which (`queued.rs`), a part of the time.
//!
//! Threads: the ticker. Fork: the ticker's own, whose thread does not exist in the child.

/// The part of its time that a steady thread is blocked outside of its poll, at most: one in so many.
const STEADY: u64 = 10;
/// Windows for which a thread that has seemed to stand still is asked whether it only waits for a processor, which costs two system calls, or, where too many files are open for that, as much as a sample.
const ASKED_WINDOWS: u32 = 10;
/// One that did not in so many windows in a row is left in peace for ten times as many.
const USELESS_WINDOWS: u32 = 10;

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

/// The time that a thread is judged by: the clocks at its beginning.
#[derive(Default)]
pub(super) struct Window {
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

impl Window {
    fn at(clocks: Clocks) -> Self {
        Self {
            since: clocks.now,
            cpu: clocks.cpu,
            polled: clocks.polled,
            ..Self::default()
        }
    }

    /// Whether the thread was blocked for no more than a little of the time since the window began, which begins anew then; `None` if that is less than
    /// `least_ns`. `queued` says for how long it has waited for processors so far.
    pub(super) fn judge(
        &mut self,
        clocks: Clocks,
        least_ns: u64,
        queued: impl FnOnce() -> Option<u64>,
    ) -> Option<bool> {
        if self.since == 0 {
            *self = Self::at(clocks);
            return None;
        }
        let passed = clocks.now.saturating_sub(self.since);
        if passed < least_ns {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const LEAST: u64 = 40 * MS;

    /// Clocks in milliseconds, of a thread without a sample so far.
    pub(in crate::ticker) fn at(now: u64, cpu: u64, polled: u64) -> Clocks {
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
        window.judge(at(0, 0, 0), LEAST, || None);
        let judge = |(clocks, queued): &(Clocks, Option<u64>)| {
            window.judge(*clocks, LEAST, || queued.map(|queued| queued * MS))
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
            window.judge(at(40 * look, 0, 0), LEAST, || {
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
            window.judge(clocks, LEAST, || {
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
}
