//! A profile: its tables, its samples, and what describes them.

use std::io::{self, Write};

use crate::encoder::Message;
use crate::function_table::FunctionTable;
use crate::location_table::LocationTable;
use crate::mapping_table::MappingTable;
use crate::string_table::StringTable;
use crate::{
    Function, FunctionId, Label, Location, LocationId, Mapping, MappingId, StringId, gzip,
};

/// The field numbers of the message `Profile` in profile.proto.
mod field {
    pub(super) const SAMPLE_TYPE: u32 = 1;
    pub(super) const SAMPLE: u32 = 2;
    pub(super) const MAPPING: u32 = 3;
    pub(super) const LOCATION: u32 = 4;
    pub(super) const FUNCTION: u32 = 5;
    pub(super) const STRING_TABLE: u32 = 6;
    pub(super) const TIME_NANOS: u32 = 9;
    pub(super) const DURATION_NANOS: u32 = 10;
    pub(super) const PERIOD_TYPE: u32 = 11;
    pub(super) const PERIOD: u32 = 12;
    pub(super) const COMMENT: u32 = 13;
    pub(super) const DEFAULT_SAMPLE_TYPE: u32 = 14;
}

/// What a value measures, such as `cpu` in `nanoseconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueType {
    /// What.
    pub kind: StringId,
    /// In which unit.
    pub unit: StringId,
}

impl ValueType {
    fn encode(self) -> Message {
        let mut message = Message::new();
        message.uint(1, self.kind.field());
        message.uint(2, self.unit.field());
        message
    }
}

/// A profile with `VALUES` values per sample.
///
/// Samples are encoded as they are added, so the memory it takes is about that of the uncompressed profile.
#[derive(Debug)]
pub struct Profile<const VALUES: usize> {
    sample_types: [ValueType; VALUES],
    default_sample_type: StringId,
    period_type: ValueType,
    period: i64,
    time_nanos: i64,
    duration_nanos: i64,
    comments: Vec<StringId>,
    strings: StringTable,
    mappings: MappingTable,
    functions: FunctionTable,
    locations: LocationTable,
    samples: Message,
    scratch: Message,
    label_scratch: Message,
}

impl<const VALUES: usize> Profile<VALUES> {
    /// An empty profile whose samples have these values, each `(type, unit)`.
    #[must_use]
    pub fn new(sample_types: [(&str, &str); VALUES]) -> Self {
        let mut strings = StringTable::new();
        let sample_types = sample_types.map(|(kind, unit)| ValueType {
            kind: strings.insert(kind),
            unit: strings.insert(unit),
        });
        Self {
            sample_types,
            default_sample_type: StringId::EMPTY,
            period_type: ValueType {
                kind: StringId::EMPTY,
                unit: StringId::EMPTY,
            },
            period: 0,
            time_nanos: 0,
            duration_nanos: 0,
            comments: Vec::new(),
            strings,
            mappings: MappingTable::default(),
            functions: FunctionTable::default(),
            locations: LocationTable::default(),
            samples: Message::new(),
            scratch: Message::new(),
            label_scratch: Message::new(),
        }
    }

    /// The number of a text, adding it if it is new.
    pub fn string(&mut self, text: &str) -> StringId {
        self.strings.insert(text)
    }

    /// The id of a function, adding it if it is new.
    pub fn function(&mut self, function: Function) -> FunctionId {
        self.functions.insert(function)
    }

    /// The id of a mapping, adding it if it is new. The first one added should be the program's own file.
    pub fn mapping(&mut self, mapping: Mapping) -> MappingId {
        self.mappings.insert(mapping)
    }

    /// The id of a location, adding it if it is new.
    pub fn location(&mut self, location: Location) -> LocationId {
        self.locations.insert(location)
    }

    /// Adds a sample: its stack, leaf first, its values in the order of the sample types, and its labels.
    pub fn sample(
        &mut self,
        stack: impl Iterator<Item = LocationId> + Clone,
        values: [i64; VALUES],
        labels: &[Label],
    ) {
        self.scratch.clear();
        self.scratch.packed(1, stack.map(LocationId::field));
        self.scratch
            .packed(2, values.into_iter().map(i64::cast_unsigned));
        for label in labels {
            self.label_scratch.clear();
            label.encode(&mut self.label_scratch);
            self.scratch.message(3, &self.label_scratch);
        }
        self.samples.message(field::SAMPLE, &self.scratch);
    }

    /// Which sample type a reader shows first.
    pub fn set_default_sample_type(&mut self, kind: &str) {
        self.default_sample_type = self.strings.insert(kind);
    }

    /// What happens between two samples, and how much of it: 10,000,000 nanoseconds of `cpu`, say.
    pub fn set_period(&mut self, kind: &str, unit: &str, period: i64) {
        self.period_type = ValueType {
            kind: self.strings.insert(kind),
            unit: self.strings.insert(unit),
        };
        self.period = period;
    }

    /// When the profile began, in nanoseconds since the epoch, and how long it took.
    pub fn set_time(&mut self, start_nanos: i64, duration_nanos: i64) {
        self.time_nanos = start_nanos;
        self.duration_nanos = duration_nanos;
    }

    /// Adds a line of text for whoever reads the profile.
    pub fn comment(&mut self, text: &str) {
        let id = self.strings.insert(text);
        self.comments.push(id);
    }

    /// Writes the profile, not compressed.
    ///
    /// # Errors
    /// Those of `writer`.
    pub fn write_to(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut message = Message::new();
        for sample_type in &self.sample_types {
            message.message(field::SAMPLE_TYPE, &sample_type.encode());
        }
        writer.write_all(message.as_bytes())?;
        writer.write_all(self.samples.as_bytes())?;

        message.clear();
        self.mappings.encode(&mut message, field::MAPPING);
        self.locations.encode(&mut message, field::LOCATION);
        self.functions.encode(&mut message, field::FUNCTION);
        writer.write_all(message.as_bytes())?;

        message.clear();
        for text in self.strings.iter() {
            message.bytes(field::STRING_TABLE, text.as_bytes());
        }
        message.int(field::TIME_NANOS, self.time_nanos);
        message.int(field::DURATION_NANOS, self.duration_nanos);
        message.message(field::PERIOD_TYPE, &self.period_type.encode());
        message.int(field::PERIOD, self.period);
        message.packed(
            field::COMMENT,
            self.comments.iter().map(|comment| comment.field()),
        );
        message.uint(field::DEFAULT_SAMPLE_TYPE, self.default_sample_type.field());
        writer.write_all(message.as_bytes())
    }

    /// The profile as a gzip stream, which is what files and servers take. Milliseconds of work: not on a main thread.
    ///
    /// # Errors
    /// Those of the compressor.
    pub fn to_gzip(&self) -> io::Result<Vec<u8>> {
        gzip::compress(|encoder| self.write_to(encoder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded<const VALUES: usize>(profile: &Profile<VALUES>) -> Vec<u8> {
        let mut bytes = Vec::new();
        profile.write_to(&mut bytes).expect("writing to memory");
        bytes
    }

    /// Written down by hand from profile.proto.
    #[test]
    fn a_small_profile_has_these_bytes() {
        let mut profile = Profile::new([("cpu", "ns")]);
        profile.set_default_sample_type("cpu");
        profile.set_period("cpu", "ns", 7);
        profile.set_time(300, 5);
        profile.comment("c");
        let name = profile.string("f");
        let function = profile.function(Function {
            name,
            filename: StringId::EMPTY,
            start_line: 2,
        });
        let location = profile.location(Location {
            mapping: None,
            address: 0,
            line: Some(crate::Line { function, line: 3 }),
        });
        let label = Label::Number {
            key: name,
            value: 9,
            unit: StringId::EMPTY,
        };
        profile.sample([location, location].into_iter(), [0], &[label]);

        let expected: [&[u8]; 13] = [
            &[0x0a, 4, 0x08, 1, 0x10, 2],                   // sample type: cpu, ns
            &[0x12, 13],                                    // sample
            &[0x0a, 2, 1, 1],                               //   locations 1, 1
            &[0x12, 1, 0],                                  //   value 0
            &[0x1a, 4, 0x08, 4, 0x18, 9],                   //   label f = 9
            &[0x22, 8, 0x08, 1, 0x22, 4, 0x08, 1, 0x10, 3], // location 1: function 1, line 3
            &[0x2a, 6, 0x08, 1, 0x10, 4, 0x28, 2],          // function 1: f, from line 2
            b"\x32\x00\x32\x03cpu\x32\x02ns\x32\x01c\x32\x01f", // strings
            &[0x48, 0xac, 0x02, 0x50, 5],                   // time, duration
            &[0x5a, 4, 0x08, 1, 0x10, 2],                   // period type
            &[0x60, 7],                                     // period
            &[0x6a, 1, 3],                                  // comment
            &[0x70, 1],                                     // default sample type
        ];
        assert_eq!(encoded(&profile), expected.concat());
    }

    #[test]
    fn equal_profiles_are_equal_files() {
        let file = || {
            let mut profile = Profile::new([("cpu", "ns")]);
            profile.sample(std::iter::empty(), [i64::MAX], &[]);
            profile.to_gzip().expect("compressing in memory")
        };
        assert_eq!(file(), file());
    }
}
