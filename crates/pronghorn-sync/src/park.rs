//! A word to sleep on: a futex that one thread waits for and others, signal handlers included, wake it from.
//!
//! Three kinds of sleep, since most of those who could wake the ticker must not: a thread that comes back from its poll while the ticker
//! merely waits for its next tick would be sampled there and then, always at the same place of the program, which is no sample at all. And while
//! the threads that run have alarms of their own (`ticker/alarm.rs`), those that come back from their polls again and again need it for nothing.
//!
//! Threads: one sleeper, any number of wakers. Protocol: the sleeper says that it begins to look for work (`look`), looks, announces
//! itself (`announce`), asks once more whether there is work or whether it was stirred meanwhile (`was_stirred`), and waits. A waker
//! publishes its work first and then calls `wake` or `unpark`; an `unpark` that finds nobody asleep leaves word that it was there, since
//! a thread's CPU timer publishes nothing else. All of it is sequentially consistent, so one of the two sees the other; tests/loom.rs of pronghorn-recorder
//! checks it. After a fork the child has no sleeper; all is made anew with the thread.

use crate::clock::monotonic_ns;
use crate::futex::Futex;
use crate::primitives::{AtomicBool, Ordering::SeqCst, sequenced};

const AWAKE: u32 = 0;
const PARKED: u32 = Sleep::Parked as u32;
const RESTING: u32 = Sleep::Resting as u32;

/// How deep the sleep is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Sleep {
    /// Until something happens.
    Parked = 1,
    /// Until the next tick: only what cannot wait ends it.
    Ticking = 2,
    /// For some ticks, which nobody needs: a thread that has no alarm ends it.
    Resting = 3,
}

/// See the module documentation. Zeroes are a valid one: nobody sleeps.
pub struct Parking {
    word: Futex,
    /// Somebody called `unpark` while nobody slept, since the last `look`.
    stirred: AtomicBool,
}

// SAFETY: two atomics, of which zeroes say that nobody sleeps.
#[cfg(not(loom))]
unsafe impl crate::Zeroed for Parking {}

impl Parking {
    /// Nobody sleeps.
    #[cfg(not(loom))]
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a const, for statics")]
    pub const fn new() -> Self {
        Self {
            word: Futex::new(AWAKE),
            stirred: AtomicBool::new(false),
        }
    }

    /// Nobody sleeps. (loom's atomics cannot be made in a constant.)
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            word: Futex::new(AWAKE),
            stirred: AtomicBool::new(false),
        }
    }

    /// What a child starts with: nobody sleeps.
    #[must_use]
    pub fn inherited(&self) -> Self {
        let Self {
            word: _,
            stirred: _,
        } = self;
        Self::new()
    }

    /// The sleeper looks for work from here on: it sees what was there before.
    pub fn look(&self) {
        self.stirred.store(false, SeqCst);
        sequenced();
    }

    /// Whether something began to run after the last `look` that the sleeper may have missed. Ask it between `announce` and `wait`.
    #[must_use]
    pub fn was_stirred(&self) -> bool {
        self.stirred.load(SeqCst)
    }

    /// The sleeper is about to wait.
    pub fn announce(&self, sleep: Sleep) {
        self.word.store(sleep as u32);
        sequenced();
    }

    /// The sleeper will not wait after all.
    pub fn withdraw(&self) {
        self.word.store(AWAKE);
    }

    /// Waits until somebody wakes it or the monotonic clock reaches `until` (nanoseconds; `None`: for ever); a signal ends the
    /// sleep of one who is parked or rests. Returns at once if somebody woke it since it announced itself. True if it slept until `until`.
    pub fn wait(&self, sleep: Sleep, until: Option<u64>) -> bool {
        loop {
            self.word.wait(sleep as u32, until);
            let is_over = until.is_some_and(|until| monotonic_ns() >= until);
            if is_over || sleep != Sleep::Ticking || self.word.load() == AWAKE {
                self.withdraw();
                return is_over;
            }
        }
    }

    /// Wakes the sleeper, however deep it sleeps; one load if it does not. Async-signal-safe.
    #[inline]
    pub fn wake(&self) {
        sequenced();
        if self.word.load() != AWAKE && self.word.swap(AWAKE) != AWAKE {
            self.word.wake();
        }
    }

    /// Wakes the sleeper if it is parked, or rests and the caller's thread has no alarm, and keeps one that is awake from parking before it has
    /// looked again; one load if it waits for its next tick. Async-signal-safe.
    #[inline]
    pub fn unpark(&self, has_alarm: bool) {
        sequenced();
        match self.word.load() {
            AWAKE => self.stir(),
            depth if depth == PARKED || (depth == RESTING && !has_alarm) => {
                match self.word.change(depth, AWAKE) {
                    Ok(()) => self.word.wake(),
                    // It has just woken by itself, and may have looked already.
                    Err(AWAKE) => self.stir(),
                    Err(_) => {}
                }
            }
            _ => {}
        }
    }

    /// Leaves word for one who is awake; wakes one who has announced itself in between.
    #[cold]
    fn stir(&self) {
        self.stirred.store(true, SeqCst);
        sequenced();
        if self.word.change(PARKED, AWAKE).is_ok() {
            self.word.wake();
        }
    }

    /// Whether nobody sleeps, or is about to.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        self.word.load() == AWAKE
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ALL: [Sleep; 3] = [Sleep::Parked, Sleep::Ticking, Sleep::Resting];

    #[test]
    fn a_fork_leaves_nobody_asleep() {
        let parking = Parking::new();
        parking.unpark(false);
        parking.announce(Sleep::Parked);
        // SAFETY: this is what a child is given.
        for fresh in [parking.inherited(), unsafe { std::mem::zeroed() }] {
            assert!(fresh.is_awake() && !fresh.was_stirred());
        }
    }

    #[test]
    fn a_wake_between_announcing_and_waiting_is_not_lost() {
        let parking = Parking::new();
        for sleep in ALL {
            parking.announce(sleep);
            parking.wake();
            assert!(!parking.wait(sleep, None));
        }
        parking.announce(Sleep::Parked);
        parking.unpark(false);
        assert!(!parking.wait(Sleep::Parked, None));
    }

    #[test]
    fn one_who_is_stirred_while_it_looks_hears_of_it() {
        let parking = Parking::new();
        parking.unpark(false);
        parking.look();
        parking.announce(Sleep::Parked);
        assert!(!parking.was_stirred(), "what was there before is seen");
        parking.withdraw();
        parking.unpark(false);
        parking.announce(Sleep::Parked);
        assert!(parking.was_stirred());
        parking.withdraw();
        parking.look();
        parking.announce(Sleep::Ticking);
        parking.unpark(false);
        assert!(!parking.was_stirred(), "it looks after its tick");
    }

    #[test]
    fn a_sleeper_is_woken_from_another_thread() {
        static PARKING: Parking = Parking::new();
        for sleep in ALL {
            PARKING.announce(sleep);
            let waker = std::thread::spawn(|| PARKING.wake());
            PARKING.wait(sleep, None);
            waker.join().unwrap();
        }
    }

    #[test]
    fn one_who_waits_for_a_tick_is_not_unparked() {
        static PARKING: Parking = Parking::new();
        static OVER: AtomicBool = AtomicBool::new(false);
        let until = monotonic_ns() + 20_000_000;
        PARKING.announce(Sleep::Ticking);
        let other = std::thread::spawn(|| {
            while !OVER.load(SeqCst) {
                PARKING.unpark(false);
                std::thread::yield_now();
            }
        });
        assert!(PARKING.wait(Sleep::Ticking, Some(until)));
        assert!(monotonic_ns() >= until);
        OVER.store(true, SeqCst);
        other.join().unwrap();
    }

    #[test]
    fn one_who_rests_is_woken_by_a_thread_without_an_alarm() {
        let parking = Parking::new();
        let until = monotonic_ns() + 2_000_000;
        parking.announce(Sleep::Resting);
        parking.unpark(true);
        assert!(!parking.is_awake());
        parking.unpark(false);
        assert!(parking.is_awake());
        parking.announce(Sleep::Resting);
        let mut on_time = parking.wait(Sleep::Resting, Some(until));
        while !on_time && monotonic_ns() < until {
            // A signal of the test harness.
            parking.announce(Sleep::Resting);
            on_time = parking.wait(Sleep::Resting, Some(until));
        }
        assert!(monotonic_ns() >= until);
        parking.announce(Sleep::Parked);
        parking.unpark(true);
        assert!(parking.is_awake(), "a thread that blocks has to be seen");
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let parking = Parking::new();
        let until = monotonic_ns() + 2_000_000;
        let mut slept = false;
        while monotonic_ns() < until {
            parking.announce(Sleep::Parked);
            slept = parking.wait(Sleep::Parked, Some(until));
        }
        assert!(slept);
    }
}
