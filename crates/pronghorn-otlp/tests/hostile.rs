//! Profiles made to break a reader: each is an error that says what is wrong, soon and without much memory.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use pronghorn_otlp::{Error, Options, encode};
use pronghorn_pprof::{Message, gzip};
use support::{decode, profiles, rules};

fn refusal(bytes: &[u8]) -> Error {
    encode(bytes, &Options::default()).expect_err("no profile")
}

/// A profile with one sample type and the strings "", "a", and then what `add` adds.
fn with(add: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message::new();
    let mut value_type = Message::new();
    value_type.uint(1, 1);
    message.message(1, &value_type);
    message.bytes(6, b"");
    message.bytes(6, b"a");
    add(&mut message);
    message.as_bytes().to_vec()
}

/// A message with these numbers, in these fields.
fn numbers(fields: &[(u32, u64)]) -> Message {
    let mut message = Message::new();
    for &(field, value) in fields {
        message.present(field, value);
    }
    message
}

#[test]
fn what_is_no_profile_is_refused() {
    assert_eq!(refusal(b""), Error::Empty);
    for bytes in [
        &b"{}"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x0a],
        &[0; 64],
        &[0x32, 0],
    ] {
        let error = refusal(bytes).to_string();
        assert!(!error.is_empty(), "{bytes:?}");
    }
}

#[test]
fn what_is_named_and_missing_is_told() {
    let cases: [(Vec<u8>, &str); 13] = [
        (
            with(|profile| profile.message(2, &numbers(&[(1, 9), (2, 1)]))),
            "the location 9 is named and missing",
        ),
        (
            with(|profile| profile.message(2, &numbers(&[(1, 0), (2, 1)]))),
            "the location 0 is named and missing",
        ),
        (
            with(|profile| profile.message(4, &numbers(&[(1, 1), (2, u64::MAX)]))),
            "the mapping 18446744073709551615 is named and missing",
        ),
        (
            with(|profile| {
                let mut location = numbers(&[(1, 1)]);
                location.message(4, &numbers(&[(1, 7)]));
                profile.message(4, &location);
            }),
            "the function 7 is named and missing",
        ),
        (
            with(|profile| profile.message(5, &numbers(&[(1, 1), (2, 99)]))),
            "string 99 of 2 is missing",
        ),
        (
            with(|profile| profile.message(3, &numbers(&[(1, 1), (6, u64::MAX)]))),
            "string 18446744073709551615 of 2 is missing",
        ),
        (
            with(|profile| profile.message(1, &numbers(&[(2, 5)]))),
            "string 5 of 2 is missing",
        ),
        (
            with(|profile| profile.uint(13, 5)),
            "string 5 of 2 is missing",
        ),
        (
            with(|profile| profile.uint(14, 5)),
            "string 5 of 2 is missing",
        ),
        (
            with(|profile| {
                let mut sample = numbers(&[(2, 1)]);
                sample.message(3, &numbers(&[(1, 3)]));
                profile.message(2, &sample);
            }),
            "string 3 of 2 is missing",
        ),
        (
            with(|profile| profile.message(2, &numbers(&[(2, 1), (2, 2)]))),
            "a sample has 2 values for 1 sample types",
        ),
        (
            with(|profile| profile.message(5, &numbers(&[(2, 1)]))),
            "a function has the id 0",
        ),
        (
            with(|profile| {
                profile.message(3, &numbers(&[(1, 4)]));
                profile.message(3, &numbers(&[(1, 4)]));
            }),
            "two mappings have the id 4",
        ),
    ];
    for (bytes, sentence) in cases {
        assert_eq!(refusal(&bytes).to_string(), sentence);
    }
}

#[test]
fn texts_are_utf8_and_the_first_is_empty() {
    let bytes = with(|profile| profile.bytes(6, &[0xff, 0xfe]));
    assert_eq!(refusal(&bytes).to_string(), "string 2 is no UTF-8");
    let mut first = Message::new();
    first.message(1, &Message::new());
    first.bytes(6, b"a");
    assert_eq!(
        refusal(first.as_bytes()).to_string(),
        "its first string is not empty"
    );
}

#[test]
fn lengths_beyond_the_end_are_no_reason_to_make_room() {
    for field in 1..=20_u32 {
        assert_eq!(
            refusal(&with(|profile| {
                profile.head(field, usize::MAX >> 1);
            })),
            Error::Truncated,
            "{field}"
        );
    }
}

#[test]
fn a_bomb_is_refused() {
    use std::io::Write;
    // 513 MiB of zeros in half a megabyte: a gzip file may have several members.
    let chunk = vec![0; 1 << 20];
    let member = gzip::compress(|encoder| encoder.write_all(&chunk));
    let bomb = member.expect("compressing in memory").repeat(513);
    assert!(bomb.len() < 1 << 20);
    let too_large = refusal(&bomb);
    assert!(
        matches!(too_large, Error::TooLarge { what: "bytes", .. }),
        "{too_large:?}"
    );
}

#[test]
fn millions_of_entries_in_few_bytes_are_refused() {
    let most = 5_000_000;
    let entries = Error::TooLarge {
        what: "entries",
        most,
    };
    let many = |byte: u8| [byte, 0].repeat(most + 1);
    for field in [1, 2, 6_u8] {
        let bytes = [with(|_| ()), many(field << 3 | 2)].concat();
        assert_eq!(refusal(&bytes), entries, "field {field}");
    }
    let lines = with(|profile| {
        let mut location = numbers(&[(1, 1)]).as_bytes().to_vec();
        location.extend(many(4 << 3 | 2));
        profile.bytes(4, &location);
    });
    assert_eq!(refusal(&lines), entries);
    let labels = with(|profile| {
        let mut sample = numbers(&[(2, 1)]).as_bytes().to_vec();
        sample.extend(many(3 << 3 | 2));
        profile.bytes(2, &sample);
    });
    assert_eq!(refusal(&labels), entries);
}

#[test]
fn a_long_text_in_many_labels_is_refused() {
    let mut profile = Message::new();
    profile.message(1, &numbers(&[(1, 1)]));
    profile.bytes(6, b"");
    profile.bytes(6, &vec![b'x'; 1 << 20]);
    for key in 0..100_u64 {
        profile.bytes(6, format!("key{key}").as_bytes());
        let mut sample = numbers(&[(2, 1)]);
        sample.message(3, &numbers(&[(1, 2 + key), (2, 1)]));
        profile.message(2, &sample);
    }
    let error = refusal(profile.as_bytes());
    assert!(
        matches!(
            error,
            Error::TooLarge {
                what: "bytes of labels and comments",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn equal_samples_may_not_add_up_to_more_than_there_is_room_for() {
    let sample = numbers(&[(2, i64::MAX as u64)]);
    let bytes = with(|profile| {
        profile.message(2, &sample);
        profile.message(2, &sample);
    });
    assert!(refusal(&bytes).to_string().contains("64 bits"));
}

/// Many labels of one key, and many types over many samples, take no more than linear time: these would take hours.
#[test]
fn what_is_many_times_many_is_done_once() {
    let labels = with(|profile| {
        let mut sample = numbers(&[(2, 1)]);
        for value in 0..200_000 {
            sample.message(3, &numbers(&[(1, 1), (3, value)]));
        }
        profile.message(2, &sample);
    });
    let body = encode(&labels, &Options::default()).expect("a profile");
    assert_eq!(rules::broken(&decode(&body)), [""; 0]);

    let mut types = Message::new();
    for _ in 0..100_000 {
        types.message(1, &Message::new());
    }
    types.bytes(6, b"");
    types.bytes(13, &vec![0; 100_000]);
    let body = encode(types.as_bytes(), &Options::default()).expect("a profile");
    assert_eq!(rules::broken(&decode(&body)), [""; 0]);
}

#[test]
fn half_of_any_profile_is_refused_or_keeps_the_rules() {
    let bytes = profiles::cluster().encode();
    let mut refused = 0;
    for end in 0..bytes.len() {
        match encode(&bytes[..end], &Options::default()) {
            Ok(body) => assert_eq!(rules::broken(&decode(&body)), [""; 0], "{end}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > bytes.len() / 2, "{refused}");
}
