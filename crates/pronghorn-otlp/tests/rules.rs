//! Every rule of the format, on requests made of profiles of many kinds; read by definitions that are not ours.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::profiles::v1development::{Link, Profile, ProfilesDictionary};
use pronghorn_otlp::{Options, Value, encode};
use pronghorn_pprof::gzip;
use support::model::Pprof;
use support::{Request, decode, encode_and_check, profiles, rules};

fn check(profile: &Pprof) -> Request {
    encode_and_check(profile, &Options::default())
}

#[test]
fn a_small_profile_keeps_every_rule() {
    let request = check(&profiles::small());
    let dictionary = request.dictionary.expect("a dictionary");
    assert_eq!(dictionary.stack_table.len(), 2);
    assert_eq!(dictionary.location_table.len(), 3);
    assert_eq!(dictionary.function_table.len(), 3);
}

#[test]
fn an_empty_profile_keeps_every_rule() {
    let request = check(&profiles::empty());
    let profiles = &request.resource_profiles[0].scope_profiles[0].profiles;
    assert!(profiles.iter().all(|profile| profile.samples.is_empty()));
}

#[test]
fn two_threads_keep_every_rule() {
    let request = check(&profiles::two_threads());
    let strings = &request.dictionary.expect("a dictionary").string_table;
    assert!(strings.contains(&"thread.name".to_owned()));
    for unused in ["unused", "also unused", "/lib/unused.so", "thread name"] {
        assert!(!strings.contains(&unused.to_owned()), "{unused}");
    }
}

#[test]
fn a_merged_profile_keeps_every_rule() {
    check(&profiles::cluster());
}

#[test]
fn inlined_functions_keep_every_rule() {
    check(&profiles::inlined());
}

#[test]
fn what_other_writers_do_keeps_every_rule() {
    check(&profiles::foreign());
}

#[test]
fn a_hundred_thousand_samples_keep_every_rule() {
    let profile = profiles::large(100_000);
    let request = decode(&encode(&profile.encode(), &Options::default()).unwrap());
    assert_eq!(rules::broken(&request), [""; 0]);
    let [cpu, samples, wall] = &request.resource_profiles[0].scope_profiles[0].profiles[..] else {
        panic!("three profiles");
    };
    assert_eq!(samples.samples.len(), 100_000);
    assert_eq!(wall.samples.len(), 100_000);
    assert_eq!(cpu.samples.len(), 66_666);
    let sum = |values: &[i64]| values.iter().sum::<i64>();
    let total: i64 = wall.samples.iter().map(|sample| sum(&sample.values)).sum();
    assert_eq!(total, 100_000 * 1_000_001);
}

#[test]
fn the_type_to_be_shown_is_the_first_profile_and_ids_go_with_their_types() {
    let options = Options {
        profile_ids: vec![[1; 16], [2; 16], [3; 16]],
        ..Options::default()
    };
    let request = encode_and_check(&profiles::small(), &options);
    let found = &request.resource_profiles[0].scope_profiles[0].profiles;
    let ids: Vec<u8> = found.iter().map(|profile| profile.profile_id[0]).collect();
    assert_eq!(ids, [2, 1, 3]);
}

#[test]
fn the_resource_and_the_scope_say_who_sent_it() {
    let pair = |key: &str, value| (key.to_owned(), value);
    let options = Options {
        resource: vec![
            pair("service.name", Value::Text("first".to_owned())),
            pair("process.pid", Value::Integer(0)),
            pair("flag", Value::Flag(false)),
            pair("", Value::Flag(true)),
            pair("service.name", Value::Text("shop".to_owned())),
        ],
        ..Options::default()
    };
    let request = encode_and_check(&profiles::small(), &options);
    let resource = &request.resource_profiles[0];
    let attributes = resource
        .resource
        .iter()
        .flat_map(|resource| &resource.attributes);
    let attributes: Vec<_> = attributes
        .map(|pair| {
            (
                pair.key.as_str(),
                pair.value.clone().unwrap().value.unwrap(),
            )
        })
        .collect();
    let expected = [
        ("process.pid", AnyValue::IntValue(0)),
        ("flag", AnyValue::BoolValue(false)),
        ("service.name", AnyValue::StringValue("shop".to_owned())),
    ];
    assert_eq!(attributes, expected);
    let scope = resource.scope_profiles[0].scope.as_ref().expect("a scope");
    assert_eq!(
        (scope.name.as_str(), scope.version.as_str()),
        ("pronghorn", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn gzip_in_and_out_changes_nothing() {
    use std::io::{Read, Write};
    let bytes = profiles::two_threads().encode();
    let plain = encode(&bytes, &Options::default()).unwrap();
    let zipped = gzip::compress(|encoder| encoder.write_all(&bytes)).unwrap();
    assert_eq!(encode(&zipped, &Options::default()).unwrap(), plain);
    let options = Options {
        gzip: true,
        ..Options::default()
    };
    let body = encode(&bytes, &options).unwrap();
    assert!(body.len() < plain.len());
    let mut expanded = Vec::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_end(&mut expanded)
        .unwrap();
    assert_eq!(expanded, plain);
}

#[test]
fn equal_profiles_are_equal_requests() {
    let bytes = profiles::cluster().encode();
    assert_eq!(
        encode(&bytes, &Options::default()),
        encode(&bytes, &Options::default())
    );
}

/// The rules are only worth something if they notice: every one is broken here, and found.
#[test]
fn the_checker_finds_each_broken_rule() {
    type Damage = fn(&mut Profile, &mut ProfilesDictionary);
    let damages: [(&str, Damage); 25] = [
        ("the first mapping", |_, tables| {
            tables.mapping_table[0].memory_limit = 1;
        }),
        ("the first location", |_, tables| {
            tables.location_table[0].address = 1;
        }),
        ("the first function", |_, tables| {
            tables.function_table[0].name_strindex = 1;
        }),
        ("the first string", |_, tables| {
            tables.string_table.swap(0, 1);
        }),
        ("the first attribute", |_, tables| {
            tables.attribute_table.swap(0, 1);
        }),
        ("the first stack", |_, tables| tables.stack_table.swap(0, 1)),
        ("the first link", |_, tables| tables.link_table.clear()),
        ("a link of", |_, tables| {
            tables.link_table[0] = Link::default();
        }),
        ("a stack is there twice", |_, tables| {
            tables.stack_table.push(tables.stack_table[1].clone());
        }),
        ("a string is there twice", |_, tables| {
            tables.string_table.push(tables.string_table[1].clone());
        }),
        ("is named by nobody", |_, tables| {
            tables.string_table.push("orphan".to_owned());
        }),
        ("is named by nobody", |_, tables| {
            tables.function_table.push(tables.function_table[0]);
        }),
        ("is named", |profile, _| {
            profile.samples[0].stack_index = 1_000;
        }),
        ("is named", |profile, _| profile.samples[0].stack_index = -1),
        ("is named", |_, tables| {
            tables.location_table[1].mapping_index = 9;
        }),
        ("values and", |profile, _| profile.samples[0].values.clear()),
        ("values and", |profile, _| profile.samples[0].values.push(1)),
        ("timestamp", |profile, _| {
            profile.samples[0].timestamps_unix_nano.push(1);
        }),
        ("a sample of nothing", |profile, _| {
            profile.samples[0].values[0] = 0;
        }),
        ("a sample is there twice", |profile, _| {
            profile.samples.push(profile.samples[0].clone());
        }),
        ("Line", |_, tables| {
            tables.location_table[1].lines[0].column = -1;
        }),
        ("a mapping with", |_, tables| {
            tables.mapping_table[1].memory_limit = 1;
        }),
        ("a location with the frame types", |_, tables| {
            tables.location_table[1].attribute_indices.clear();
        }),
        ("has the keys", |profile, _| {
            let first = profile.samples[0].attribute_indices[0];
            profile.samples[0].attribute_indices.push(first);
        }),
        ("profile id", |profile, _| profile.profile_id = vec![0; 16]),
    ];
    let body = encode(&profiles::two_threads().encode(), &Options::default()).unwrap();
    let request = decode(&body);
    assert_eq!(rules::broken(&request), [""; 0]);
    for (sentence, damage) in damages {
        let mut request = request.clone();
        let mut dictionary = request.dictionary.take().expect("a dictionary");
        let scope = &mut request.resource_profiles[0].scope_profiles[0];
        damage(&mut scope.profiles[0], &mut dictionary);
        request.dictionary = Some(dictionary);
        let broken = rules::broken(&request);
        assert!(
            broken.iter().any(|found| found.contains(sentence)),
            "{sentence}: {broken:?}"
        );
    }
}
