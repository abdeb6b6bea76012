//! The places of one piece of Maglev code that the deoptimizer knows, and which calls were inlined there.
//!
//! Calls and jumps to deoptimization exits tell where they are in the bytecode of every function around them
//! ([`crate::deopt_points`]). For a pc without a point of its own, such as a leaf's, the position table tells which call was inlined there (an id, which stays right where positions stand still), and every known place
//! inside that inlined call agrees on where the call itself is.
//!
//! The table ends with the straight code. Slow paths lie behind it and would count to its last entry: they belong to the
//! jump that leads there.

use crate::address_hash::AddressMap;
use crate::code::Code;
use crate::deopt_points::{self, Place, Points};
use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{bytes_of, field};
use crate::optimized::{self, Inlined};
use crate::position_table::{Position, entries};
use crate::scratch::{Scratch, sized};

/// Code larger than this is not searched for jumps.
const MOST_BYTES: u32 = 4 << 20;
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
    /// Reads what is known of Maglev's `code`, made from the function `physical`.
    pub(crate) fn of<M: Memory>(
        memory: &M,
        layout: &Layout,
        code: &Code,
        physical: u64,
        scratch: &mut Scratch,
    ) -> Option<Self> {
        let Scratch {
            bytes,
            part,
            positions,
            jumps,
            sites,
        } = scratch;
        let points = Points::of(memory, layout, code)?;
        read_positions(memory, layout, code, bytes, positions)?;
        let last = positions
            .last()
            .and_then(|&(at, _)| u64::try_from(at).ok())?;
        find_jumps(memory, code, bytes, jumps);
        sites.clear();
        let mut found = Self {
            table_end: last,
            slow: slow_paths(jumps, last),
            sites: core::mem::take(sites),
            ..Self::default()
        };
        let mut chains = Chains {
            memory,
            layout,
            code,
            physical,
            table: positions,
            known: AddressMap::default(),
        };
        for call in deopt_points::calls(memory, code, bytes)?.iter() {
            let Some(places) = points.at_call(memory, layout, &call, part) else {
                continue;
            };
            if places.last().is_none_or(|outer| outer.shared != physical) {
                continue;
            }
            let pc = found.origin(call.returns_to.saturating_sub(1));
            if let Some((chain, by_table)) = chains.at(pc) {
                found.learn(pc, by_table, chain, &places);
            }
        }
        let exits = points.by_exit(memory, layout, bytes);
        for &(at, target) in jumps.iter() {
            let pc = found.origin(at);
            if let Some(&point) = exits.get(&target)
                && let Some((chain, by_table)) = chains.at(pc)
                && let Some(places) = points.places(memory, layout, point, part)
            {
                found.learn(pc, by_table, chain, &places);
            }
        }
        found.sites.sort_by_key(|site| site.pc);
        let own = found.sites.as_slice().into();
        *sites = core::mem::replace(&mut found.sites, own);
        Some(found)
    }

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

/// Reads the position table of `code` into `positions`; `place` is for its bytes.
fn read_positions<M: Memory>(
    memory: &M,
    layout: &Layout,
    code: &Code,
    place: &mut Vec<u8>,
    positions: &mut Vec<(i64, u64)>,
) -> Option<()> {
    let table = field(memory, code.object, layout.unexported.code_positions)?;
    let (address, length) = bytes_of(memory, layout, table)?;
    let bytes = sized(place, length);
    if !memory.copy(address, bytes) {
        return None;
    }
    positions.clear();
    for entry in entries(bytes, layout.unexported.encoding) {
        positions.push(entry?);
    }
    Some(())
}

/// Which functions were inlined at a pc, by the position table.
struct Chains<'a, M: Memory> {
    memory: &'a M,
    layout: &'a Layout,
    code: &'a Code,
    physical: u64,
    table: &'a [(i64, u64)],
    /// By the inlined call: a piece of code has fewer of them than places. The innermost function's offset is that of the first place.
    known: AddressMap<Option<u32>, Option<Vec<Inlined>>>,
}

impl<M: Memory> Chains<'_, M> {
    /// The functions at a pc offset, but for the innermost one's script offset, and that.
    fn at(&mut self, pc: u64) -> Option<(&[Inlined], u32)> {
        let pc = i64::try_from(pc).ok()?;
        let index = self
            .table
            .partition_point(|&(at, _)| at <= pc)
            .checked_sub(1)?;
        let position = Position::from_word(self.table.get(index)?.1)?;
        let chain = self.known.entry(position.inlining).or_insert_with(|| {
            optimized::chain(self.memory, self.layout, self.code, position, self.physical).ok()
        });
        Some((chain.as_deref()?, position.offset))
    }
}

/// All jumps with an operand of 32 bits. What only looks like one leads nowhere in particular: an operand that hits the
/// first byte of an exit by chance is as good as impossible, and would have to name the functions of the position table.
fn find_jumps<M: Memory>(memory: &M, code: &Code, place: &mut Vec<u8>, jumps: &mut Vec<Jump>) {
    jumps.clear();
    if code.size > MOST_BYTES {
        return;
    }
    let bytes = sized(place, code.size as usize);
    if !memory.copy(code.start, bytes) {
        return;
    }
    let jump = |(at, window): (usize, &[u8])| {
        let at = at as u64;
        // jcc rel32 and jmp rel32.
        let (operand, end) = match *window {
            [0x0f, 0x80..=0x8f, a, b, c, d] => ([a, b, c, d], at + 6),
            [0xe9, a, b, c, d, _] => ([a, b, c, d], at + 5),
            _ => return None,
        };
        let target = end.checked_add_signed(i64::from(i32::from_le_bytes(operand)))?;
        (target < u64::from(code.size)).then_some((at, target))
    };
    jumps.extend(bytes.windows(6).enumerate().filter_map(jump));
}

/// The jumps forwards to what lies behind the end of the position table, by target; one for each.
fn slow_paths(jumps: &[Jump], table_end: u64) -> Vec<(u64, u64)> {
    let mut slow: Vec<_> = jumps
        .iter()
        .filter(|&&(at, target)| target > table_end && at < target)
        .map(|&(at, target)| (target, at))
        .collect();
    slow.sort_unstable();
    slow.dedup_by_key(|&mut (start, _)| start);
    slow
}

#[cfg(test)]
mod tests;
