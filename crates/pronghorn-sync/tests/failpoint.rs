//! A test can hold a thread at a place, or call on it; a forked child is held nowhere.

#![cfg(all(unix, not(loom)))]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pronghorn_sync::failpoint;
use pronghorn_sync::failpoint::control::{
    self, UnknownName, arm_call, arm_hold, disarm_all, is_call_armed, is_held, release,
};

/// The places are the process's: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count() {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // Comes to the same place: it must not be called for ever.
    failpoint!("gc");
}

fn wait_until(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !reached() {
        assert!(Instant::now() < deadline, "{what} took too long");
        std::thread::yield_now();
    }
}

#[test]
fn one_thread_is_held_until_it_is_released_and_others_pass() {
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    failpoint!("mid-flip");
    arm_hold("mid-flip").unwrap();
    assert!(!is_held("mid-flip").unwrap());
    let held = std::thread::spawn(|| failpoint!("mid-flip"));
    wait_until("the hold", || is_held("mid-flip").unwrap());
    // Neither another place nor a second thread at the same one is held.
    failpoint!("mid-ready");
    failpoint!("mid-flip");
    assert!(!held.is_finished());
    release("mid-flip").unwrap();
    held.join().unwrap();
    assert!(!is_held("mid-flip").unwrap());
    failpoint!("mid-flip");
    assert_eq!(control::gave_up(), 0);
}

#[test]
fn a_call_is_made_once() {
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    CALLS.store(0, Ordering::Relaxed);
    arm_call("gc", count).unwrap();
    assert!(is_call_armed("gc").unwrap());
    failpoint!("mid-sample");
    assert_eq!(CALLS.load(Ordering::Relaxed), 0);
    failpoint!("gc");
    failpoint!("gc");
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
    assert!(!is_call_armed("gc").unwrap());
}

#[test]
fn disarming_lets_everybody_go() {
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    arm_hold("rotation").unwrap();
    arm_call("watcher", count).unwrap();
    let held = std::thread::spawn(|| failpoint!("rotation"));
    wait_until("the hold", || is_held("rotation").unwrap());
    disarm_all();
    held.join().unwrap();
    assert!(!is_call_armed("watcher").unwrap());
}

#[test]
fn unknown_names_are_errors() {
    for result in [
        arm_hold("mid-flop"),
        release(""),
        arm_call("mid-flips", count),
        is_held("mid-fli").map(|_| ()),
        is_call_armed("nowhere").map(|_| ()),
    ] {
        assert_eq!(result, Err(UnknownName));
    }
}

#[test]
fn a_forked_child_passes_what_the_parent_armed_and_can_arm_anew() {
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    arm_hold("mid-flip").unwrap();
    arm_hold("mid-ready").unwrap();
    arm_call("gc", count).unwrap();
    let held = std::thread::spawn(|| failpoint!("mid-flip"));
    wait_until("the hold", || is_held("mid-flip").unwrap());
    CALLS.store(0, Ordering::Relaxed);
    // SAFETY: the child calls nothing but atomics, getpid, nanosleep, alarm and _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: alarm has no preconditions; its default action ends the child, and so the test, if it is held.
        unsafe { libc::alarm(5) };
        // One where the parent holds a thread, one where it waits for a thread, one where it would call.
        failpoint!("mid-flip");
        failpoint!("mid-ready");
        failpoint!("gc");
        let passed = CALLS.load(Ordering::Relaxed) == 0 && is_held("mid-flip") == Ok(false);
        let armed = arm_call("gc", count).is_ok();
        failpoint!("gc");
        let called = CALLS.load(Ordering::Relaxed) == 1;
        // SAFETY: _exit has no preconditions.
        unsafe { libc::_exit(if passed && armed && called { 7 } else { 1 }) };
    }
    assert!(child > 0, "fork failed");
    let mut status = 0;
    // SAFETY: the status is ours to write; the child ends by itself or by its alarm.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7,
        "status {status:#x}"
    );
    assert!(
        is_held("mid-flip").unwrap(),
        "the parent's thread is held all the time"
    );
    disarm_all();
    held.join().unwrap();
}
