//! What a child finds in such memory, and how places are taken.

use super::*;
use std::sync::atomic::AtomicU64;

struct Two(AtomicU64, AtomicU64);
// SAFETY: two words.
unsafe impl Zeroed for Two {}

#[test]
fn a_child_finds_zeroes_and_the_parent_its_values() {
    static VALUE: Wiped<Two> = Wiped::new(Two(AtomicU64::new(0), AtomicU64::new(0)));
    assert!(!VALUE.is_wiped());
    assert!(VALUE.install() && VALUE.install() && VALUE.is_wiped());
    VALUE.get().0.store(7, Relaxed);
    VALUE.get().1.store(8, Relaxed);
    // SAFETY: the child does nothing but look and end.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let Two(first, second) = VALUE.get();
        let code = i32::from(first.load(Relaxed) + second.load(Relaxed) != 0);
        // SAFETY: the child ends here.
        unsafe { libc::_exit(code) };
    }
    let mut status = -1;
    // SAFETY: a child of this process, a place of ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0);
    assert_eq!(VALUE.get().0.load(Relaxed), 7);
}

#[test]
fn without_a_place_the_value_is_the_statics_own() {
    let value = Wiped::new(Two(AtomicU64::new(1), AtomicU64::new(2)));
    assert_eq!(value.get().1.load(Relaxed), 2);
    // SAFETY: nobody else knows the value.
    let alone = unsafe { Alone::vouch() };
    value.reset(&alone, Two(AtomicU64::new(3), AtomicU64::new(4)));
    assert_eq!(value.get().1.load(Relaxed), 4);
}

#[test]
fn places_do_not_overlap_and_end() {
    let region = Region::new();
    let taken: Vec<_> = std::iter::from_fn(|| region.take(PAGE - 1, 8)).collect();
    assert!(!taken.is_empty() && taken.len() <= REGION / (PAGE - 1));
    let mut addresses: Vec<_> = taken.iter().map(|place| place.addr().get()).collect();
    addresses.sort_unstable();
    assert!(
        addresses
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= PAGE - 1)
    );
    assert!(addresses.iter().all(|address| address % 64 == 0));
}
