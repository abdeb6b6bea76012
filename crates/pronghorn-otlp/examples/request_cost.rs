//! What an encoding costs: `cargo run --release -p pronghorn-otlp --example request_cost -- SAMPLES [gzip]` prints the sizes, the median CPU time of
//! 21 encodings, and how far the process's memory grew at its peak.
//!
//! Stacks are different, 30 frames deep, of 5,000 lines in 2,000 functions, on two threads: worse than what a program does.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::fs;
use std::io::Write;
use std::process::Command;

use pronghorn_otlp::{Options, encode};
use pronghorn_pprof::{Function, Label, Line, Location, Profile};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let samples = arguments.get(1).and_then(|count| count.parse().ok());
    let samples: usize = samples.unwrap_or(2_000);
    if arguments.get(2).is_some_and(|word| word == "write") {
        let _ = std::io::stdout().write_all(&profile(samples));
        return;
    }
    // Made by another process: what that took would still be here, and be used again.
    let maker = std::env::current_exe().and_then(|program| {
        Command::new(program)
            .arg(samples.to_string())
            .arg("write")
            .output()
    });
    let pprof = maker.map(|output| output.stdout).unwrap_or_default();
    let options = Options {
        gzip: arguments.get(2).is_some_and(|word| word == "gzip"),
        ..Options::default()
    };
    // The kernel begins a new peak.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = memory("VmRSS:");
    let mut times = Vec::new();
    let mut length = 0;
    let mut peak = 0;
    for _ in 0..21 {
        let start = cpu_nanos();
        length = encode(&pprof, &options).map_or(0, |body| body.len());
        times.push((cpu_nanos() - start) / 1_000);
        if peak == 0 {
            peak = memory("VmHWM:");
        }
    }
    times.sort_unstable();
    println!(
        "pprof {} bytes, request {length} bytes, {} µs, {} kB of memory",
        pprof.len(),
        times[times.len() / 2],
        peak.saturating_sub(before),
    );
}

/// A gzipped profile, as the recorder writes it.
fn profile(samples: usize) -> Vec<u8> {
    let mut profile = Profile::new([
        ("samples", "count"),
        ("cpu", "nanoseconds"),
        ("wall", "nanoseconds"),
    ]);
    profile.set_default_sample_type("cpu");
    profile.set_period("cpu", "nanoseconds", 10_000_000);
    profile.set_time(1_795_437_296_789_000_000, 60_000_000_000);
    let locations: Vec<_> = (0..5_000_i64)
        .map(|number| {
            let name = profile.string(&format!("doSomethingNumber{}", number % 2_000));
            let path = format!(
                "file:///srv/app/node_modules/package/dist/{}.js",
                number % 200
            );
            let filename = profile.string(&path);
            let function = profile.function(Function {
                name,
                filename,
                start_line: number % 2_000,
            });
            let line = number % 2_000 + number / 2_000;
            profile.location(Location {
                mapping: None,
                address: 0,
                line: Some(Line { function, line }),
            })
        })
        .collect();
    let [id, name, main, worker] =
        ["thread id", "thread name", "main", "worker 1"].map(|text| profile.string(text));
    let threads = [(4_242, main), (4_243, worker)].map(|(thread, value)| {
        let unit = pronghorn_pprof::StringId::EMPTY;
        let number = Label::Number {
            key: id,
            value: thread,
            unit,
        };
        [number, Label::Text { key: name, value }]
    });
    for number in 0..samples {
        let stack = (0..30).map(|depth| {
            let turn = number / locations.len() + 1;
            locations[(number * 7 + depth * (depth + turn)) % locations.len()]
        });
        let cpu = number as i64 % 5 * 9_999_871;
        profile.sample(stack, [1, cpu, 10_000_103], &threads[number % 2]);
    }
    profile.to_gzip().unwrap_or_default()
}

/// What this thread has run so far.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let number = text.split_whitespace().next();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A figure of /proc/self/status, in kB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
