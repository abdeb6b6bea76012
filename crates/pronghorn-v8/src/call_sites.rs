//! The places of one piece of Maglev code that the deoptimizer knows, and which calls were inlined there.
//!
//! Calls and jumps to deoptimization exits tell where they are in the bytecode of every function around them
//! ([`crate::deopt_points`]). For a pc without a point of its own, such as a leaf's, the position table tells which call was inlined there (an id, which stays right where positions stand still), and every known place
//! inside that inlined call agrees on where the call itself is.
//!
//! The table ends with the straight code. Slow paths lie behind it and would count to its last entry: they belong to the
//! jump that leads there.

mod reading;

use crate::address_hash::AddressMap;
use crate::deopt_points::Place;
use crate::optimized::Inlined;
pub(crate) use reading::Reading;

/// Slow paths lead to slow paths this often at most.
const DEEPEST: u32 = 16;

/// A place in the code whose bytecode is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// Pc offset of the jump, or of the last byte of the call.
    pc: u64,
    /// The inlined call it belongs to.
    inlining: Option<u32>,
    /// The innermost function.
    pub(crate) place: Place,
    /// Script offset by the position table.
    pub(crate) by_table: u32,
}

/// What is known of one Code.
#[derive(Debug, Default)]
pub(crate) struct CallSites {
    // By id of an inlined call: builtins it goes through, then its caller. Empty if two places disagree.
    callers: AddressMap<u32, Vec<Place>>,
    // By rising pc.
    sites: Vec<Site>,
    // Where the position table ends.
    table_end: u64,
    // Slow paths: where they begin and the first jump there, by rising begin.
    slow: Vec<(u64, u64)>,
}

/// A jump: pc offset and the one it leads to.
pub(crate) type Jump = (u64, u64);

impl CallSites {
    /// The pc offset whose position counts for `offset`: itself, or the jump to the slow path around it.
    pub(crate) fn origin(&self, offset: u64) -> u64 {
        let mut origin = offset;
        // Every step leads backwards in the code.
        for _ in 0..DEEPEST {
            if origin <= self.table_end {
                break;
            }
            let end = self.slow.partition_point(|&(start, _)| start <= origin);
            match end.checked_sub(1).and_then(|index| self.slow.get(index)) {
                Some(&(_, jump)) => origin = jump,
                None => return offset,
            }
        }
        origin
    }

    /// What called the inlined call `id`: builtins in between, then the function it was inlined into.
    pub(crate) fn callers(&self, id: u32) -> Option<&[Place]> {
        self.callers
            .get(&id)
            .map(Vec::as_slice)
            .filter(|places| !places.is_empty())
    }

    /// The last known place at or in front of a pc offset in the same inlined call.
    pub(crate) fn before(&self, offset: u64, inlining: Option<u32>) -> Option<&Site> {
        let end = self.sites.partition_point(|site| site.pc <= offset);
        self.sites
            .get(..end)?
            .iter()
            .rev()
            .find(|site| site.inlining == inlining)
    }

    /// Takes a place in, if deoptimizer and position table name the same functions.
    fn learn(&mut self, pc: u64, by_table: u32, chain: &[Inlined], places: &[Place]) {
        let functions = || places.iter().filter(|place| place.bytecode != 0);
        if functions().count() != chain.len()
            || functions()
                .zip(chain)
                .any(|(place, own)| place.shared != own.shared)
        {
            return;
        }
        // A builtin in front is the callee, for which a function inlined into it left no frame.
        let own = places
            .iter()
            .position(|place| place.bytecode != 0)
            .unwrap_or(places.len());
        let Some((innermost, mut outer)) = places.get(own..).and_then(<[_]>::split_first) else {
            return;
        };
        self.sites.push(Site {
            pc,
            inlining: chain.first().and_then(|own| own.inlining),
            place: *innermost,
            by_table,
        });
        for id in chain.iter().filter_map(|own| own.inlining) {
            let Some(caller) = outer.iter().position(|place| place.bytecode != 0) else {
                return;
            };
            let (callers, rest) = outer.split_at(caller + 1);
            outer = rest;
            match self.callers.get_mut(&id) {
                None => {
                    self.callers.insert(id, callers.to_vec());
                }
                Some(known) if known.as_slice() != callers => known.clear(),
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
