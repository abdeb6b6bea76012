//! How often a thread that is not known is asked whether it runs JavaScript.
//!
//! Pure: no clock, no thread. The distances are CPU time of the thread that is asked, so one that sleeps is never asked.
//! Few questions for a thread without an isolate, which is nearly always somebody's native thread; more for one that has an
//! isolate and happened to be in native code each time: a worker that compresses or hashes nearly all the time.

/// What one question found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// No isolate is entered on the thread.
    NoIsolate,
    /// An isolate, but the thread was not in V8's own code: nothing may be done there.
    Elsewhere,
    /// It was in V8's code, and the ticker did not come in time.
    Late,
    /// An isolate that is none of Node's.
    NoEnvironment,
    /// A worker, and every slot is taken.
    NoSlot,
}

/// The answers of one thread so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tries {
    /// Without an isolate.
    pub(super) without: u32,
    /// With one.
    pub(super) with: u32,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The thread is asked once more, after so many nanoseconds of its own CPU time.
    Again(u64),
    /// It is known not to run JavaScript, and left alone.
    Never,
}

/// Questions to a thread that never had an isolate.
pub(super) const MOST_WITHOUT: u32 = 8;
/// Questions to a thread that has one.
pub(super) const MOST_WITH: u32 = 64;
/// Before the first question. The kernel looks at CPU timers at its own tick, so one comes 4 ms apart at the least.
pub(super) const FIRST_NS: u64 = 1_000_000;
/// While all slots are taken.
const FULL_NS: u64 = 1_000_000_000;
/// What an isolate that is none of Node's counts.
const FOREIGN: u32 = 16;
/// Between two questions to a worker that was in native code, at most: it is asked for as long as it lives, about as often as it would be sampled. One that hashes or
/// compresses nearly all the time is in V8's code at one question of hundreds.
const WORKER_NS: u64 = 8_000_000;
/// Between two to one that has had all the others and said something else.
const DULL_NS: u64 = 512_000_000;

/// Counts an answer and decides what follows. `is_worker`: the thread is known to be a worker of Node's.
pub(super) fn next(seen: Seen, tries: Tries, is_worker: bool) -> (Tries, Next) {
    let Tries {
        mut without,
        mut with,
    } = tries;
    match seen {
        Seen::NoIsolate => without += 1,
        Seen::Elsewhere | Seen::Late => with += 1,
        Seen::NoEnvironment => with += FOREIGN,
        Seen::NoSlot => {}
    }
    // A worker is asked for ever.
    (without, with) = (without.min(MOST_WITHOUT), with.min(MOST_WITH));
    let tries = Tries { without, with };
    if without >= MOST_WITHOUT || with >= MOST_WITH {
        let next = match seen {
            _ if !is_worker => Next::Never,
            Seen::Elsewhere => Next::Again(WORKER_NS),
            _ => Next::Again(DULL_NS),
        };
        return (tries, next);
    }
    let nanos = match seen {
        Seen::NoIsolate => FIRST_NS << without,
        Seen::Late => FIRST_NS,
        // Eight times rarer after every sixteen.
        Seen::Elsewhere | Seen::NoEnvironment => FIRST_NS << (3 * (with / 16)),
        Seen::NoSlot => FULL_NS,
    };
    let nanos = match seen {
        Seen::Elsewhere if is_worker => nanos.min(WORKER_NS),
        _ => nanos,
    };
    (tries, Next::Again(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn questions(seen: impl Fn(u32) -> Seen) -> (u32, u64) {
        let (mut tries, mut count, mut nanos) = (Tries::default(), 0, FIRST_NS);
        loop {
            count += 1;
            assert!(count < 10_000, "asked for ever");
            match next(seen(count), tries, false) {
                (_, Next::Never) => return (count, nanos),
                (then, Next::Again(more)) => {
                    tries = then;
                    nanos += more;
                }
            }
        }
    }

    #[test]
    fn a_native_thread_is_asked_eight_times_within_a_quarter_of_a_second_of_its_work() {
        let (count, nanos) = questions(|_| Seen::NoIsolate);
        assert_eq!(count, MOST_WITHOUT);
        assert!((200_000_000..300_000_000).contains(&nanos), "{nanos}");
    }

    #[test]
    fn a_worker_in_native_code_is_asked_for_seconds_of_its_work() {
        let (count, nanos) = questions(|_| Seen::Elsewhere);
        assert_eq!(count, MOST_WITH);
        assert!(nanos > 5_000_000_000, "{nanos}");
    }

    #[test]
    fn an_isolate_of_somebody_else_is_asked_four_times() {
        assert_eq!(questions(|_| Seen::NoEnvironment).0, MOST_WITH / FOREIGN);
    }

    #[test]
    fn whatever_a_thread_answers_there_is_an_end() {
        let all = [
            Seen::NoIsolate,
            Seen::Elsewhere,
            Seen::Late,
            Seen::NoEnvironment,
        ];
        let (count, _) = questions(|count| all[count as usize % all.len()]);
        assert!(count <= MOST_WITH + MOST_WITHOUT);
    }

    #[test]
    fn a_worker_without_a_slot_waits_for_one_for_as_long_as_it_takes() {
        let mut tries = Tries {
            without: 1,
            with: 3,
        };
        for _ in 0..1_000 {
            let (then, after) = next(Seen::NoSlot, tries, false);
            assert_eq!(after, Next::Again(FULL_NS));
            tries = then;
        }
        assert_eq!(
            tries,
            Tries {
                without: 1,
                with: 3
            }
        );
    }

    #[test]
    fn who_was_late_comes_back_soon() {
        let tries = Tries {
            without: 0,
            with: 40,
        };
        assert_eq!(next(Seen::Late, tries, false).1, Next::Again(FIRST_NS));
    }

    #[test]
    fn a_thread_that_is_known_to_be_a_worker_is_asked_often_for_as_long_as_it_lives() {
        let all = [
            (Seen::Elsewhere, WORKER_NS),
            (Seen::NoIsolate, DULL_NS),
            (Seen::Late, DULL_NS),
            (Seen::NoEnvironment, DULL_NS),
        ];
        for (seen, most) in all {
            let mut tries = Tries::default();
            let mut nanos = 0;
            for _ in 0..1_000 {
                let (then, next) = next(seen, tries, true);
                tries = then;
                let Next::Again(more) = next else {
                    panic!("given up after {tries:?}");
                };
                assert!(more <= most, "{more} after {tries:?}");
                nanos = more;
            }
            assert_eq!(nanos, most);
        }
    }
}
