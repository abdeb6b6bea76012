//! A pprof profile, read from untrusted bytes.
//!
//! One pass over the bytes reads the tables and notes where the samples lie, since strings may come last; samples are then decoded
//! one at a time. Bytes of a hostile file may each become an entry of some list, so how many there can be is bounded.

mod ids;
mod records;
mod sample;

pub(crate) use ids::Ids;
pub(crate) use records::{Function, Line, Location, Mapping, ValueType};
pub(crate) use sample::{Label, Sample};

use crate::Error;
use crate::wire::{Field, Fields};

/// Most messages, lines, labels and strings together: as lib/pprof/reader.ts has it.
const MAX_ENTRIES: usize = 5_000_000;
/// Most location ids and values of all samples together.
const MAX_NUMBERS: usize = 64 * 1024 * 1024;

/// What may still be read.
#[derive(Debug)]
pub(crate) struct Budget {
    entries: usize,
    numbers: usize,
}

impl Budget {
    fn new() -> Self {
        Self {
            entries: MAX_ENTRIES,
            numbers: MAX_NUMBERS,
        }
    }

    fn take_entry(&mut self) -> Result<(), Error> {
        take(&mut self.entries, "entries", MAX_ENTRIES)
    }

    fn take_number(&mut self) -> Result<(), Error> {
        take(&mut self.numbers, "frames and values", MAX_NUMBERS)
    }
}

fn take(left: &mut usize, what: &'static str, most: usize) -> Result<(), Error> {
    *left = left.checked_sub(1).ok_or(Error::TooLarge { what, most })?;
    Ok(())
}

/// A profile. Ids have been checked for being unique; what they name has not been looked up.
#[derive(Debug)]
pub(crate) struct Profile<'a> {
    pub(crate) sample_types: Vec<ValueType>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) mapping_ids: Ids,
    pub(crate) locations: Vec<Location>,
    pub(crate) location_ids: Ids,
    pub(crate) lines: Vec<Line>,
    pub(crate) functions: Vec<Function>,
    pub(crate) function_ids: Ids,
    pub(crate) strings: Vec<&'a [u8]>,
    pub(crate) time_nanos: i64,
    pub(crate) duration_nanos: i64,
    pub(crate) period_type: Option<ValueType>,
    pub(crate) period: i64,
    pub(crate) comments: Vec<u64>,
    pub(crate) default_sample_type: u64,
    samples: Vec<&'a [u8]>,
    budget: Budget,
}

impl<'a> Profile<'a> {
    /// Reads everything but the samples.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut profile = Self {
            sample_types: Vec::new(),
            mappings: Vec::new(),
            mapping_ids: Ids::default(),
            locations: Vec::new(),
            location_ids: Ids::default(),
            lines: Vec::new(),
            functions: Vec::new(),
            function_ids: Ids::default(),
            strings: Vec::new(),
            time_nanos: 0,
            duration_nanos: 0,
            period_type: None,
            period: 0,
            comments: Vec::new(),
            default_sample_type: 0,
            samples: Vec::new(),
            budget: Budget::new(),
        };
        for field in Fields::of(bytes) {
            profile.budget.take_entry()?;
            profile.take(field?)?;
        }
        if profile.sample_types.is_empty() || profile.strings.is_empty() {
            let reason = "it holds no sample types: it is no pprof profile";
            return Err(Error::Pprof(reason.to_owned()));
        }
        if profile.strings.first().is_some_and(|text| !text.is_empty()) {
            return Err(Error::Pprof("its first string is not empty".to_owned()));
        }
        Ok(profile)
    }

    fn take(&mut self, field: Field<'a>) -> Result<(), Error> {
        match field.number {
            1 => self.sample_types.push(ValueType::read(field.bytes()?)?),
            2 => self.samples.push(field.bytes()?),
            3 => {
                let mapping = Mapping::read(field.bytes()?)?;
                self.mapping_ids.push(mapping.id, "mapping")?;
                self.mappings.push(mapping);
            }
            4 => {
                let Self { lines, budget, .. } = self;
                let location = Location::read(field.bytes()?, lines, budget)?;
                self.location_ids.push(location.id, "location")?;
                self.locations.push(location);
            }
            5 => {
                let function = Function::read(field.bytes()?)?;
                self.function_ids.push(function.id, "function")?;
                self.functions.push(function);
            }
            6 => self.strings.push(field.bytes()?),
            9 => self.time_nanos = field.int()?,
            10 => self.duration_nanos = field.int()?,
            11 => self.period_type = Some(ValueType::read(field.bytes()?)?),
            12 => self.period = field.int()?,
            13 => field.uints(|comment| {
                self.comments.push(comment);
                self.budget.take_entry()
            })?,
            14 => self.default_sample_type = field.uint()?,
            _ => {}
        }
        Ok(())
    }

    /// Calls `each` with every sample. Each has as many values as there are sample types.
    pub(crate) fn for_each_sample(
        &mut self,
        mut each: impl FnMut(&Self, &Sample) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut sample = Sample::default();
        let samples = std::mem::take(&mut self.samples);
        for message in samples {
            sample.read(message, &mut self.budget)?;
            let (values, types) = (sample.values.len(), self.sample_types.len());
            if values != types {
                return Err(Error::Pprof(format!(
                    "a sample has {values} values for {types} sample types"
                )));
            }
            each(self, &sample)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pronghorn_pprof::Message;

    use super::*;

    #[test]
    fn frames_and_values_are_counted_over_all_samples() {
        let mut message = Message::new();
        message.packed(1, [1, 1].into_iter());
        message.present(2, 7);
        let mut budget = Budget {
            entries: 0,
            numbers: 7,
        };
        let mut sample = Sample::default();
        let outcomes = [(); 3].map(|()| sample.read(message.as_bytes(), &mut budget));
        let too_large = Error::TooLarge {
            what: "frames and values",
            most: MAX_NUMBERS,
        };
        assert_eq!(outcomes, [Ok(()), Ok(()), Err(too_large)]);
    }

    #[test]
    fn comments_are_entries() {
        let mut message = Message::new();
        message.bytes(13, &vec![1; MAX_ENTRIES + 1]);
        let read = Profile::read(message.as_bytes());
        assert!(matches!(
            read,
            Err(Error::TooLarge {
                what: "entries",
                ..
            })
        ));
    }
}
