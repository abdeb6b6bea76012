//! The time account of one JavaScript thread: what CPU and wall time its next sample has to carry.
//!
//! Threads: the owner is the JavaScript thread itself, in its signal handler or at a safe point; whoever works at a safe
//! point holds `busy`, and a handler that finds it held takes no sample. Two words are shared: `poll_since`, from which
//! a rotating thread may take the idle time of a thread that sleeps in its event loop (compare-and-swap, so that each
//! nanosecond is taken once), and `still_until`, which the ticker writes. Everything is relaxed: each word stands for
//! itself, and the handler runs on the owner's own thread.
//!
//! Invariant: every nanosecond between `restart` and the last measurement is handed out exactly once, as the wall time of
//! a sample, as wall time of the stack seen before it (`still_ns`), or as idle time, but for what is kept for a later one (`account/share.rs`). What a dropped sample would have
//! carried stays in the account, since `last_*` moves only when a sample was stored.
//!
//! After a fork the whole account belongs to the parent: `restart` puts a fresh one in its place.

mod share;

pub use share::Share;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The time that one sample carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deltas {
    /// CPU time of the thread.
    pub cpu_ns: u64,
    /// Wall time that belongs to this sample's own stack.
    pub wall_ns: u64,
    /// Wall time that belongs to the stack of the previous sample: the thread was seen standing still in it.
    pub still_ns: u64,
    /// CPU and wall time that are kept for a later sample.
    pub kept: (u64, u64),
}

/// See the module documentation.
pub struct Account {
    last_cpu: AtomicU64,
    last_wall: AtomicU64,
    /// Wall time that had run up, and was not yet sampled, when the thread entered its poll.
    carried_wall: AtomicU64,
    /// When the thread entered its event loop's poll; 0 while it runs.
    poll_since: AtomicU64,
    /// Time in the event loop's poll that no sample has carried yet.
    idle: AtomicU64,
    /// The last time the ticker saw that the thread had not run since its previous sample.
    still_until: AtomicU64,
    /// When it last left its poll.
    left_poll_at: AtomicU64,
    /// All of its time in polls that are over, since `restart`.
    polled: AtomicU64,
    /// Whether it has left its poll since its last sample.
    has_polled: AtomicBool,
    /// CPU and wall time that is kept for a later sample.
    kept_cpu: AtomicU64,
    kept_wall: AtomicU64,
}

impl Account {
    /// An account at time zero; `restart` opens it.
    pub const fn new() -> Self {
        Self {
            last_cpu: AtomicU64::new(0),
            last_wall: AtomicU64::new(0),
            carried_wall: AtomicU64::new(0),
            poll_since: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            still_until: AtomicU64::new(0),
            left_poll_at: AtomicU64::new(0),
            polled: AtomicU64::new(0),
            has_polled: AtomicBool::new(false),
            kept_cpu: AtomicU64::new(0),
            kept_wall: AtomicU64::new(0),
        }
    }

    /// Every word of it.
    #[cfg(test)]
    pub(crate) fn words(&self) -> [u64; 11] {
        let Self {
            last_cpu,
            last_wall,
            carried_wall,
            poll_since,
            idle,
            still_until,
            left_poll_at,
            polled,
            has_polled,
            kept_cpu,
            kept_wall,
        } = self;
        let word = |word: &AtomicU64| word.load(Relaxed);
        [
            word(last_cpu),
            word(last_wall),
            word(carried_wall),
            word(poll_since),
            word(idle),
            word(still_until),
            word(left_poll_at),
            word(polled),
            u64::from(has_polled.load(Relaxed)),
            word(kept_cpu),
            word(kept_wall),
        ]
    }

    /// Opens the account afresh: nothing before `now` (monotonic) and `cpu` (the thread's CPU clock) will be handed out.
    pub fn restart(&self, now: u64, cpu: u64) {
        self.last_cpu.store(cpu, Relaxed);
        self.last_wall.store(now, Relaxed);
        self.carried_wall.store(0, Relaxed);
        self.poll_since.store(0, Relaxed);
        self.idle.store(0, Relaxed);
        self.still_until.store(0, Relaxed);
        self.left_poll_at.store(0, Relaxed);
        self.polled.store(0, Relaxed);
        self.has_polled.store(false, Relaxed);
        self.kept_cpu.store(0, Relaxed);
        self.kept_wall.store(0, Relaxed);
    }

    /// The owner is about to wait in its event loop's poll.
    pub fn enter_poll(&self, now: u64) {
        if self.poll_since.load(Relaxed) != 0 {
            // The loop went round without running JavaScript: all of it was poll.
            self.leave_poll(now);
        }
        let carried = now.saturating_sub(self.last_wall.load(Relaxed));
        self.carried_wall.store(carried, Relaxed);
        self.poll_since.store(now, Relaxed);
    }

    /// The owner runs JavaScript again. Costs one load when it was not in a poll.
    #[inline]
    pub fn leave_poll(&self, now: u64) {
        let since = self.poll_since.swap(0, Relaxed);
        if since == 0 {
            return;
        }
        self.left_poll_at.store(now, Relaxed);
        self.has_polled.store(true, Relaxed);
        self.add_idle(now.saturating_sub(since));
        let carried = self.carried_wall.load(Relaxed);
        self.last_wall.store(now.saturating_sub(carried), Relaxed);
    }

    /// Whether the thread waits in its poll, and since when (monotonic nanoseconds; 0 if it does not).
    pub fn poll_since(&self) -> u64 {
        self.poll_since.load(Relaxed)
    }

    /// When the thread last left its poll (monotonic nanoseconds; 0 if it has not). From any thread.
    pub fn left_poll_at(&self) -> u64 {
        self.left_poll_at.load(Relaxed)
    }

    /// All of the thread's time in its poll since the account was opened, by `now` (monotonic), in nanoseconds. From any thread; one that is
    /// about to enter or to leave its poll may be off by that poll.
    pub fn polled_by(&self, now: u64) -> u64 {
        let under_way = match self.poll_since.load(Relaxed) {
            0 => 0,
            since => now.saturating_sub(since),
        };
        self.polled.load(Relaxed) + under_way
    }

    fn add_idle(&self, nanos: u64) {
        self.idle.fetch_add(nanos, Relaxed);
        self.polled.fetch_add(nanos, Relaxed);
    }

    /// For a rotating thread: takes the idle time that a polling thread has run up by `now`. 0 if it does not poll.
    pub fn take_idle_of_poller(&self, now: u64) -> u64 {
        let since = self.poll_since.load(Relaxed);
        if since == 0 || since >= now {
            return 0;
        }
        match self
            .poll_since
            .compare_exchange(since, now, Relaxed, Relaxed)
        {
            Ok(_) => {
                self.polled.fetch_add(now - since, Relaxed);
                (now - since) + self.idle.swap(0, Relaxed)
            }
            Err(_) => 0,
        }
    }

    /// Idle time that waits to be taken, in nanoseconds.
    pub fn idle_ns(&self) -> u64 {
        self.idle.load(Relaxed)
    }

    /// Takes the idle time that earlier polls of this thread have run up. Owner only.
    pub fn take_idle(&self) -> u64 {
        self.idle.swap(0, Relaxed)
    }

    /// Puts back idle time that could not be recorded.
    pub fn return_idle(&self, nanos: u64) {
        self.idle.fetch_add(nanos, Relaxed);
    }

    /// Ticker: the thread has not run since its previous sample.
    pub fn note_still(&self, now: u64) {
        self.still_until.store(now, Relaxed);
    }

    /// What a sample at `now` and `cpu` would carry. If the thread was thought to be in its poll, the part of that time in
    /// which it used no CPU becomes idle time first.
    pub fn measure(&self, now: u64, cpu: u64, share: Share) -> Deltas {
        let cpu_ns = cpu.saturating_sub(self.last_cpu.load(Relaxed));
        let since = self.poll_since.swap(0, Relaxed);
        if since != 0 {
            let carried = self.carried_wall.load(Relaxed);
            let polled = now.saturating_sub(since);
            let idle = (carried + polled).saturating_sub(cpu_ns).min(polled);
            self.add_idle(idle);
            self.last_wall
                .store(now.saturating_sub(carried + polled - idle), Relaxed);
        }
        let last_wall = self.last_wall.load(Relaxed);
        let wall = now.saturating_sub(last_wall);
        let seen_still = self.still_until.load(Relaxed).saturating_sub(last_wall);
        let still_ns = if seen_still > 0 {
            // When it went on, after it was last seen standing still, is not known: half of that time goes either way.
            let off_cpu = wall.saturating_sub(cpu_ns);
            seen_still.min(off_cpu) + off_cpu.saturating_sub(seen_still) / 2
        } else {
            0
        };
        let has_polled = since != 0 || self.has_polled.load(Relaxed);
        let (cpu_ns, kept_cpu) = share.of(self.kept_cpu.load(Relaxed), cpu_ns, has_polled);
        let wall = wall - still_ns;
        let (wall_ns, kept_wall) = share.of(self.kept_wall.load(Relaxed), wall, has_polled);
        Deltas {
            cpu_ns,
            wall_ns,
            still_ns,
            kept: (kept_cpu, kept_wall),
        }
    }

    /// The sample measured at `now` and `cpu`, with those deltas, has been stored: the next one starts here.
    pub fn commit(&self, now: u64, cpu: u64, deltas: &Deltas) {
        self.last_cpu.store(cpu, Relaxed);
        self.last_wall.store(now, Relaxed);
        self.has_polled.store(false, Relaxed);
        let (kept_cpu, kept_wall) = deltas.kept;
        self.kept_cpu.store(kept_cpu, Relaxed);
        self.kept_wall.store(kept_wall, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let account = Account::new();
        account.restart(1_000, 500);
        account
    }

    #[test]
    fn a_running_thread_gets_the_time_since_its_previous_sample() {
        let account = account();
        let deltas = account.measure(1_010, 508, Share::All);
        assert_eq!((deltas.wall_ns, deltas.cpu_ns, deltas.still_ns), (10, 8, 0));
        account.commit(1_010, 508, &Deltas::default());
        assert_eq!(account.measure(1_030, 520, Share::All).wall_ns, 20);
    }

    #[test]
    fn the_time_of_a_dropped_sample_goes_to_the_next() {
        let account = account();
        account.measure(1_010, 508, Share::All);
        assert_eq!(
            account.measure(1_025, 515, Share::All),
            Deltas {
                cpu_ns: 15,
                wall_ns: 25,
                still_ns: 0,
                kept: (0, 0),
            }
        );
    }

    #[test]
    fn time_in_the_poll_is_idle_and_not_the_next_samples() {
        let account = account();
        account.enter_poll(1_010);
        account.leave_poll(1_510);
        assert_eq!(account.measure(1_520, 515, Share::All).wall_ns, 20);
        assert_eq!(account.take_idle(), 500);
        assert_eq!(account.take_idle(), 0);
    }

    #[test]
    fn what_was_polled_in_all_is_not_taken_away() {
        let account = account();
        account.enter_poll(1_010);
        assert_eq!(account.polled_by(1_030), 20);
        assert_eq!(account.take_idle_of_poller(1_110), 100);
        assert_eq!(account.polled_by(1_120), 110);
        account.leave_poll(1_150);
        assert_eq!(account.take_idle(), 40);
        assert_eq!(account.polled_by(1_200), 140);
        account.restart(1_300, 500);
        assert_eq!(account.polled_by(1_400), 0);
    }

    #[test]
    fn rounds_of_the_loop_without_javascript_are_all_idle() {
        let account = account();
        account.enter_poll(1_010);
        account.enter_poll(1_100);
        account.enter_poll(1_200);
        account.leave_poll(1_300);
        assert_eq!(account.take_idle(), 290);
        assert_eq!(account.measure(1_300, 500, Share::All).wall_ns, 10);
    }

    #[test]
    fn a_rotation_takes_a_sleepers_idle_time_once() {
        let account = account();
        account.enter_poll(1_010);
        assert_eq!(account.take_idle_of_poller(1_110), 100);
        account.leave_poll(1_150);
        assert_eq!(account.take_idle(), 40);
        assert_eq!(account.take_idle_of_poller(1_200), 0);
        assert_eq!(account.measure(1_160, 510, Share::All).wall_ns, 20);
    }

    #[test]
    fn a_sample_inside_a_presumed_poll_splits_its_time_by_the_cpu_clock() {
        let account = account();
        account.enter_poll(1_010);
        let deltas = account.measure(1_110, 540, Share::All);
        assert_eq!((deltas.cpu_ns, deltas.wall_ns), (40, 40));
        assert_eq!(account.take_idle(), 70);
    }

    #[test]
    fn time_standing_still_goes_to_the_previous_stack() {
        let account = account();
        account.commit(1_000, 500, &Deltas::default());
        account.note_still(1_600);
        assert_eq!(
            account.measure(2_000, 505, Share::All),
            Deltas {
                cpu_ns: 5,
                wall_ns: 203,
                still_ns: 797,
                kept: (0, 0),
            }
        );
        account.commit(2_000, 505, &Deltas::default());
        assert_eq!(account.measure(2_010, 506, Share::All).still_ns, 0);
    }

    /// A callback of so many nanoseconds behind a poll, of which a sample is taken behind each of the parts; what they carry.
    fn callback(account: &Account, parts: &[u64], share: Share) -> Vec<(u64, u64)> {
        let [mut cpu, mut now, ..] = account.words();
        account.enter_poll(now);
        now += 1_000;
        account.leave_poll(now);
        let mut carried = Vec::new();
        for part in parts {
            (now, cpu) = (now + part, cpu + part);
            let deltas = account.measure(now, cpu, share);
            account.commit(now, cpu, &deltas);
            carried.push((deltas.cpu_ns, deltas.wall_ns));
        }
        carried
    }

    #[test]
    fn the_first_sample_behind_a_poll_carries_an_interval_and_keeps_two_at_most() {
        let account = account();
        let share = Share::Interval(100);
        let alike = |all: &[u64]| all.iter().map(|&nanos| (nanos, nanos)).collect::<Vec<_>>();
        assert_eq!(callback(&account, &[60, 100], share), alike(&[60, 100]));
        // Late in its callback, with more than it may carry: the rest is for one that is early.
        assert_eq!(callback(&account, &[150], share), alike(&[100]));
        assert_eq!(callback(&account, &[70, 90], share), alike(&[100, 90]));
        // Long native work is not kept back.
        assert_eq!(callback(&account, &[900], share), alike(&[720]));
        assert_eq!(callback(&account, &[30], Share::All), alike(&[230]));
        assert_eq!(account.words()[9..], [0, 0]);
    }

    #[test]
    fn nothing_is_kept_of_a_thread_that_does_not_poll() {
        let account = account();
        let deltas = account.measure(1_900, 1_400, Share::Interval(100));
        assert_eq!(
            (deltas.cpu_ns, deltas.wall_ns, deltas.kept),
            (900, 900, (0, 0))
        );
    }

    #[test]
    fn callbacks_are_seen_in_their_true_shares() {
        // Two intervals long, with a tick in each interval, wherever it falls. What the ticks see of the first quarter.
        let (interval, length) = (1_000, 2_000);
        let account = account();
        let (mut first, mut all, mut begin, mut cpu, mut last) = (0, 0, 10_000, 500, 500);
        for round in 0..4_000u64 {
            account.enter_poll(begin);
            account.leave_poll(begin + 500);
            let tick = (round * 617) % interval;
            for at in [tick, tick + interval] {
                let deltas = account.measure(begin + 500 + at, cpu + at, Share::Interval(interval));
                account.commit(begin + 500 + at, cpu + at, &deltas);
                all += deltas.cpu_ns;
                first += if at < length / 4 { deltas.cpu_ns } else { 0 };
                last = cpu + at;
            }
            (begin, cpu) = (begin + 500 + length, cpu + length);
        }
        let [kept, _] = account.words()[9..] else {
            panic!("words")
        };
        assert_eq!(all + kept, last - 500, "nothing is lost");
        let share = first as f64 / all as f64;
        assert!((0.24..0.26).contains(&share), "{share}");
    }

    #[test]
    fn a_clock_that_runs_backwards_gives_nothing_negative() {
        let account = account();
        assert_eq!(account.measure(900, 400, Share::All), Deltas::default());
    }
}
