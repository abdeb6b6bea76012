//! From the ids of a profile's messages to their positions.

use std::collections::HashMap;

use crate::Error;

/// Positions by id. Ids that run from 1 to n, as every good writer has them, need no table.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    sequential: usize,
    others: HashMap<u64, usize>,
}

impl Ids {
    /// The next position has this id.
    pub(crate) fn push(&mut self, id: u64, what: &str) -> Result<(), Error> {
        if id == 0 {
            return Err(Error::Pprof(format!("a {what} has the id 0")));
        }
        let position = self.sequential + self.others.len();
        if self.others.is_empty() && id == position as u64 + 1 {
            self.sequential += 1;
            return Ok(());
        }
        let twice = id <= self.sequential as u64 || self.others.insert(id, position).is_some();
        match twice {
            true => Err(Error::Pprof(format!("two {what}s have the id {id}"))),
            false => Ok(()),
        }
    }

    /// The position of an id that somebody names.
    pub(crate) fn position(&self, id: u64, what: &str) -> Result<usize, Error> {
        let position = match id {
            1.. if id <= self.sequential as u64 => Some(id as usize - 1),
            _ => self.others.get(&id).copied(),
        };
        position.ok_or_else(|| Error::Pprof(format!("the {what} {id} is named and missing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[u64]) -> Result<Ids, Error> {
        let mut ids = Ids::default();
        for &id in list {
            ids.push(id, "function")?;
        }
        Ok(ids)
    }

    #[test]
    fn ids_of_any_kind_lead_to_their_positions() {
        for list in [&[1, 2, 3][..], &[3, 2, 1], &[1, 2, 9, 3], &[u64::MAX, 1, 2]] {
            let ids = ids(list).unwrap();
            for (position, &id) in list.iter().enumerate() {
                assert_eq!(ids.position(id, "function"), Ok(position), "{list:?}");
            }
            for missing in [0, 4, 1000] {
                assert!(ids.position(missing, "function").is_err());
            }
        }
    }

    #[test]
    fn zero_and_repetitions_are_refused() {
        for list in [&[0][..], &[1, 1], &[1, 2, 1], &[7, 7], &[7, 1, 7]] {
            assert!(ids(list).is_err(), "{list:?}");
        }
    }
}
