//! The mapped files of a profile.

use crate::StringId;
use crate::encoder::Message;
use crate::fast_map::FastMap;

/// A range of addresses that a file is mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// The first address.
    pub memory_start: u64,
    /// The address after the last.
    pub memory_limit: u64,
    /// Where in the file `memory_start` lies, in bytes.
    pub file_offset: u64,
    /// The file.
    pub filename: StringId,
    /// Its build id in hexadecimal, or the empty string.
    pub build_id: StringId,
    /// Whether its locations have functions already. Readers try to symbolize the others themselves.
    pub has_functions: bool,
    /// Whether its functions have file names.
    pub has_filenames: bool,
    /// Whether its locations have line numbers.
    pub has_line_numbers: bool,
}

/// The id of a mapping in its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MappingId(u32);

impl MappingId {
    pub(crate) fn field(self) -> u64 {
        u64::from(self.0)
    }
}

/// Numbers mappings from 1; equal ones are one. Readers take number 1 for the program's own file.
#[derive(Debug, Default)]
pub(crate) struct MappingTable {
    ids: FastMap<Mapping, MappingId>,
    mappings: Vec<Mapping>,
}

impl MappingTable {
    pub(crate) fn insert(&mut self, mapping: Mapping) -> MappingId {
        *self.ids.entry(mapping).or_insert_with(|| {
            self.mappings.push(mapping);
            MappingId(self.mappings.len() as u32)
        })
    }

    /// Writes each mapping as a message of its own.
    pub(crate) fn encode(&self, profile: &mut Message, field: u32) {
        let mut message = Message::new();
        for (mapping, id) in self.mappings.iter().zip(1..) {
            message.clear();
            message.uint(1, id);
            message.uint(2, mapping.memory_start);
            message.uint(3, mapping.memory_limit);
            message.uint(4, mapping.file_offset);
            message.uint(5, mapping.filename.field());
            message.uint(6, mapping.build_id.field());
            message.bool(7, mapping.has_functions);
            message.bool(8, mapping.has_filenames);
            message.bool(9, mapping.has_line_numbers);
            profile.message(field, &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_numbered_from_1_and_kept_once() {
        let mut table = MappingTable::default();
        let mapping = Mapping {
            memory_start: 0x1000,
            memory_limit: 0x2000,
            file_offset: 0,
            filename: StringId::EMPTY,
            build_id: StringId::EMPTY,
            has_functions: true,
            has_filenames: false,
            has_line_numbers: false,
        };
        let first = table.insert(mapping);
        let second = table.insert(Mapping {
            file_offset: 0x1000,
            ..mapping
        });
        assert_eq!(table.insert(mapping), first);
        assert_eq!((first.field(), second.field()), (1, 2));
    }
}
