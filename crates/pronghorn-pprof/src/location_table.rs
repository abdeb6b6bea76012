//! The locations of a profile: what a stack consists of.

use crate::encoder::Message;
use crate::fast_map::FastMap;
use crate::{FunctionId, MappingId};

/// A line inside a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line {
    /// The function.
    pub function: FunctionId,
    /// The line that was executing, counted from 1; 0 if unknown.
    pub line: i64,
}

/// One place in the program: an address, a line, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Location {
    /// The mapping its address lies in. None for code without a file, such as JavaScript.
    pub mapping: Option<MappingId>,
    /// The address, or 0.
    pub address: u64,
    /// What the address stands for, if that is known.
    pub line: Option<Line>,
}

/// The id of a location in its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocationId(u32);

impl LocationId {
    pub(crate) fn field(self) -> u64 {
        u64::from(self.0)
    }
}

/// Numbers locations from 1; equal ones are one.
#[derive(Debug, Default)]
pub(crate) struct LocationTable {
    ids: FastMap<Location, LocationId>,
    locations: Vec<Location>,
}

impl LocationTable {
    pub(crate) fn insert(&mut self, location: Location) -> LocationId {
        *self.ids.entry(location).or_insert_with(|| {
            self.locations.push(location);
            LocationId(self.locations.len() as u32)
        })
    }

    /// Writes each location as a message of its own.
    pub(crate) fn encode(&self, profile: &mut Message, field: u32) {
        let mut message = Message::new();
        let mut line_message = Message::new();
        for (location, id) in self.locations.iter().zip(1..) {
            message.clear();
            message.uint(1, id);
            message.uint(2, location.mapping.map_or(0, MappingId::field));
            message.uint(3, location.address);
            if let Some(line) = location.line {
                line_message.clear();
                line_message.uint(1, line.function.field());
                line_message.int(2, line.line);
                message.message(4, &line_message);
            }
            profile.message(field, &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_numbered_from_1_and_kept_once() {
        let mut table = LocationTable::default();
        let location = Location {
            mapping: None,
            address: 0x10,
            line: None,
        };
        let first = table.insert(location);
        let second = table.insert(Location {
            address: 0x11,
            ..location
        });
        assert_eq!(table.insert(location), first);
        assert_eq!((first.field(), second.field()), (1, 2));
    }
}
