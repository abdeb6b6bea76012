//! The messages of a pprof profile besides its samples, as they stand there: texts are string numbers, and ids are ids.
//!
//! Field numbers are those of github.com/google/pprof/proto/profile.proto.

use std::ops::Range;

use super::Budget;
use crate::Error;
use crate::wire::{Fields, uints};

/// A type and a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ValueType {
    pub(crate) kind: u64,
    pub(crate) unit: u64,
}

/// A mapped file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) id: u64,
    pub(crate) start: u64,
    pub(crate) limit: u64,
    pub(crate) offset: u64,
    pub(crate) filename: u64,
    pub(crate) build_id: u64,
}

/// A function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) id: u64,
    pub(crate) name: u64,
    pub(crate) system_name: u64,
    pub(crate) filename: u64,
    pub(crate) start_line: i64,
}

/// A place in the code. Its lines lie in the profile's list of all lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) id: u64,
    /// 0 for none.
    pub(crate) mapping: u64,
    pub(crate) address: u64,
    pub(crate) lines: Range<usize>,
}

/// A line of a function, inlined ones before those that they were inlined into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// 0 for none.
    pub(crate) function: u64,
    pub(crate) line: i64,
    pub(crate) column: i64,
}

impl ValueType {
    pub(super) fn read(message: &[u8]) -> Result<Self, Error> {
        let [kind, unit] = uints(message)?;
        Ok(Self { kind, unit })
    }
}

impl Mapping {
    pub(super) fn read(message: &[u8]) -> Result<Self, Error> {
        let [id, start, limit, offset, filename, build_id] = uints(message)?;
        Ok(Self {
            id,
            start,
            limit,
            offset,
            filename,
            build_id,
        })
    }
}

impl Function {
    pub(super) fn read(message: &[u8]) -> Result<Self, Error> {
        let [id, name, system_name, filename, start_line] = uints(message)?;
        Ok(Self {
            id,
            name,
            system_name,
            filename,
            start_line: start_line.cast_signed(),
        })
    }
}

impl Location {
    /// Puts its lines behind those in `lines`.
    pub(super) fn read(
        message: &[u8],
        lines: &mut Vec<Line>,
        budget: &mut Budget,
    ) -> Result<Self, Error> {
        let first = lines.len();
        let mut record = Self::default();
        for field in Fields::of(message) {
            let field = field?;
            match field.number {
                1 => record.id = field.uint()?,
                2 => record.mapping = field.uint()?,
                3 => record.address = field.uint()?,
                4 => {
                    budget.take_entry()?;
                    lines.push(Line::read(field.bytes()?)?);
                }
                _ => {}
            }
        }
        record.lines = first..lines.len();
        Ok(record)
    }
}

impl Line {
    fn read(message: &[u8]) -> Result<Self, Error> {
        let [function, line, column] = uints(message)?;
        Ok(Self {
            function,
            line: line.cast_signed(),
            column: column.cast_signed(),
        })
    }
}
