//! What a forked child finds in the mappings of its parent, and what it does with it.

#![allow(
    clippy::expect_used,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

use pronghorn_sync::mapping::{Kind, MapError, live_bytes, live_mappings, unmap_inherited};
use pronghorn_sync::{MappedVec, Mapping, fork};
use support::{Fork, alone, run};

static DROPS: AtomicU32 = AtomicU32::new(0);

fn main() -> ExitCode {
    run(&tests![
        the_reset_unmaps_the_parents_and_leaves_its_own,
        what_is_dropped_in_the_child_runs_no_destructor_and_unmaps_nothing,
        fifty_generations_leave_no_more_memory_than_one,
        a_full_table_and_a_refusal_are_errors_and_leave_no_entry_behind,
    ])
}

#[derive(Debug)]
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPS.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted(elements: usize) -> MappedVec<(Counted, u64)> {
    let mut all = MappedVec::new(Kind::Slot);
    for number in 0..elements {
        all.push((Counted, number as u64)).expect("memory");
    }
    all
}

/// Whether something is mapped at that address: the kernel's word.
fn is_mapped<T>(base: *const T) -> bool {
    let mut resident = 0;
    // SAFETY: one page, one byte of answer; mincore only looks.
    unsafe { libc::mincore(base.cast_mut().cast(), 4096, &raw mut resident) == 0 }
}

fn the_reset_unmaps_the_parents_and_leaves_its_own() {
    let large = counted(100_000);
    let small = counted(1);
    let kept = counted(1);
    let kept_at = kept.as_ptr();
    drop(kept);
    let buffer = Mapping::new(4096, Kind::Buffer).expect("memory");
    assert!(is_mapped(kept_at), "kept for the next who asks");
    for how in Fork::ALL {
        how.child(|| {
            DROPS.store(0, Ordering::Relaxed);
            // Before the reset the content is there.
            assert_eq!(large[99_999].1, 99_999);
            // What is mapped before the unmapping stays, and is no memory of the parent's.
            let early = counted(10);
            assert_ne!(early.as_ptr(), kept_at);
            assert_eq!(unmap_inherited(Kind::Slot, &alone()), 3);
            for gone in [large.as_ptr(), small.as_ptr(), kept_at] {
                assert!(!is_mapped(gone));
            }
            assert_eq!(early[9].1, 9);
            assert!(is_mapped(buffer.base().as_ptr()), "another kind");
            assert_eq!(unmap_inherited(Kind::Slot, &alone()), 0);
            assert_eq!(DROPS.load(Ordering::Relaxed), 0);
            drop(early);
            assert_eq!(DROPS.load(Ordering::Relaxed), 10);
        });
    }
    assert_eq!((large[99_999].1, small[0].1), (99_999, 0));
}

fn what_is_dropped_in_the_child_runs_no_destructor_and_unmaps_nothing() {
    let (mut before, mut after) = (Some(counted(1_000)), Some(counted(1_000)));
    for how in Fork::ALL {
        how.child(|| {
            DROPS.store(0, Ordering::Relaxed);
            let place = before.as_ref().map(|all| all.as_ptr());
            drop(before.take());
            assert!(place.is_some_and(is_mapped));
            assert!(unmap_inherited(Kind::Slot, &alone()) >= 2);
            // Their places in the table are somebody else's by now, and so may their addresses be.
            let fresh: Vec<_> = (0..4).map(|_| counted(1_000)).collect();
            drop(after.take());
            assert!(fresh.iter().all(|all| all[999].1 == 999));
            assert_eq!(DROPS.load(Ordering::Relaxed), 0);
        });
    }
    assert!(before.is_some() && after.is_some());
}

/// Each generation forks the next, which unmaps, maps its own, and checks the sums.
fn fifty_generations_leave_no_more_memory_than_one() {
    fn generation(how: Fork, left: u32, sums: (usize, usize)) {
        if left == 0 {
            return;
        }
        how.child(|| {
            unmap_inherited(Kind::Slot, &alone());
            fork::acknowledge();
            let (mine, _kept) = (counted(50_000), drop(counted(10)));
            assert_eq!((live_mappings(), live_bytes()), sums);
            generation(how, left - 1, sums);
            assert_eq!(mine[49_999].1, 49_999);
        });
    }
    for how in Fork::ALL {
        how.child(|| {
            unmap_inherited(Kind::Slot, &alone());
            fork::acknowledge();
            let (_mine, _kept) = (counted(50_000), drop(counted(10)));
            generation(how, 50, (live_mappings(), live_bytes()));
        });
    }
}

fn a_full_table_and_a_refusal_are_errors_and_leave_no_entry_behind() {
    let before = live_mappings();
    for much in [1 << 60, usize::MAX] {
        let refused = Mapping::new(much, Kind::Buffer).expect_err("no machine has that much");
        assert_eq!(refused, MapError::Refused(libc::ENOMEM));
    }
    assert_eq!(live_mappings(), before);
    let mut all = Vec::new();
    let error = loop {
        match Mapping::new(1, Kind::Buffer) {
            Ok(mapping) => all.push(mapping),
            Err(error) => break error,
        }
    };
    assert_eq!(error, MapError::TableFull);
    assert!(MappedVec::<u8>::with_capacity(1, Kind::Slot).is_err() || before > 0);
    let mut one = all.pop().expect("at least one");
    one.grow(10_000).expect("memory");
    let bytes = one.bytes();
    assert!(matches!(one.grow(1 << 60), Err(MapError::Refused(_))));
    assert_eq!(one.bytes(), bytes);
    drop((one, all));
    // Some are kept; what is not has left its entry free.
    let kept = live_mappings();
    assert!(kept < before + 20, "{kept}");
    assert!(Mapping::new(1 << 20, Kind::Slot).is_ok());
}
