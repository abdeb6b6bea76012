//! The encoder of profiles: whatever is recorded, the reader of the OTLP encoder takes what it writes.
#![no_main]

use pronghorn_otlp::Options;
use pronghorn_pprof::{Function, Label, Line, Location, Mapping, Profile};

/// Takes numbers and texts off the input; zeros and empty texts at its end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn number(&mut self) -> u64 {
        let count = usize::from(self.byte() & 7) + 1;
        let mut bytes = [0; 8];
        let taken = self.take(count);
        bytes[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(bytes)
    }

    fn text(&mut self) -> String {
        let count = usize::from(self.byte());
        String::from_utf8_lossy(self.take(count)).into_owned()
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mut profile = Profile::new([("samples", "count"), ("cpu", "nanoseconds")]);
    let mut locations = Vec::new();
    while !input.0.is_empty() {
        // A label needs a key.
        let name = profile.string(&format!("k{}", input.text()));
        match input.byte() & 3 {
            0 => {
                let (start, limit) = (input.number(), input.number());
                profile.mapping(Mapping {
                    memory_start: start,
                    memory_limit: limit,
                    file_offset: input.number(),
                    filename: name,
                    build_id: name,
                    has_functions: true,
                    has_filenames: false,
                    has_line_numbers: false,
                });
            }
            1 => {
                let function = profile.function(Function {
                    name,
                    filename: name,
                    start_line: input.number() as i64,
                });
                let line = Line {
                    function,
                    line: input.number() as i64,
                };
                locations.push(profile.location(Location {
                    mapping: None,
                    address: input.number(),
                    line: Some(line),
                }));
            }
            2 => profile.set_default_sample_type(&input.text()),
            _ => {
                let count = usize::from(input.byte());
                let stack = locations
                    .iter()
                    .copied()
                    .cycle()
                    .take(if locations.is_empty() { 0 } else { count });
                let labels = [
                    Label::Text {
                        key: name,
                        value: name,
                    },
                    Label::Number {
                        key: name,
                        value: input.number() as i64,
                        unit: name,
                    },
                ];
                // Sums of larger ones may have more than 64 bits, which a reader refuses.
                let values = [input.number() >> 24, input.number() >> 24].map(|value| value as i64);
                let given = usize::from(input.byte()) % 3;
                profile.sample(stack, values, &labels[..given]);
            }
        }
    }
    profile.set_time(1, 2);
    let mut bytes = Vec::new();
    profile.write_to(&mut bytes).unwrap();
    let request = pronghorn_otlp::encode(&bytes, &Options::default());
    assert!(request.is_ok(), "{request:?}");
});
