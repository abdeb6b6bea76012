//! Forks at the worst moments of a recorder: with every lock held that can be held, by threads that are gone in the child, by the
//! thread that forks itself in the middle, and at any instant.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

#[path = "support/forked.rs"]
mod forked;
#[path = "../../pronghorn-sync/tests/support/mod.rs"]
mod forks;
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use forked::{flip, record, record_stacks, reset_and_use, rotate, with_active};
use forks::{Fork, await_child, end_child, limit_child, run, wait_until};
use pronghorn_recorder::{NoSymbols, ProfileInfo, Recorder, SerializeError};
use pronghorn_sync::failpoint::control::{
    arm_call, arm_hold, disarm_all, gave_up, is_held, release,
};
use support::{function, time};

fn main() -> ExitCode {
    run(&tests![
        nothing_of_the_parents_is_in_the_childs_profiles_whichever_slot_was_active,
        locks_held_in_every_combination_by_threads_that_are_gone,
        a_thread_that_forks_in_the_middle_goes_on_in_the_child_and_can_reset,
        forks_at_any_instant_while_threads_record_and_rotate,
    ])
}

/// A thread that is held at a place, or in a wait, while the main thread forks.
struct Held {
    place: Option<&'static str>,
    thread: JoinHandle<()>,
}

impl Held {
    fn at(place: &'static str, action: impl FnOnce() + Send + 'static) -> Self {
        arm_hold(place).expect("a known place");
        let thread = std::thread::spawn(action);
        wait_until(place, || is_held(place).expect("a known place"));
        Self {
            place: Some(place),
            thread,
        }
    }

    fn go_on(self) {
        if let Some(place) = self.place {
            release(place).expect("a known place");
        }
        self.thread.join().expect("the thread that was held");
        assert_eq!(gave_up(), 0);
    }
}

fn nothing_of_the_parents_is_in_the_childs_profiles_whichever_slot_was_active() {
    for active in [0, 1] {
        let recorder = with_active(active);
        record(&recorder, "parentOnly", 50);
        // Both are open: what is recorded now goes into slot one, the old or the new.
        let flipping = {
            let recorder = Arc::clone(&recorder);
            Held::at("mid-flip", move || drop(flip(&recorder, 10)))
        };
        record(&recorder, "parentOnly", 20);
        // And with somebody inside slot one, into slot two.
        let inside = {
            let recorder = Arc::clone(&recorder);
            Held::at("recorder-lock", move || record(&recorder, "parentOnly", 1))
        };
        record(&recorder, "parentOnly", 7);
        inside.go_on();
        let in_slots = recorder
            .inspect()
            .slots
            .map(|slot| slot.expect("nobody inside").samples);
        assert_eq!(in_slots, [[50 + 20 + 1, 7], [20 + 1, 50 + 7]][active]);
        for how in Fork::ALL {
            how.child(|| reset_and_use(&recorder));
        }
        flipping.go_on();
        let left = rotate(&recorder, 20).totals().count;
        assert_eq!(left, [7, 20 + 1][active], "the parent lost nothing");
    }
}

/// How far a rotation on another thread has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rotating {
    No,
    At(&'static str),
    /// It waits for the thread that is inside the active slot.
    Waits,
}

fn locks_held_in_every_combination_by_threads_that_are_gone() {
    let stages = [
        Rotating::No,
        Rotating::At("mid-ready"),
        Rotating::At("mid-flip"),
        Rotating::At("mid-serialize"),
        Rotating::Waits,
    ];
    for (active, stage, somebody_inside) in [0, 1]
        .into_iter()
        .flat_map(|active| stages.map(|stage| (active, stage)))
        .flat_map(|(active, stage)| [false, true].map(|inside| (active, stage, inside)))
    {
        if stage == Rotating::Waits && !somebody_inside {
            continue;
        }
        let recorder = with_active(active);
        record(&recorder, "parentOnly", 500);
        let rotation = {
            let recorder = Arc::clone(&recorder);
            move || assert!(rotate(&recorder, 10).totals().count >= 500)
        };
        // Serializing comes when nobody is inside the old slot any more; whoever is inside then is in the new one.
        let mut rotating = None;
        if let Rotating::At(place @ ("mid-flip" | "mid-serialize")) = stage {
            rotating = Some(Held::at(place, rotation.clone()));
        }
        let inside = somebody_inside.then(|| {
            let recorder = Arc::clone(&recorder);
            Held::at("recorder-lock", move || record(&recorder, "parentOnly", 1))
        });
        match stage {
            Rotating::At("mid-ready") => rotating = Some(Held::at("mid-ready", rotation)),
            Rotating::Waits => {
                rotating = Some(Held {
                    place: None,
                    thread: std::thread::spawn(rotation),
                });
                wait_until("the wait", || !recorder.inspect().locked[1 - active]);
            }
            Rotating::No | Rotating::At(_) => {}
        }
        let expected = match stage {
            Rotating::No | Rotating::At("mid-ready") => [active != 0, active != 1],
            Rotating::At("mid-serialize") => [active == 0, active == 1],
            Rotating::At(_) | Rotating::Waits => [false, false],
        };
        let inside_of = match stage {
            Rotating::At("mid-serialize") => 1 - active,
            // Both are open, and slot one is tried first.
            Rotating::At("mid-flip") => 0,
            _ => active,
        };
        let found = recorder.inspect();
        assert_eq!(found.rotating, stage != Rotating::No);
        let held = [0, 1].map(|slot| expected[slot] || somebody_inside && slot == inside_of);
        assert_eq!(found.locked, held, "{stage:?} {active} {somebody_inside}");
        for how in Fork::ALL {
            how.child(|| reset_and_use(&recorder));
        }
        for held in [inside, rotating].into_iter().flatten() {
            held.go_on();
        }
        rotate(&recorder, 20);
        let statistics = recorder.statistics();
        assert_eq!(statistics.recorded, 500 + u64::from(somebody_inside));
    }
}

static FORKED: AtomicI32 = AtomicI32::new(-1);

extern "C" fn fork_here() {
    // SAFETY: fork has no preconditions; the child goes on where its parent was.
    let child = unsafe { libc::fork() };
    if child == 0 {
        limit_child();
    }
    FORKED.store(child, Ordering::Relaxed);
}

fn a_thread_that_forks_in_the_middle_goes_on_in_the_child_and_can_reset() {
    for active in [0, 1] {
        for place in ["recorder-lock", "mid-ready", "mid-flip", "mid-serialize"] {
            let recorder = with_active(active);
            record(&recorder, "parentOnly", 300);
            FORKED.store(-1, Ordering::Relaxed);
            arm_call(place, fork_here).expect("a known place");
            record(&recorder, "parentOnly", 40);
            // With somebody inside, the child must not wait for them.
            let inside = (place == "mid-flip").then(|| {
                let recorder = Arc::clone(&recorder);
                Held::at("recorder-lock", move || record(&recorder, "parentOnly", 1))
            });
            let releasing = inside.map(|inside| {
                std::thread::spawn(move || {
                    wait_until("the fork", || FORKED.load(Ordering::Relaxed) > 0);
                    inside.go_on();
                })
            });
            let in_child = || FORKED.load(Ordering::Relaxed) == 0;
            let mut serialized = Err(SerializeError::Forked);
            if place != "recorder-lock" {
                let period = flip(&recorder, 10);
                assert_eq!(
                    period.is_inherited(),
                    in_child() && place != "mid-serialize"
                );
                serialized = period.serialize(&mut NoSymbols, &ProfileInfo::default());
            }
            if in_child() {
                end_child(|| {
                    assert!(matches!(serialized, Err(SerializeError::Forked)));
                    reset_and_use(&recorder);
                });
            }
            await_child(FORKED.load(Ordering::Relaxed));
            if let Some(thread) = releasing {
                thread.join().expect("the thread that releases");
            }
            assert_eq!(serialized.is_ok(), place != "recorder-lock");
        }
    }
    disarm_all();
}

fn forks_at_any_instant_while_threads_record_and_rotate() {
    let forks = if std::env::var_os("PRONGHORN_TEST_LONG").is_some() {
        1_000
    } else {
        40
    };
    let recorder = Recorder::new(time(1));
    let end = Arc::new(AtomicBool::new(false));
    let recording = (0..2_u32).map(|number| {
        let (recorder, end) = (Arc::clone(&recorder), Arc::clone(&end));
        std::thread::spawn(move || {
            let (mut recorded, mut size) = (0, number);
            let function = function("parentOnly", "app.js", number);
            while !end.load(Ordering::Relaxed) {
                // Few stacks, and many: tables that stand still and tables that grow.
                size = (size * 7 + 13) % 1_500;
                record_stacks(&recorder, "parentOnly", &function, size);
                recorded += u64::from(size);
            }
            recorded
        })
    });
    let recording: Vec<_> = recording.collect();
    let rotating = {
        let (recorder, end) = (Arc::clone(&recorder), Arc::clone(&end));
        std::thread::spawn(move || {
            let (mut serialized, mut now) = (0, 2);
            while !end.load(Ordering::Relaxed) {
                now += 1;
                serialized += rotate(&recorder, now).totals().count;
            }
            serialized
        })
    };
    for number in 0..forks {
        // Not in step with the threads.
        std::thread::sleep(Duration::from_micros(number * 97 % 1_000));
        // With handlers: without, the allocator's locks may be held by a thread that is gone.
        Fork::Handlers.child(|| reset_and_use(&recorder));
    }
    end.store(true, Ordering::Relaxed);
    let recorded: u64 = recording
        .into_iter()
        .map(|thread| thread.join().expect("a recording thread"))
        .sum();
    let serialized = rotating.join().expect("the rotating thread");
    let left = rotate(&recorder, u64::MAX).totals().count;
    assert_eq!(serialized + left, recorded, "the parent lost nothing");
}
