//! The handshake with real threads and real timers; V8 is played by a closure.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use super::*;
use pronghorn_sync::{Parking, Sleep, own_tid};

static ASKS: Asks = Asks::new();
static PARKING: Parking = Parking::new();
/// One test at a time: they share the signal, whose handler has only this table.
static TURN: Mutex<()> = Mutex::new(());
/// What the thread says when it is asked.
static SAYS: AtomicU32 = AtomicU32::new(0);
static ANSWERS: AtomicU32 = AtomicU32::new(0);
static LONGEST_NS: AtomicU64 = AtomicU64::new(0);

const NO_ISOLATE: u32 = 0;
const V8_CODE: u32 = 1;
/// It loses its processor first, for as long as `SAYS` is this.
const LATE: u32 = 2;
const ISOLATE: usize = 0x1230;
const PC: u64 = 0x4567;

extern "C" fn on_signal(_: i32, info: *mut libc::siginfo_t, _: *mut c_void) {
    let began = clock::monotonic_ns();
    // SAFETY: the kernel hands over a whole siginfo.
    let value = unsafe { (*info).si_value().sival_ptr.addr() };
    let tid = own_tid();
    let look = || match says_in_time() {
        NO_ISOLATE => Err(Answer::Seen(Seen::NoIsolate)),
        _ => Ok((std::ptr::without_provenance_mut(ISOLATE), PC)),
    };
    ASKS.answer(value, tid, look, || PARKING.wake());
    ANSWERS.fetch_add(1, SeqCst);
    LONGEST_NS.fetch_max(clock::monotonic_ns() - began, Relaxed);
}

fn says_in_time() -> u32 {
    loop {
        match SAYS.load(Relaxed) {
            LATE => std::hint::spin_loop(),
            says => return says,
        }
    }
}

fn signal() -> i32 {
    let number = libc::SIGRTMAX() - 3;
    // SAFETY: a zeroed action with a handler of this test's.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigaction(number, &raw const action, std::ptr::null_mut());
    }
    number
}

/// A thread that burns until it is dropped, or sleeps.
struct Other {
    tid: i32,
    end: std::sync::Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Other {
    fn new(burns: bool) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        let end = std::sync::Arc::new(AtomicBool::new(false));
        let seen = std::sync::Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            sender.send(own_tid()).unwrap();
            while !seen.load(Relaxed) {
                if !burns {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        });
        Self {
            tid: receiver.recv().unwrap(),
            end,
            thread: Some(thread),
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.end.store(true, Relaxed);
        self.thread.take().map(std::thread::JoinHandle::join);
        ASKS.close_if(|_| true);
    }
}

fn begin(says: u32) -> std::sync::MutexGuard<'static, ()> {
    let turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    SAYS.store(says, Relaxed);
    ANSWERS.store(0, SeqCst);
    LONGEST_NS.store(0, Relaxed);
    ASKS.begin();
    turn
}

fn until(what: &str, fits: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !fits() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn state_of(tid: i32) -> u32 {
    let fits = |ask: &&Ask| ask.tid.load(Relaxed) == tid;
    ASKS.table
        .iter()
        .find(fits)
        .map_or(FREE, |ask| ask.state.load())
}

#[test]
fn a_thread_in_v8s_code_is_held_until_it_is_served_and_then_says_what_it_is() {
    let _turn = begin(V8_CODE);
    let other = Other::new(true);
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
    let asked = AtomicUsize::new(0);
    until("nobody came in time", || {
        PARKING.announce(Sleep::Parked);
        if !ASKS.any_held() {
            PARKING.wait(Sleep::Parked, Some(clock::monotonic_ns() + 50_000_000));
        }
        PARKING.withdraw();
        ASKS.serve(
            |_, pc| Some(pc == PC),
            |isolate, data| {
                assert_eq!(isolate.addr(), ISOLATE);
                asked.store(data.addr(), SeqCst);
            },
        );
        asked.load(SeqCst) != 0
    });
    until("it goes on", || ANSWERS.load(SeqCst) > 0);
    assert!(!ASKS.any_held());
    assert_eq!(state_of(other.tid), REQUESTED);
    let value = asked.load(SeqCst);
    // Somebody else's interrupt, and one that comes twice.
    assert!(!ASKS.conclude(value, other.tid + 1, Answer::Done));
    assert_eq!(state_of(other.tid), REQUESTED);
    assert!(!ASKS.conclude(value, other.tid, Answer::Done));
    assert!(!ASKS.conclude(value, other.tid, Answer::Seen(Seen::NoSlot)));
    assert_eq!(state_of(other.tid), DONE);
    ASKS.close_if(|_| false);
    assert_eq!(state_of(other.tid), FREE);
}

#[test]
fn a_thread_that_nobody_serves_goes_on_after_two_milliseconds_and_is_asked_again() {
    let _turn = begin(V8_CODE);
    let other = Other::new(true);
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
    until("asked three times", || ANSWERS.load(SeqCst) >= 3);
    assert!(LONGEST_NS.load(Relaxed) >= HOLD_NS);
    drop(other);
    assert!(!ASKS.any_held());
}

#[test]
fn a_thread_that_has_left_v8s_code_by_then_is_not_interrupted() {
    let _turn = begin(V8_CODE);
    let other = Other::new(true);
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
    until("refused and asked again", || {
        ASKS.serve(|_, _| Some(false), |_, _| panic!("interrupted"));
        ANSWERS.load(SeqCst) >= 2
    });
}

#[test]
fn a_native_thread_is_asked_a_few_times_and_then_left_alone() {
    let _turn = begin(NO_ISOLATE);
    let other = Other::new(true);
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
    // It is known a moment before the last answer is counted.
    until("known", || {
        state_of(other.tid) == DONE && ANSWERS.load(SeqCst) >= policy::MOST_WITHOUT
    });
    let before = clock::cpu_ns_of(other.tid).unwrap();
    until("it goes on burning", || {
        clock::cpu_ns_of(other.tid).unwrap() > before + 300_000_000
    });
    assert_eq!(ANSWERS.load(SeqCst), policy::MOST_WITHOUT);
}

#[test]
fn a_thread_that_sleeps_is_not_disturbed() {
    let _turn = begin(NO_ISOLATE);
    let other = Other::new(false);
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(ANSWERS.load(SeqCst), 0);
    assert_eq!(state_of(other.tid), WAITING);
}

#[test]
fn a_thread_that_is_gone_cannot_be_asked() {
    let _turn = begin(NO_ISOLATE);
    assert_eq!(ASKS.open(i32::MAX - 9, signal(), false), Opened::Gone);
}

#[test]
fn a_full_table_takes_nobody_and_closing_makes_room() {
    let _turn = begin(NO_ISOLATE);
    let other = Other::new(false);
    for _ in 0..ASKS_IN_TABLE {
        assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
    }
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Full);
    ASKS.close_if(|tid| tid == other.tid);
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
}

const ASKS_IN_TABLE: usize = super::ASKS;

#[test]
fn a_late_signal_of_a_former_use_means_nothing() {
    let _turn = begin(NO_ISOLATE);
    let other = Other::new(false);
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
    let former = ASKS.table[0].value(0);
    ASKS.close_if(|_| true);
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
    ASKS.answer(former, other.tid, || panic!("asked"), || ());
    ASKS.answer(0xffff_ffff, other.tid, || panic!("asked"), || ());
    assert_eq!(state_of(other.tid), WAITING);
}

#[test]
fn a_thread_that_comes_back_after_the_end_is_not_asked_again() {
    for says in [NO_ISOLATE, V8_CODE] {
        let _turn = begin(LATE);
        let other = Other::new(true);
        assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
        until("it answers", || state_of(other.tid) == ANSWERING);
        ASKS.end(clock::monotonic_ns() + 1_000_000);
        SAYS.store(says, Relaxed);
        until("it has answered", || ANSWERS.load(SeqCst) == 1);
        let before = clock::cpu_ns_of(other.tid).unwrap();
        until("it goes on burning", || {
            clock::cpu_ns_of(other.tid).unwrap() > before + 300_000_000
        });
        assert_eq!(ANSWERS.load(SeqCst), 1);
        // There is room for the next session's.
        assert_eq!(state_of(other.tid), DONE);
        ASKS.close_if(|_| false);
        assert!(ASKS.is_empty());
        assert_eq!(ASKS.given_up(), 0);
    }
}

#[test]
fn the_end_closes_what_nobody_is_at_work_on() {
    let _turn = begin(NO_ISOLATE);
    let other = Other::new(false);
    assert_eq!(ASKS.open(other.tid, signal(), false), Opened::Yes);
    ASKS.end(0);
    assert!(ASKS.is_empty());
}
