//! Properties of every profile, on random ones.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use pronghorn_otlp::{Error, Options, encode};
use proptest::collection::vec;
use proptest::prelude::*;
use support::model::{Function, Label, Location, Mapping, Pprof, Sample};
use support::{decode, encode_and_check, profiles, rules};

/// A text out of few, so that many are equal.
fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "",
        "a",
        "b",
        "größe",
        "/app/a.js",
        "(native code)",
        "thread id",
    ])
    .prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..4_i64, 1 => -3..0_i64, 1 => i64::MIN / 64..i64::MAX / 64]
}

fn label() -> impl Strategy<Value = Label> {
    let keys = [
        "",
        "thread id",
        "thread name",
        "thread.id",
        "process id",
        "cluster worker id",
        "a",
    ];
    let key = prop::sample::select(keys.to_vec()).prop_map(str::to_owned);
    let unit = prop::sample::select(vec!["", "bytes", "nanoseconds", "x"]).prop_map(str::to_owned);
    (key, text(), number(), unit, any::<bool>()).prop_map(|(key, text, number, unit, is_text)| {
        if is_text {
            Label::Text(key, text)
        } else {
            Label::Number(key, number, unit)
        }
    })
}

fn mapping() -> impl Strategy<Value = Mapping> {
    (0..3_u64, 0..3_u64, 0..2_u64, text(), text()).prop_map(
        |(start, limit, offset, file, build_id)| Mapping {
            start,
            limit,
            offset,
            file,
            build_id,
        },
    )
}

fn function() -> impl Strategy<Value = Function> {
    (text(), text(), text(), -1..3_i64).prop_map(|(name, system_name, file, start_line)| Function {
        name,
        system_name,
        file,
        start_line,
    })
}

fn position(count: usize) -> impl Strategy<Value = Option<usize>> {
    (0..=count).prop_map(|position| position.checked_sub(1))
}

fn location(mappings: usize, functions: usize) -> impl Strategy<Value = Location> {
    let line = (position(functions), -1..3_i64, -1..2_i64);
    (position(mappings), 0..3_u64, vec(line, 0..3)).prop_map(|(mapping, address, lines)| Location {
        mapping,
        address,
        lines,
    })
}

fn sample(locations: usize, types: usize) -> impl Strategy<Value = Sample> {
    let stack = match locations {
        0 => Just(Vec::new()).boxed(),
        _ => vec(0..locations, 0..5).boxed(),
    };
    (stack, vec(number(), types), vec(label(), 0..5)).prop_map(|(stack, values, labels)| Sample {
        stack,
        values,
        labels,
    })
}

type ValueTypes = Vec<(String, String)>;

fn types() -> impl Strategy<Value = (ValueTypes, Option<(String, String)>, String)> {
    let types = vec((text(), text()), 1..4);
    (types, prop::option::of((text(), text())), text())
}

/// A profile whose parts fit together.
fn profile() -> impl Strategy<Value = Pprof> {
    let tables = (vec(mapping(), 0..4), vec(function(), 0..6));
    let tables = tables.prop_flat_map(|(mappings, functions)| {
        let locations = vec(location(mappings.len(), functions.len()), 0..8);
        (Just(mappings), Just(functions), locations)
    });
    let parts = (tables, types()).prop_flat_map(|(tables, types)| {
        let samples = vec(sample(tables.2.len(), types.0.len()), 0..20);
        (Just(tables), Just(types), samples)
    });
    let head = (
        vec(text(), 0..3),
        number(),
        number(),
        number(),
        1..4_u64,
        any::<bool>(),
    );
    (parts, head).prop_map(|((tables, types, samples), head)| {
        let (mappings, functions, locations) = tables;
        let (types, period_type, default_type) = types;
        let (comments, time_nanos, duration_nanos, period, id_step, packed) = head;
        Pprof {
            types,
            default_type,
            samples,
            mappings,
            functions,
            locations,
            period_type,
            period,
            time_nanos,
            duration_nanos,
            comments,
            id_step,
            packed,
        }
    })
}

/// What one sees of an outcome: an error, or a request that keeps every rule.
fn is_right(bytes: &[u8]) -> Result<(), TestCaseError> {
    match encode(bytes, &Options::default()) {
        Ok(body) => {
            let broken = rules::broken(&decode(&body));
            prop_assert!(broken.is_empty(), "{broken:?}");
        }
        Err(error) => prop_assert!(!error.to_string().is_empty()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_profile_becomes_a_request_that_says_the_same_by_the_rules(profile in profile()) {
        encode_and_check(&profile, &Options::default());
    }

    #[test]
    fn a_damaged_profile_is_an_error_or_a_request_by_the_rules(
        profile in profile(),
        damages in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = profile.encode();
        for (place, byte) in damages {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        is_right(&bytes)?;
    }

    #[test]
    fn a_profile_that_ends_early_is_an_error_or_a_request_by_the_rules(
        profile in profile(),
        end in any::<prop::sample::Index>(),
    ) {
        let bytes = profile.encode();
        is_right(&bytes[..end.index(bytes.len())])?;
    }

    #[test]
    fn any_bytes_are_an_error_or_a_request_by_the_rules(bytes in vec(any::<u8>(), 0..300)) {
        is_right(&bytes)?;
    }

    #[test]
    fn any_gzip_stream_is_an_error_or_a_request_by_the_rules(
        mut bytes in vec(any::<u8>(), 0..300),
        end in any::<prop::sample::Index>(),
    ) {
        use std::io::Write;
        let zipped = pronghorn_pprof::gzip::compress(|encoder| encoder.write_all(&bytes));
        let zipped = zipped.expect("compressing in memory");
        is_right(&zipped)?;
        let cut = encode(&zipped[..end.index(zipped.len())], &Options::default());
        prop_assert!(cut.is_err(), "{cut:?}");
        bytes.splice(0..0, [0x1f, 0x8b]);
        is_right(&bytes)?;
    }
}

#[test]
fn every_single_byte_of_a_profile_may_be_another() {
    let good = profiles::two_threads().encode();
    let mut refused = 0;
    for place in 0..good.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff, good[place].wrapping_add(1)] {
            let mut bytes = good.clone();
            bytes[place] = byte;
            match encode(&bytes, &Options::default()) {
                Ok(body) => assert_eq!(rules::broken(&decode(&body)), [""; 0], "{place} {byte}"),
                Err(error) => {
                    assert!(
                        !matches!(error, Error::TooLarge { .. } | Error::Empty),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > good.len(), "{refused} of {}", good.len());
}
