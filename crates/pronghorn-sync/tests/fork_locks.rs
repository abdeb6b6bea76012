//! What a forked child finds in locks that threads held which are gone, and what the reset makes of them.

#![allow(
    clippy::expect_used,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use pronghorn_sync::{Guarded, RawLock, fork};
use support::{Fork, alone, run, wait_until};

static DROPS: AtomicU32 = AtomicU32::new(0);

fn main() -> ExitCode {
    run(&tests![
        a_child_finds_the_lock_of_a_thread_that_is_gone_resets_it_and_uses_it,
        a_bare_lock_is_taken_back_from_an_owner_and_a_waiter_that_are_gone,
        a_guard_of_the_parents_does_nothing_in_the_child,
        a_move_that_a_fork_interrupted_does_not_wait_for_a_thread_that_is_gone,
        a_cell_is_reset_open_or_held_in_generation_after_generation,
    ])
}

#[derive(Debug, PartialEq)]
struct Value(u64);

impl Drop for Value {
    fn drop(&mut self) {
        DROPS.fetch_add(1, Ordering::Relaxed);
    }
}

/// A thread that does `inside` while it holds something, until it is told to end.
struct Holder {
    end: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Holder {
    fn of(hold: impl FnOnce(&dyn Fn()) + Send + 'static) -> Self {
        let (end, held) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let thread = {
            let (end, held) = (Arc::clone(&end), Arc::clone(&held));
            std::thread::spawn(move || {
                hold(&|| {
                    held.store(true, Ordering::Release);
                    wait_until("the end", || end.load(Ordering::Acquire));
                });
            })
        };
        wait_until("the hold", || held.load(Ordering::Acquire));
        Self { end, thread }
    }

    fn end(self) {
        self.end.store(true, Ordering::Release);
        self.thread.join().expect("the thread that held it");
    }
}

fn a_child_finds_the_lock_of_a_thread_that_is_gone_resets_it_and_uses_it() {
    let cell = Arc::new(Guarded::new(Value(1)));
    let holder = {
        let cell = Arc::clone(&cell);
        Holder::of(move |wait| {
            cell.lock().with(|value| {
                value.0 = 2;
                wait();
                value.0 += 1;
            });
        })
    };
    for how in Fork::ALL {
        how.child(|| {
            DROPS.store(0, Ordering::Relaxed);
            assert!(cell.is_locked() && cell.try_lock().is_none());
            cell.reset(&alone(), Value(10));
            // Neither dropped nor written into: abandoned.
            assert_eq!(DROPS.load(Ordering::Relaxed), 0);
            assert_eq!(cell.lock().with(|value| value.0), 10);
            // By threads of the child's too, which exclude each other. They come after the acknowledgement, as in every reset: in limbo
            // whoever finds a lock held takes it over, since whoever held it does not exist.
            fork::acknowledge();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let cell = Arc::clone(&cell);
                    std::thread::spawn(move || {
                        for _ in 0..1_000 {
                            cell.lock().with(|value| value.0 += 1);
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().expect("a thread of the child's");
            }
            assert_eq!(cell.lock().with(|value| value.0), 2_010);
            assert!(!cell.is_locked());
        });
    }
    assert!(cell.is_locked(), "the parent's is as it was");
    holder.end();
    assert_eq!(cell.lock().with(|value| value.0), 3);
}

fn a_bare_lock_is_taken_back_from_an_owner_and_a_waiter_that_are_gone() {
    static LOCK: RawLock = RawLock::new_unlocked();
    let owner = Holder::of(|wait| {
        let guard = LOCK.guard();
        wait();
        drop(guard);
    });
    let waiter = std::thread::spawn(|| drop(LOCK.guard()));
    // Nothing tells that it waits; when it does not yet, this is one run of the simpler case.
    std::thread::sleep(std::time::Duration::from_millis(20));
    for how in Fork::ALL {
        how.child(|| {
            assert!(!LOCK.try_lock());
            LOCK.reset();
            assert!(LOCK.try_lock());
            assert!(!LOCK.try_lock());
            LOCK.unlock();
            drop(LOCK.guard());
            LOCK.reset_locked();
            assert!(!LOCK.try_lock());
            LOCK.unlock();
            assert!(!LOCK.is_locked());
        });
    }
    owner.end();
    waiter.join().expect("the thread that waited");
}

fn a_guard_of_the_parents_does_nothing_in_the_child() {
    let cell = Arc::new(Guarded::new(Value(1)));
    let (other, guard) = Guarded::new_locked(Value(2));
    let (mut owned, mut early) = (Some(guard), Arc::new(Guarded::new(())).try_lock_owned());
    let mut short = cell.try_lock();
    assert!(short.is_some() && early.is_some());
    for how in Fork::ALL {
        how.child(|| {
            DROPS.store(0, Ordering::Relaxed);
            assert!(
                owned
                    .as_ref()
                    .is_some_and(pronghorn_sync::OwnedGuard::is_inherited)
            );
            // Before the reset: nothing opens.
            drop(early.take());
            cell.reset(&alone(), Value(10));
            let own = other.reset_locked(&alone(), Value(20));
            fork::acknowledge();
            let mine = cell.try_lock();
            assert!(mine.is_some() && !own.is_inherited());
            // After it: they would open locks that this process holds.
            let references = Arc::strong_count(&other);
            drop((short.take(), owned.take()));
            assert!(cell.is_locked() && other.is_locked());
            assert_eq!(Arc::strong_count(&other), references);
            drop((mine, own));
            assert!(!cell.is_locked() && !other.is_locked());
            assert_eq!(DROPS.load(Ordering::Relaxed), 0);
        });
    }
    drop((short, owned));
    assert!(!cell.is_locked() && !other.is_locked());
}

fn a_move_that_a_fork_interrupted_does_not_wait_for_a_thread_that_is_gone() {
    let (closed, mut guard) = Guarded::new_locked(1);
    let open = Arc::new(Guarded::new(2));
    let holder = {
        let open = Arc::clone(&open);
        Holder::of(move |wait| open.lock().with(|_| wait()))
    };
    for how in Fork::ALL {
        how.child(|| {
            guard.move_to(&open);
            assert!(guard.is_inherited() && open.is_locked());
        });
    }
    assert!(closed.is_locked());
    holder.end();
    guard.move_to(&open);
    assert!(!closed.is_locked() && open.is_locked());
}

fn a_cell_is_reset_open_or_held_in_generation_after_generation() {
    fn generation(cells: &[Arc<Guarded<u32>>; 2], number: u32) {
        if number == 20 {
            return;
        }
        let how = Fork::ALL[number as usize % 2];
        how.child(|| {
            let [open, held] = cells;
            open.reset(&alone(), number);
            let mut guard = held.reset_locked(&alone(), number);
            fork::acknowledge();
            assert_eq!((open.is_locked(), held.is_locked()), (false, true));
            // Held across the next fork, for the next generation to find.
            let mut inside = open.try_lock().expect("it was reset");
            generation(cells, number + 1);
            assert_eq!(inside.with(|value| *value), number);
            assert_eq!(guard.with(|value| *value), number);
            drop((inside, guard));
            assert_eq!((open.is_locked(), held.is_locked()), (false, false));
        });
    }
    generation(&[0, 1].map(|value| Arc::new(Guarded::new(value))), 0);
}
