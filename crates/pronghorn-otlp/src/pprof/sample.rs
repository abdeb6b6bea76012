//! One sample, decoded into buffers that the next one uses again.

use super::Budget;
use crate::Error;
use crate::wire::{Fields, uints};

/// A sample as it stands in the profile.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// Leaf first.
    pub(crate) locations: Vec<u64>,
    pub(crate) values: Vec<i64>,
    pub(crate) labels: Vec<Label>,
}

/// A label; texts are string numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) key: u64,
    /// 0 if it is a number.
    pub(crate) text: u64,
    pub(crate) number: i64,
    pub(crate) unit: u64,
}

impl Sample {
    /// Replaces what is there by what the message says.
    pub(super) fn read(&mut self, message: &[u8], budget: &mut Budget) -> Result<(), Error> {
        self.locations.clear();
        self.values.clear();
        self.labels.clear();
        for field in Fields::of(message) {
            let field = field?;
            match field.number {
                1 => field.uints(|id| {
                    self.locations.push(id);
                    budget.take_number()
                })?,
                2 => field.uints(|value| {
                    self.values.push(value.cast_signed());
                    budget.take_number()
                })?,
                3 => {
                    budget.take_entry()?;
                    self.labels.push(Label::read(field.bytes()?)?);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Label {
    fn read(message: &[u8]) -> Result<Self, Error> {
        let [key, text, number, unit] = uints(message)?;
        Ok(Self {
            key,
            text,
            number: number.cast_signed(),
            unit,
        })
    }
}
