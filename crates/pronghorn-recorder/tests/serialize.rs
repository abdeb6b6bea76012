//! What a serialized period says, and what a failed serialize does.

#![cfg(not(loom))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use std::collections::BTreeMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pronghorn_recorder::{
    Frame, LabelSet, MappingInfo, Marker, NativeLocation, NoSymbols, ProfileInfo, Recorder, Sample,
    SerializeError, Symbolizer,
};
use support::{Decoded, DecodedMapping, decode, function, sample, script, thread, time, values};

/// A symbolizer that does what the test says.
struct Scripted<F> {
    mappings: Vec<MappingInfo>,
    answer: F,
}

type Answer = Result<Vec<NativeLocation>, Box<dyn Error + Send + Sync>>;

impl<F: FnMut(&[u64]) -> Answer> Symbolizer for Scripted<F> {
    fn symbolize(&mut self, addresses: &[u64]) -> Answer {
        (self.answer)(addresses)
    }

    fn mappings(&self) -> &[MappingInfo] {
        &self.mappings
    }
}

fn record_native(recorder: &Recorder, addresses: &[u64]) {
    let main = thread(7, "main");
    let frames: Vec<Frame> = addresses
        .iter()
        .map(|&address| Frame::Native { address })
        .collect();
    recorder
        .record([sample(&main, &frames, values(1, 2, 3))])
        .expect("a free slot");
}

fn serialize(
    recorder: &Arc<Recorder>,
    now: u64,
    symbolizer: &mut dyn Symbolizer,
) -> Result<Decoded, SerializeError> {
    let info = ProfileInfo {
        period_ns: 10_000_000,
        comments: vec![
            "pronghorn 0.1.0, node v24.21.0".to_owned(),
            "second".to_owned(),
        ],
        labels: Vec::new(),
    };
    recorder
        .flip(recorder.prepare(), time(now))
        .expect("no other rotation")
        .serialize(symbolizer, &info)
        .map(|profile| decode(&profile.data))
}

fn mapping(start: u64, path: &str, build_id: &str) -> MappingInfo {
    MappingInfo {
        start,
        limit: start + 0x1000,
        file_offset: 0x200,
        path: path.to_owned(),
        build_id: build_id.to_owned(),
    }
}

#[test]
fn the_profile_has_stacks_values_labels_and_what_describes_them() {
    let recorder = Recorder::new(time(1_000));
    let main = thread(41, "main");
    let worker = thread(42, "größer");
    let (outer, inner) = (function("outer", "a.js", 3), function("inner", "b.js", 9));
    let stack = [script(&inner, 12), script(&outer, 5)];
    let idle = [Frame::Marker(Marker::Idle), script(&outer, 6)];
    recorder
        .record([
            sample(&main, &stack, values(1, 10, 100)),
            sample(&worker, &stack, values(1, 20, 200)),
            sample(&main, &idle, values(1, 0, 50)),
            sample(&main, &stack, values(1, 30, 300)),
            // Off-CPU time that follows belongs to the stack before it, and is no sample.
            sample(&main, &idle, values(0, 0, 5_000)),
        ])
        .expect("a free slot");
    let profile = serialize(&recorder, 4_000, &mut NoSymbols).expect("a profile");

    assert_eq!(
        profile.sample_types,
        ["samples/count", "cpu/nanoseconds", "wall/nanoseconds"]
    );
    assert_eq!(profile.default_sample_type, "cpu");
    assert_eq!(profile.period, 10_000_000);
    assert_eq!((profile.time_nanos, profile.duration_nanos), (1_000, 3_000));
    assert_eq!(
        profile.comments,
        ["pronghorn 0.1.0, node v24.21.0", "second"]
    );
    let labels = |id: &str, name: &str| {
        BTreeMap::from([
            ("thread id".to_owned(), id.to_owned()),
            ("thread name".to_owned(), name.to_owned()),
        ])
    };
    let found: Vec<_> = profile
        .samples
        .iter()
        .map(|sample| {
            (
                sample.stack.join(" < "),
                &sample.values[..],
                sample.labels.clone(),
            )
        })
        .collect();
    let stack = "inner b.js:12 +9 < outer a.js:5 +3".to_owned();
    assert_eq!(
        found,
        [
            (stack.clone(), &[2, 40, 400][..], labels("41", "main")),
            (stack, &[1, 20, 200], labels("42", "größer")),
            (
                "(idle) :0 +0 < outer a.js:6 +3".to_owned(),
                &[1, 0, 5_050],
                labels("41", "main")
            ),
        ]
    );
}

#[test]
fn the_labels_of_the_process_are_on_every_sample() {
    let recorder = Recorder::new(time(1));
    for id in [1, 2] {
        let label = thread(id, "some thread");
        for address in [10, 20] {
            let frames = [Frame::Native { address }];
            recorder
                .record([sample(&label, &frames, values(1, 2, 3))])
                .expect("a free slot");
        }
    }
    let info = ProfileInfo {
        labels: vec![
            ("process id".to_owned(), 4_711),
            ("cluster worker id".to_owned(), 3),
        ],
        ..ProfileInfo::default()
    };
    let profile = recorder
        .flip(recorder.prepare(), time(2))
        .expect("no other rotation")
        .serialize(&mut NoSymbols, &info)
        .expect("a profile");
    let decoded = decode(&profile.data);
    assert_eq!(decoded.samples.len(), 4);
    for (found, id) in decoded.samples.iter().zip(["1", "1", "2", "2"]) {
        let expected = [
            ("cluster worker id", "3"),
            ("process id", "4711"),
            ("thread id", id),
            ("thread name", "some thread"),
        ];
        let labels: Vec<_> = found
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(labels, expected);
    }
}

#[test]
fn equal_functions_behind_different_arcs_are_one_function() {
    let recorder = Recorder::new(time(1));
    let main = thread(1, "main");
    for _ in 0..3 {
        let frames = [script(&function("f", "a.js", 2), 4)];
        recorder
            .record([sample(&main, &frames, values(1, 1, 1))])
            .expect("a free slot");
    }
    let other_line = [script(&function("f", "a.js", 3), 4)];
    recorder
        .record([sample(&main, &other_line, values(1, 1, 1))])
        .expect("a free slot");
    let profile = serialize(&recorder, 2, &mut NoSymbols).expect("a profile");
    let file = || "a.js".to_owned();
    assert_eq!(
        profile.functions,
        [("f".to_owned(), file(), 2), ("f".to_owned(), file(), 3)]
    );
    assert_eq!(profile.totals(), values(4, 4, 4));
}

#[test]
fn native_frames_get_mapping_build_id_and_name_and_each_address_is_asked_for_once() {
    let recorder = Recorder::new(time(1));
    record_native(&recorder, &[0x5010, 0x9999, 0x1010]);
    record_native(&recorder, &[0x5010, 0x5020]);
    let mut asked = Vec::new();
    let mut symbolizer = Scripted {
        mappings: vec![
            mapping(0x1000, "/usr/bin/node", "aabb01"),
            mapping(0x3000, "/usr/lib/unused.so", "00"),
            mapping(0x5000, "/usr/lib/libcrypto.so", "ccdd02"),
        ],
        answer: |addresses: &[u64]| {
            asked.extend_from_slice(addresses);
            Ok(addresses
                .iter()
                .map(|address| NativeLocation {
                    mapping: match address >> 12 {
                        1 => Some(0),
                        5 => Some(2),
                        _ => None,
                    },
                    function: (address >> 12 == 5).then(|| "SHA256_Update(void*)".to_owned()),
                    ..NativeLocation::default()
                })
                .collect())
        },
    };
    let profile = serialize(&recorder, 2, &mut symbolizer).expect("a profile");
    assert_eq!(asked, [0x5010, 0x9999, 0x1010, 0x5020]);
    assert_eq!(
        profile.samples[0].stack,
        [
            "0x5010 in 2 SHA256_Update(void*) :0 +0",
            "0x9999 in 0",
            "0x1010 in 1"
        ]
    );
    let expected = |start, file: &str, build_id: &str, has_functions| DecodedMapping {
        start,
        limit: start + 0x1000,
        offset: 0x200,
        file: file.to_owned(),
        build_id: build_id.to_owned(),
        has_functions,
    };
    assert_eq!(
        profile.mappings,
        [
            expected(0x1000, "/usr/bin/node", "aabb01", false),
            expected(0x5000, "/usr/lib/libcrypto.so", "ccdd02", true),
        ]
    );
}

#[test]
fn a_failed_serialize_returns_an_error_and_loses_only_its_period() {
    let recorder = Recorder::new(time(1));
    let mut failing = Scripted {
        mappings: Vec::new(),
        answer: |_: &[u64]| Err("no such file".into()),
    };
    let mut short = Scripted {
        mappings: Vec::new(),
        answer: |_: &[u64]| Ok(Vec::new()),
    };
    let mut astray = Scripted {
        mappings: Vec::new(),
        answer: |addresses: &[u64]| {
            let location = NativeLocation {
                mapping: Some(3),
                ..NativeLocation::default()
            };
            Ok(vec![location; addresses.len()])
        },
    };
    let cases: [(&mut dyn Symbolizer, &str); 3] = [
        (&mut failing, "symbolizing failed: no such file"),
        (
            &mut short,
            "the symbolizer was asked for 1 addresses and answered 0",
        ),
        (
            &mut astray,
            "the symbolizer named mapping 3, which it does not list",
        ),
    ];
    let mut now = 1;
    for (symbolizer, message) in cases {
        record_native(&recorder, &[0x10]);
        now += 1;
        let error = serialize(&recorder, now, symbolizer).expect_err("an error");
        assert_eq!(error.to_string(), message);

        record_native(&recorder, &[0x20]);
        now += 1;
        let next = serialize(&recorder, now, &mut NoSymbols).expect("a profile");
        assert_eq!(next.totals(), values(1, 2, 3));
        assert_eq!(next.samples[0].stack, ["0x20 in 0"]);
        assert_eq!((next.time_nanos, next.duration_nanos), (now - 1, 1));
    }
    let statistics = recorder.statistics();
    assert_eq!((statistics.serializations, statistics.failures), (3, 3));
}

#[test]
fn a_panic_while_serializing_counts_as_a_failure_and_blocks_no_later_rotation() {
    let recorder = Recorder::new(time(1));
    record_native(&recorder, &[0x10]);
    let mut panicking = Scripted {
        mappings: Vec::new(),
        answer: |_: &[u64]| panic!("injected"),
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| serialize(&recorder, 2, &mut panicking)));
    assert!(outcome.is_err());
    record_native(&recorder, &[0x20]);
    let next = serialize(&recorder, 3, &mut NoSymbols).expect("a profile");
    assert_eq!(next.totals(), values(1, 2, 3));
    let statistics = recorder.statistics();
    assert_eq!((statistics.serializations, statistics.failures), (1, 1));
}

#[test]
fn statistics_count_what_was_recorded_dropped_and_serialized() {
    let recorder = Recorder::new(time(1));
    assert_eq!(recorder.statistics(), Default::default());
    let main = thread(1, "main");
    let frames = [Frame::Marker(Marker::GarbageCollector)];
    recorder
        .record([
            sample(&main, &frames, values(1, 5, 5)),
            sample(&main, &frames, values(1, 5, 5)),
            sample(&main, &frames, values(0, 0, 5)),
        ])
        .expect("a free slot");
    recorder.note_dropped(4);
    recorder.note_dropped(1);
    serialize(&recorder, 2, &mut NoSymbols).expect("a profile");
    serialize(&recorder, 3, &mut NoSymbols).expect("a profile");
    let statistics = recorder.statistics();
    assert_eq!(statistics.recorded, 2);
    assert_eq!(statistics.dropped, 5);
    assert_eq!((statistics.serializations, statistics.failures), (2, 0));
    assert!(statistics.serialize_min_ns > 0);
    assert!(statistics.serialize_min_ns <= statistics.serialize_mean_ns);
    assert!(statistics.serialize_mean_ns <= statistics.serialize_max_ns);
}

#[test]
fn an_empty_period_is_a_profile_without_samples() {
    let recorder = Recorder::new(time(5));
    let profile = serialize(&recorder, 9, &mut NoSymbols).expect("a profile");
    assert!(profile.samples.is_empty());
    assert_eq!((profile.time_nanos, profile.duration_nanos), (5, 4));
}

#[test]
fn labels_tell_equal_stacks_apart_and_stand_behind_the_threads_own() {
    let recorder = Recorder::new(time(0));
    let main = thread(7, "main");
    let frames = [Frame::Marker(Marker::NativeCode)];
    let set = |labels: &[(&str, &str)]| Arc::new(LabelSet::new(labels.iter().copied()));
    // Equal sets are one, whoever made them; texts in any order.
    let sets = [
        None,
        Some(set(&[("route", "/users"), ("method", "GET")])),
        Some(set(&[("route", "/orders")])),
        Some(set(&[("method", "GET"), ("route", "/users")])),
        None,
    ];
    let samples = sets.iter().map(|labels| Sample {
        thread: &main,
        frames: &frames,
        labels: labels.as_ref(),
        values: values(1, 10, 100),
    });
    recorder.record(samples).expect("a free slot");
    let profile = serialize(&recorder, 1, &mut NoSymbols).expect("no symbols needed");
    let seen: Vec<_> = profile
        .samples
        .iter()
        .map(|sample| {
            let labels = sample.labels.iter();
            let own = labels.filter(|(key, _)| !key.starts_with("thread "));
            let texts: Vec<_> = own.map(|(key, value)| format!("{key}={value}")).collect();
            (texts.join(" "), sample.values[0])
        })
        .collect();
    let expected = [
        ("", 2),
        ("method=GET route=/users", 2),
        ("route=/orders", 1),
    ];
    assert_eq!(seen, expected.map(|(text, count)| (text.to_owned(), count)));
    assert!(
        profile
            .samples
            .iter()
            .all(|sample| sample.labels["thread id"] == "7")
    );
    // The next period begins with none of them.
    recorder
        .record([sample(&main, &frames, values(1, 1, 1))])
        .expect("a free slot");
    let next = serialize(&recorder, 2, &mut NoSymbols).expect("no symbols needed");
    assert_eq!(next.samples[0].labels.len(), 2);
    assert!(sets.iter().flatten().all(|set| Arc::strong_count(set) == 1));
}
