//! Shared by the tests: samples to record, and a small reader of profiles.
//!
//! The reader knows just what the tests look at. That the profiles are right for everybody else is for the outside readers in
//! `__test__/pprof.test.mjs` to say.

#![allow(dead_code, reason = "not every test file uses every helper")]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use pronghorn_recorder::{Frame, Function, Position, ProfileTime, Sample, ThreadLabel, Values};

pub(crate) fn time(nanos: u64) -> ProfileTime {
    ProfileTime::from_nanos_since_epoch(nanos)
}

pub(crate) fn thread(id: u32, name: &str) -> ThreadLabel {
    ThreadLabel {
        id,
        name: Arc::from(name),
    }
}

pub(crate) fn function(name: &str, file: &str, start_line: u32) -> Arc<Function> {
    Arc::new(Function {
        name: name.into(),
        file: file.into(),
        start_line,
        generated: None,
    })
}

pub(crate) fn script(function: &Arc<Function>, line: u32) -> Frame {
    Frame::Script {
        function: Arc::clone(function),
        position: Position::new(line, 0),
    }
}

pub(crate) fn values(count: u64, cpu_ns: u64, wall_ns: u64) -> Values {
    Values {
        count,
        cpu_ns,
        wall_ns,
    }
}

pub(crate) fn sample<'a>(
    thread: &'a ThreadLabel,
    frames: &'a [Frame],
    values: Values,
) -> Sample<'a> {
    Sample {
        thread,
        frames,
        labels: None,
        values,
    }
}

/// A profile as read back: everything by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) sample_types: Vec<String>,
    pub(crate) default_sample_type: String,
    pub(crate) samples: Vec<DecodedSample>,
    pub(crate) functions: Vec<(String, String, u64)>,
    pub(crate) mappings: Vec<DecodedMapping>,
    pub(crate) comments: Vec<String>,
    pub(crate) time_nanos: u64,
    pub(crate) duration_nanos: u64,
    pub(crate) period: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DecodedSample {
    /// Leaf first, each `function file:line +start_line` or the address.
    pub(crate) stack: Vec<String>,
    pub(crate) values: Vec<u64>,
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DecodedMapping {
    pub(crate) start: u64,
    pub(crate) limit: u64,
    pub(crate) offset: u64,
    pub(crate) file: String,
    pub(crate) build_id: String,
    pub(crate) has_functions: bool,
}

impl Decoded {
    /// The sum of all samples' values.
    pub(crate) fn totals(&self) -> Values {
        self.samples
            .iter()
            .fold(Values::default(), |mut sum, sample| {
                sum.add(values(sample.values[0], sample.values[1], sample.values[2]));
                sum
            })
    }
}

pub(crate) fn decode(gzipped: &[u8]) -> Decoded {
    let mut plain = Vec::new();
    let mut decoder = flate2::write::GzDecoder::new(&mut plain);
    decoder.write_all(gzipped).expect("a gzip stream");
    decoder.finish().expect("the end of a gzip stream");

    let profile = fields(&plain);
    let strings: Vec<String> = messages(&profile, 6)
        .map(|text| String::from_utf8(text.to_vec()).expect("UTF-8"))
        .collect();
    let string = |index: u64| strings[index as usize].clone();

    let functions: Vec<(String, String, u64)> = messages(&profile, 5)
        .zip(1..)
        .map(|(message, id)| {
            let message = fields(message);
            assert_eq!(number(&message, 1), id, "function ids run from 1");
            (
                string(number(&message, 2)),
                string(number(&message, 4)),
                number(&message, 5),
            )
        })
        .collect();
    let locations: Vec<String> = messages(&profile, 4)
        .zip(1..)
        .map(|(message, id)| {
            let message = fields(message);
            assert_eq!(number(&message, 1), id, "location ids run from 1");
            let address = match number(&message, 3) {
                0 => String::new(),
                address => format!("{address:#x} in {}", number(&message, 2)),
            };
            let line = messages(&message, 4).next().map_or(String::new(), |line| {
                let line = fields(line);
                let (name, file, start) = &functions[number(&line, 1) as usize - 1];
                format!("{name} {file}:{} +{start}", number(&line, 2))
            });
            format!("{address} {line}").trim().to_owned()
        })
        .collect();
    Decoded {
        sample_types: messages(&profile, 1)
            .map(|message| {
                let message = fields(message);
                format!(
                    "{}/{}",
                    string(number(&message, 1)),
                    string(number(&message, 2))
                )
            })
            .collect(),
        default_sample_type: string(number(&profile, 14)),
        samples: messages(&profile, 2)
            .map(|message| {
                let message = fields(message);
                DecodedSample {
                    stack: packed(&message, 1)
                        .into_iter()
                        .map(|id| locations[id as usize - 1].clone())
                        .collect(),
                    values: packed(&message, 2),
                    labels: messages(&message, 3)
                        .map(|label| {
                            let label = fields(label);
                            let value = match number(&label, 2) {
                                0 => number(&label, 3).to_string(),
                                text => string(text),
                            };
                            (string(number(&label, 1)), value)
                        })
                        .collect(),
                }
            })
            .collect(),
        mappings: messages(&profile, 3)
            .zip(1..)
            .map(|(message, id)| {
                let message = fields(message);
                assert_eq!(number(&message, 1), id, "mapping ids run from 1");
                DecodedMapping {
                    start: number(&message, 2),
                    limit: number(&message, 3),
                    offset: number(&message, 4),
                    file: string(number(&message, 5)),
                    build_id: string(number(&message, 6)),
                    has_functions: number(&message, 7) != 0,
                }
            })
            .collect(),
        comments: packed(&profile, 13).into_iter().map(string).collect(),
        time_nanos: number(&profile, 9),
        duration_nanos: number(&profile, 10),
        period: number(&profile, 12),
        functions,
    }
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(value)
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().expect("a whole varint");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes");
}

fn number(fields: &[(u64, Field<'_>)], wanted: u64) -> u64 {
    fields
        .iter()
        .find_map(|(field, value)| match value {
            Field::Number(number) if *field == wanted => Some(*number),
            _ => None,
        })
        .unwrap_or(0)
}

fn messages<'a>(fields: &'a [(u64, Field<'a>)], wanted: u64) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter_map(move |(field, value)| match value {
        Field::Bytes(bytes) if *field == wanted => Some(*bytes),
        _ => None,
    })
}

fn packed(fields: &[(u64, Field<'_>)], wanted: u64) -> Vec<u64> {
    let mut values = Vec::new();
    for mut bytes in messages(fields, wanted) {
        while !bytes.is_empty() {
            values.push(varint(&mut bytes));
        }
    }
    values
}
