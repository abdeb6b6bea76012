//! Several threads at once: nothing is lost, nothing counted twice, and no thread's samples show up on another.

#![cfg(not(loom))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pronghorn_recorder::{Frame, NoSymbols, ProfileInfo, Recorder, Values};
use support::{decode, function, sample, script, thread, time, values};

/// Records samples in batches of changing size while `go_on` says so, asked with the number of samples so far. What finds
/// no slot is tried again, as a safe point would. Returns what was recorded.
fn record_many(recorder: &Recorder, id: u32, go_on: impl Fn(u64) -> bool) -> Values {
    let label = thread(id, &format!("thread {id}"));
    let functions: Vec<_> = (0..20)
        .map(|number| function(&format!("f{number} of {id}"), "a.js", number))
        .collect();
    let stacks: Vec<Vec<Frame>> = (0..60)
        .map(|stack| {
            (0..=stack % 7)
                .map(|depth| script(&functions[(stack * 3 + depth) % 20], stack as u32))
                .collect()
        })
        .collect();
    let samples: Vec<_> = (0..2_000)
        .map(|number| {
            let stack = &stacks[(number * 7 % 60) as usize];
            sample(
                &label,
                stack,
                values(1, number % 1_000, 1_000 + number % 77),
            )
        })
        .collect();
    let mut sum = Values::default();
    let mut batch = 1;
    while go_on(sum.count) {
        let mut rest = &samples[..];
        while !rest.is_empty() {
            let size = batch.min(rest.len());
            let recorded = match recorder.record(rest[..size].iter().copied()) {
                Ok(()) => size,
                Err(error) => error.recorded(),
            };
            rest[..recorded]
                .iter()
                .for_each(|sample| sum.add(sample.values));
            rest = &rest[recorded..];
            batch = batch % 50 + 1;
        }
    }
    sum
}

#[test]
fn four_recording_threads_and_many_rotations_conserve_count_cpu_and_wall_per_thread() {
    const THREADS: u32 = 4;
    const SAMPLES_AT_LEAST: u64 = 40_000;
    const ROTATIONS_AT_LEAST: u64 = 20;
    let recorder = Recorder::new(time(1));
    let done = Arc::new(AtomicBool::new(false));
    let rotations_so_far = Arc::new(AtomicU64::new(0));
    let rotating = {
        let (recorder, done) = (Arc::clone(&recorder), Arc::clone(&done));
        let rotations_so_far = Arc::clone(&rotations_so_far);
        std::thread::spawn(move || {
            let mut totals = BTreeMap::<String, Values>::new();
            let mut finish = time(1);
            let mut rotations = 0_u64;
            loop {
                // Read first: the last rotation then sees everything.
                let last = done.load(Ordering::Acquire);
                rotations += 1;
                let period = recorder
                    .flip(recorder.prepare(), time(1 + rotations))
                    .expect("no other rotation");
                assert_eq!(
                    period.start(),
                    finish,
                    "periods neither overlap nor leave a gap"
                );
                finish = period.finish();
                let profile = period
                    .serialize(&mut NoSymbols, &ProfileInfo::default())
                    .expect("a profile");
                let decoded = decode(&profile.data);
                assert_eq!(decoded.totals(), profile.totals);
                for found in decoded.samples {
                    let id = &found.labels["thread id"];
                    assert_eq!(found.labels["thread name"], format!("thread {id}"));
                    let owner = format!(" of {id} ");
                    assert!(
                        found.stack.iter().all(|frame| frame.contains(&owner)),
                        "{found:?}"
                    );
                    totals.entry(id.clone()).or_default().add(values(
                        found.values[0],
                        found.values[1],
                        found.values[2],
                    ));
                }
                rotations_so_far.store(rotations, Ordering::Relaxed);
                if last {
                    return (totals, rotations);
                }
            }
        })
    };
    let recording: Vec<_> = (1..=THREADS)
        .map(|id| {
            let recorder = Arc::clone(&recorder);
            let rotations_so_far = Arc::clone(&rotations_so_far);
            std::thread::spawn(move || {
                // However the threads are scheduled, recording goes on during many rotations.
                let sum = record_many(&recorder, id, |recorded| {
                    recorded < SAMPLES_AT_LEAST
                        || rotations_so_far.load(Ordering::Relaxed) < ROTATIONS_AT_LEAST
                });
                (id.to_string(), sum)
            })
        })
        .collect();
    let expected: BTreeMap<_, _> = recording
        .into_iter()
        .map(|thread| thread.join().expect("a recording thread"))
        .collect();
    done.store(true, Ordering::Release);
    let (totals, rotations) = rotating.join().expect("the rotating thread");

    assert_eq!(totals, expected);
    assert!(rotations >= ROTATIONS_AT_LEAST);
    let statistics = recorder.statistics();
    let recorded: u64 = expected.values().map(|sum| sum.count).sum();
    assert_eq!(statistics.recorded, recorded);
    assert_eq!(
        (statistics.serializations, statistics.failures),
        (rotations, 0)
    );
}
