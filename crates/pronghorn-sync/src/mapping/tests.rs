use std::sync::{Mutex, MutexGuard};

use super::*;

/// The table is the process's. These tests have one kind for themselves and use it one at a time; other tests map `Slot`s.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// With nothing kept from the test before.
fn turn() -> MutexGuard<'static, ()> {
    let turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for entry in &TABLE {
        let word = entry.word.load(Acquire);
        if word & KIND == of_kind(Kind::Buffer) && word & STATE == IDLE {
            let base = entry.base.load(Relaxed);
            unmap(entry, base, entry.bytes.load(Relaxed), word & !STATE);
        }
    }
    turn
}

fn of(kind: Kind, state: u64) -> usize {
    TABLE
        .iter()
        .filter(|entry| {
            let word = entry.word.load(Relaxed);
            word & KIND == of_kind(kind) && word & STATE == state
        })
        .count()
}

fn fill(mapping: &Mapping, value: u8) {
    // SAFETY: the mapping is that long, writable and ours.
    unsafe { mapping.base().write_bytes(value, mapping.bytes()) };
}

fn byte(mapping: &Mapping, at: usize) -> u8 {
    assert!(at < mapping.bytes());
    // SAFETY: inside the mapping, which is readable.
    unsafe { mapping.base().add(at).read() }
}

#[test]
fn lengths_are_pages_and_growing_keeps_the_content() {
    let _turn = turn();
    let mut mapping = Mapping::new(1, Kind::Buffer).unwrap();
    assert_eq!(mapping.bytes() % PAGE, 0);
    fill(&mapping, 7);
    let before = mapping.bytes();
    mapping.grow(before - 1).unwrap();
    assert_eq!(mapping.bytes(), before);
    // Larger than what is kept, so that dropping it unmaps it.
    mapping.grow(IDLE_BYTES + 1).unwrap();
    assert_eq!(mapping.bytes(), IDLE_BYTES + PAGE);
    assert_eq!((byte(&mapping, before - 1), byte(&mapping, before)), (7, 0));
    let (mappings, bytes) = (of(Kind::Buffer, LIVE), mapping.bytes());
    assert!(live_bytes() >= bytes && live_mappings() >= mappings);
    drop(mapping);
    assert_eq!(of(Kind::Buffer, LIVE), mappings - 1);
}

#[test]
fn a_small_one_is_kept_and_used_again_and_only_for_its_kind_and_size() {
    let _turn = turn();
    let first = Mapping::new(9 * PAGE, Kind::Buffer).unwrap();
    let base = first.base();
    drop(first);
    assert_eq!(of(Kind::Buffer, IDLE), 1);
    let other = Mapping::new(9 * PAGE, Kind::Slot).unwrap();
    assert_ne!(other.base(), base);
    let larger = Mapping::new(40 * PAGE, Kind::Buffer).unwrap();
    assert_ne!(larger.base(), base);
    let again = Mapping::new(8 * PAGE, Kind::Buffer).unwrap();
    assert_eq!((again.base(), again.bytes()), (base, 9 * PAGE));
}

#[test]
fn what_is_mapped_for_good_is_zeroed_counted_and_of_no_used_memory() {
    let _turn = turn();
    let used = Mapping::new(PAGE, Kind::Buffer).unwrap();
    fill(&used, 9);
    drop(used);
    let before = of(Kind::Buffer, LIVE);
    let base = for_good(PAGE, Kind::Buffer).unwrap();
    assert_eq!(
        (of(Kind::Buffer, LIVE), of(Kind::Buffer, IDLE)),
        (before + 1, 1)
    );
    // SAFETY: a page that is ours for good.
    let bytes = unsafe { std::slice::from_raw_parts(base.as_ptr(), PAGE) };
    assert!(bytes.iter().all(|byte| *byte == 0));
    assert!(for_good(usize::MAX, Kind::Buffer).is_err());
}

#[test]
fn few_are_kept() {
    let _turn = turn();
    let many: Vec<_> = (0..3 * IDLE_MOST)
        .map(|_| Mapping::new(PAGE, Kind::Buffer).unwrap())
        .collect();
    drop(many);
    assert_eq!(of(Kind::Buffer, IDLE), IDLE_MOST);
}

#[test]
fn threads_that_map_grow_and_drop_share_no_memory() {
    let _turn = turn();
    let before = of(Kind::Buffer, LIVE);
    let threads: Vec<_> = (1..=4_u8)
        .map(|value| {
            std::thread::spawn(move || {
                for round in 0..500 {
                    let mut mapping = Mapping::new((round % 5 + 1) * PAGE, Kind::Buffer).unwrap();
                    fill(&mapping, value);
                    if round % 3 == 0 {
                        let before = mapping.bytes();
                        mapping.grow(before + PAGE).unwrap();
                        assert_eq!(byte(&mapping, before - 1), value);
                        fill(&mapping, value);
                    }
                    std::thread::yield_now();
                    for at in (0..mapping.bytes()).step_by(1_000) {
                        assert_eq!(byte(&mapping, at), value);
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(
        (of(Kind::Buffer, LIVE), of(Kind::Buffer, CHANGING)),
        (before, 0)
    );
}
