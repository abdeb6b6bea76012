//! The functions of a profile, once each.

use crate::StringId;
use crate::encoder::Message;
use crate::fast_map::FastMap;

/// A function as the format knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its name, for readers.
    pub name: StringId,
    /// Its file.
    pub filename: StringId,
    /// The line it begins on, counted from 1; 0 if unknown.
    pub start_line: i64,
}

/// The id of a function in its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FunctionId(u32);

impl FunctionId {
    pub(crate) fn field(self) -> u64 {
        u64::from(self.0)
    }
}

/// Numbers functions from 1; equal ones are one.
#[derive(Debug, Default)]
pub(crate) struct FunctionTable {
    ids: FastMap<Function, FunctionId>,
    functions: Vec<Function>,
}

impl FunctionTable {
    pub(crate) fn insert(&mut self, function: Function) -> FunctionId {
        *self.ids.entry(function).or_insert_with(|| {
            self.functions.push(function);
            FunctionId(self.functions.len() as u32)
        })
    }

    /// Writes each function as a message of its own.
    pub(crate) fn encode(&self, profile: &mut Message, field: u32) {
        let mut message = Message::new();
        for (function, id) in self.functions.iter().zip(1..) {
            message.clear();
            message.uint(1, id);
            message.uint(2, function.name.field());
            // Field 3, system_name, is left out: `go tool pprof` shortens names itself where it equals the name, and shows
            // them as they are where it does not.
            message.uint(4, function.filename.field());
            message.int(5, function.start_line);
            profile.message(field, &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_differ_only_in_the_start_line_are_two() {
        let mut table = FunctionTable::default();
        let function = Function {
            name: StringId::EMPTY,
            filename: StringId::EMPTY,
            start_line: 3,
        };
        let first = table.insert(function);
        let second = table.insert(Function {
            start_line: 4,
            ..function
        });
        assert_eq!(table.insert(function), first);
        assert_eq!((first.field(), second.field()), (1, 2));
    }
}
