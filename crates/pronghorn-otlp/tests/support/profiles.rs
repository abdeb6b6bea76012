//! Profiles of every kind that the project writes, and of some that it does not.

use super::model::{Label, Location, Mapping, Pprof, Sample};

fn thread(id: i64, name: &str) -> Vec<Label> {
    vec![
        Label::Number("thread id".to_owned(), id, String::new()),
        Label::Text("thread name".to_owned(), name.to_owned()),
    ]
}

fn process(id: i64, worker: Option<i64>) -> Vec<Label> {
    let number = |key: &str, value| Label::Number(key.to_owned(), value, String::new());
    let mut labels = vec![number("process id", id)];
    labels.extend(worker.map(|worker| number("cluster worker id", worker)));
    labels
}

fn sample(stack: &[usize], values: [i64; 3], labels: &[Label]) -> Sample {
    Sample {
        stack: stack.to_vec(),
        values: values.to_vec(),
        labels: labels.to_vec(),
    }
}

/// One stack of one thread.
pub fn small() -> Pprof {
    let mut profile = Pprof::ours();
    let root = profile.script("(anonymous)", "/app/index.js", 1);
    let leaf = profile.script("work", "/app/work.js", 10);
    profile.samples = vec![sample(&[leaf, root], [3, 30, 31], &thread(42, "main"))];
    profile
}

/// Nothing happened.
pub fn empty() -> Pprof {
    Pprof::ours()
}

/// Two threads with the same stacks, native frames in two files, idle time, and entries that no sample names.
pub fn two_threads() -> Pprof {
    let mut profile = small();
    profile.mappings = vec![
        mapping(0x40_0000, "/usr/bin/node", "00aabb"),
        mapping(0x7f00_0000_0000, "/lib/libc.so.6", "00ccdd"),
        mapping(0x7f10_0000_0000, "/lib/unused.so", "00eeff"),
    ];
    let hash = profile.function("crypto::hash()", "", 0);
    profile
        .locations
        .push(native(Some(0), 0x40_1000, Some(hash)));
    profile
        .locations
        .push(native(Some(1), 0x7f00_0000_1000, None));
    profile.locations.push(native(None, 0x1234, None));
    let idle = profile.script("(idle)", "", 0);
    profile.locations[idle].lines[0].1 = 0;
    let code = profile.script("(native code)", "", 0);
    profile.function("unused", "/app/unused.js", 1);
    profile.script("also unused", "/app/unused.js", 2);
    for (id, name) in [(42, "main"), (43, "wörker 🧵")] {
        let labels = thread(id, name);
        profile.samples.push(sample(&[2, 0], [1, 10, 10], &labels));
        profile
            .samples
            .push(sample(&[3, 2, 1, 0], [1, 10, 11], &labels));
        profile.samples.push(sample(&[4, 0], [2, 20, 20], &labels));
        profile
            .samples
            .push(sample(&[idle], [1, 0, 5_000], &labels));
        profile.samples.push(sample(&[code, 0], [1, 7, 7], &labels));
        profile.samples.push(sample(&[], [1, 1, 1], &labels));
    }
    profile
}

/// As lib/pprof/merge.ts makes one of a primary and two workers.
pub fn cluster() -> Pprof {
    let mut profile = two_threads();
    let samples = std::mem::take(&mut profile.samples);
    for (pid, worker) in [(100, None), (101, Some(1)), (102, Some(2))] {
        profile
            .samples
            .extend(samples.iter().cloned().map(|mut sample| {
                sample.labels.extend(process(pid, worker));
                sample
            }));
    }
    profile
        .comments
        .push("pronghorn 0.1.0, node v22.1.0".to_owned());
    profile
}

/// Several functions at one place.
pub fn inlined() -> Pprof {
    let mut profile = small();
    let [inner, outer] = ["inner", "outer"].map(|name| profile.function(name, "/app/a.js", 5));
    profile.locations.push(Location {
        lines: vec![(Some(inner), 6, 3), (Some(outer), 20, 9), (None, 7, 0)],
        ..Location::default()
    });
    let place = profile.locations.len() - 1;
    profile.samples.push(sample(&[place, 0], [1, 10, 10], &[]));
    profile
}

/// What other writers do: ids with gaps, numbers that are not packed, entries that are there twice, samples that are there twice, labels
/// with several values, half a mapping, negative lines, functions without a name, sums that come to nothing.
pub fn foreign() -> Pprof {
    let mut profile = two_threads();
    profile.id_step = 0x1_0000_0001;
    profile.packed = false;
    profile.mappings.push(Mapping {
        limit: 0,
        ..mapping(0x1000, "/half", "")
    });
    profile.locations.push(native(Some(3), 0x1010, None));
    let half = profile.locations.len() - 1;
    let nameless = profile.function("", "", 17);
    profile.locations.push(Location {
        lines: vec![(Some(nameless), -4, -5)],
        ..Location::default()
    });
    let again = profile.script("work", "/app/work.js", 10);
    let text = |key: &str, value: &str| Label::Text(key.to_owned(), value.to_owned());
    let labels = [
        text("tag", "one"),
        text("tag", "two"),
        text("", "no key"),
        text("thread name", ""),
        Label::Number("size".to_owned(), 4096, "bytes".to_owned()),
    ];
    profile
        .samples
        .push(sample(&[half, half + 1, 0], [1, 1, 1], &labels));
    profile
        .samples
        .push(sample(&[again, 0], [1, 10, 10], &thread(42, "main")));
    let gone = profile.script("gone", "/app/gone.js", 1);
    profile.samples.push(sample(&[gone], [5, 6, 7], &labels));
    profile.samples.push(sample(&[gone], [-5, -6, -7], &labels));
    profile.period_type = None;
    profile.default_type.clear();
    profile.time_nanos = -1;
    profile
}

/// This many stacks of 30 frames on two threads.
pub fn large(samples: usize) -> Pprof {
    let mut profile = Pprof::ours();
    for number in 0..5_000 {
        profile.script(
            &format!("function{number}"),
            &format!("/app/{}.js", number % 200),
            1,
        );
    }
    let labels = [thread(1, "main"), thread(2, "worker")];
    profile.samples = (0..samples)
        .map(|number| {
            let stack: Vec<usize> = (0..30)
                .map(|depth| (number * 7 + depth * (depth + number / 5_000)) % 5_000)
                .collect();
            let cpu = number as i64 % 3 * 1_000_000;
            sample(&stack, [1, cpu, 1_000_001], &labels[number / 5_000 % 2])
        })
        .collect();
    profile
}

fn mapping(start: u64, file: &str, build_id: &str) -> Mapping {
    Mapping {
        start,
        limit: start + 0x10_0000,
        offset: 0x1000,
        file: file.to_owned(),
        build_id: build_id.to_owned(),
    }
}

fn native(mapping: Option<usize>, address: u64, function: Option<usize>) -> Location {
    Location {
        mapping,
        address,
        lines: function
            .map(|function| (Some(function), 0, 0))
            .into_iter()
            .collect(),
    }
}
