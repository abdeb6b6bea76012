//! The samples of all profiles of a request.
//!
//! The format counts those with the same stack and the same attributes as one, so their values are added up. A profile has the samples
//! whose sum is not 0.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::Error;
use crate::dictionary::StackId;
use crate::labels::SetId;

/// What tells samples apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) stack: StackId,
    pub(crate) attributes: SetId,
}

/// Each identity once, with its values.
#[derive(Debug)]
pub(crate) struct Samples {
    positions: HashMap<Identity, usize>,
    identities: Vec<Identity>,
    /// One for each sample type, of the first identity, of the second, …
    values: Vec<i64>,
    types: usize,
}

impl Samples {
    /// Samples with this many values.
    pub(crate) fn new(types: usize) -> Self {
        Self {
            positions: HashMap::new(),
            identities: Vec::new(),
            values: Vec::new(),
            types,
        }
    }

    /// Adds a sample.
    pub(crate) fn add(&mut self, identity: Identity, values: &[i64]) -> Result<(), Error> {
        match self.positions.entry(identity) {
            Entry::Vacant(place) => {
                place.insert(self.identities.len());
                self.identities.push(identity);
                self.values.extend_from_slice(values);
            }
            Entry::Occupied(place) => {
                let first = place.get() * self.types;
                let sums = self.values.iter_mut().skip(first).take(self.types);
                for (sum, value) in sums.zip(values) {
                    *sum = sum.checked_add(*value).ok_or_else(|| {
                        Error::Pprof("equal samples have values beyond 64 bits".to_owned())
                    })?;
                }
            }
        }
        Ok(())
    }

    /// The samples of one type.
    pub(crate) fn of_type(&self, number: usize) -> impl Iterator<Item = (Identity, i64)> {
        let values = self.values.iter().skip(number).step_by(self.types.max(1));
        let all = self.identities.iter().copied().zip(values.copied());
        all.filter(|&(_, value)| value != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(stack: u32, attributes: u32) -> Identity {
        Identity {
            stack: StackId::from(stack),
            attributes: SetId::from(attributes),
        }
    }

    #[test]
    fn equal_samples_are_one_and_each_type_has_those_that_are_not_zero() {
        let mut samples = Samples::new(2);
        samples.add(identity(1, 1), &[1, 0]).unwrap();
        samples.add(identity(1, 2), &[2, 5]).unwrap();
        samples.add(identity(1, 1), &[3, 0]).unwrap();
        samples.add(identity(2, 1), &[9, 7]).unwrap();
        samples.add(identity(2, 1), &[-9, 0]).unwrap();
        let of_type = |number| samples.of_type(number).collect::<Vec<_>>();
        assert_eq!(of_type(0), [(identity(1, 1), 4), (identity(1, 2), 2)]);
        assert_eq!(of_type(1), [(identity(1, 2), 5), (identity(2, 1), 7)]);
    }

    #[test]
    fn a_sum_beyond_all_bounds_is_an_error() {
        let mut samples = Samples::new(1);
        samples.add(identity(0, 0), &[i64::MAX]).unwrap();
        assert!(samples.add(identity(0, 0), &[1]).is_err());
    }
}
