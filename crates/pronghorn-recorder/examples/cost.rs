//! What the recorder costs by itself: preparing a slot, recording stacks seen for the first time and known ones, and giving a period back.
//!
//! `cargo run --release -p pronghorn-recorder --example cost`; prints medians in nanoseconds. To compare two versions, build both and
//! run them in turns.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::sync::Arc;
use std::time::Instant;

use pronghorn_recorder::{
    Frame, Function, Position, ProfileTime, Recorder, Sample, ThreadLabel, Values,
};

const PERIODS: u64 = 2_000;
const STACKS: usize = 400;
const DEPTH: usize = 30;

fn main() {
    let thread = ThreadLabel {
        id: 1,
        name: Arc::from("main"),
    };
    let functions: Vec<_> = (0..500)
        .map(|number| {
            Arc::new(Function {
                name: format!("function{number}").into(),
                file: "app.js".into(),
                start_line: number,
                generated: None,
            })
        })
        .collect();
    let stacks: Vec<Vec<Frame>> = (0..STACKS)
        .map(|stack| {
            (0..DEPTH)
                .map(|depth| Frame::Script {
                    function: Arc::clone(&functions[(stack * 7 + depth * 3) % functions.len()]),
                    position: Position::new((stack % 11) as u32, 0),
                })
                .collect()
        })
        .collect();
    let samples: Vec<_> = stacks
        .iter()
        .map(|frames| Sample {
            thread: &thread,
            frames,
            labels: None,
            values: Values {
                count: 1,
                cpu_ns: 10,
                wall_ns: 20,
            },
        })
        .collect();

    let recorder = Recorder::new(ProfileTime::now());
    let mut costs: [Vec<u64>; 4] = Default::default();
    for _ in 0..PERIODS {
        let mut times = [Instant::now(); 5];
        let fresh = recorder.prepare();
        times[1] = Instant::now();
        let Ok(period) = recorder.flip(fresh, ProfileTime::now()) else {
            return;
        };
        let flipped = Instant::now();
        drop(period);
        times[2] = Instant::now();
        let gave_back = times[2] - flipped;
        let _ = recorder.record(samples.iter().copied());
        times[3] = Instant::now();
        let _ = recorder.record(samples.iter().copied());
        times[4] = Instant::now();
        let per_sample = |from: Instant, to: Instant| (to - from).as_nanos() as u64 / STACKS as u64;
        costs[0].push((times[1] - times[0]).as_nanos() as u64);
        costs[1].push(per_sample(times[2], times[3]));
        costs[2].push(per_sample(times[3], times[4]));
        costs[3].push(gave_back.as_nanos() as u64);
    }
    let [prepare, new, known, drop] = costs.map(|mut costs| {
        costs.sort_unstable();
        costs[costs.len() / 2]
    });
    println!(
        "prepare {prepare} ns, a new stack {new} ns, a known stack {known} ns, giving a period back {drop} ns"
    );
}
