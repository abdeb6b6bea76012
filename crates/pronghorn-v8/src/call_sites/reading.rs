//! How the places of one piece of code are read: a part at a time, since a large function has thousands of them, and the main thread is not to be kept for longer
//! than a slice.

use core::mem::take;

use memchr::memchr2_iter;

use super::{CallSites, Jump};
use crate::address_hash::AddressMap;
use crate::code::Code;
use crate::deopt_points::{self, Call, Exit, Place, Points};
use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{bytes_of, field};
use crate::optimized::{self, Inlined};
use crate::position_table::{Position, entries};
use crate::scratch::{Scratch, sized};

/// Code larger than this is not searched for jumps.
const MOST_BYTES: u32 = 4 << 20;
/// Calls and jumps that are looked at between two looks at the clock.
const STEPS: usize = if cfg!(test) { 1 } else { 16 };

/// See the module documentation. Good until the next major collection.
pub(crate) struct Reading {
    code: Code,
    /// The function that the code was made from.
    physical: u64,
    points: Points,
    positions: Vec<(i64, u64)>,
    calls: Vec<Call>,
    jumps: Vec<Jump>,
    /// Deoptimization points by where their exits lie ([`Points::by_exit`]).
    exits: Vec<Exit>,
    /// Which functions are inlined, by the inlined call: a piece of code has fewer of them than places. The innermost function's offset is that of the first place.
    chains: AddressMap<Option<u32>, Option<Vec<Inlined>>>,
    found: CallSites,
    /// Calls and jumps that have been looked at, the calls first.
    done: usize,
}

impl Reading {
    /// Reads the tables of Maglev's `code`, made from the function `physical`, into places of `scratch`, which `finish` gives back.
    pub(crate) fn begin<M: Memory>(
        memory: &M,
        layout: &Layout,
        code: &Code,
        physical: u64,
        scratch: &mut Scratch,
    ) -> Option<Self> {
        let Scratch {
            bytes,
            part: _,
            positions,
            calls,
            jumps,
            exits,
            sites,
        } = scratch;
        let points = Points::of(memory, layout, code)?;
        read_positions(memory, layout, code, bytes, positions)?;
        let table_end = positions
            .last()
            .and_then(|&(at, _)| u64::try_from(at).ok())?;
        find_jumps(memory, code, bytes, jumps);
        calls.clear();
        calls.extend(deopt_points::calls(memory, code, bytes)?.iter());
        sites.clear();
        points.by_exit(memory, layout, bytes, exits);
        let found = CallSites {
            table_end,
            slow: slow_paths(jumps, table_end),
            sites: take(sites),
            ..CallSites::default()
        };
        Some(Self {
            code: *code,
            physical,
            points,
            positions: take(positions),
            calls: take(calls),
            jumps: take(jumps),
            exits: take(exits),
            chains: AddressMap::default(),
            found,
            done: 0,
        })
    }

    /// Whether this is the reading of `code`, made from the function `physical`.
    pub(crate) fn is_of(&self, code: &Code, physical: u64) -> bool {
        self.code == *code && self.physical == physical
    }

    /// Looks at some more of the places, until `is_over`. Whether that were all.
    pub(crate) fn go_on<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        part: &mut Vec<u8>,
        is_over: &dyn Fn() -> bool,
    ) -> bool {
        loop {
            for _ in 0..STEPS {
                if let Some(&call) = self.calls.get(self.done) {
                    self.call(memory, layout, &call, part);
                } else if let Some(&jump) = self.jumps.get(self.done - self.calls.len()) {
                    self.jump(memory, layout, jump, part);
                } else {
                    return true;
                }
                self.done += 1;
            }
            if is_over() {
                return false;
            }
        }
    }

    /// All that was found.
    pub(crate) fn finish(self, scratch: &mut Scratch) -> CallSites {
        let mut found = self.found;
        found.sites.sort_by_key(|site| site.pc);
        let own = found.sites.as_slice().into();
        scratch.sites = core::mem::replace(&mut found.sites, own);
        scratch.positions = self.positions;
        scratch.calls = self.calls;
        scratch.jumps = self.jumps;
        scratch.exits = self.exits;
        found
    }

    fn call<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        call: &Call,
        part: &mut Vec<u8>,
    ) -> Option<()> {
        let places = self.points.at_call(memory, layout, call, part)?;
        if places.last()?.shared != self.physical {
            return None;
        }
        self.learn(memory, layout, call.returns_to.saturating_sub(1), &places)
    }

    fn jump<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        (at, target): Jump,
        part: &mut Vec<u8>,
    ) -> Option<()> {
        let point = self.point_of(target)?;
        let places = self.points.places(memory, layout, point, part)?;
        self.learn(memory, layout, at, &places)
    }

    /// The point whose exit lies at a pc offset.
    fn point_of(&self, at: u64) -> Option<u64> {
        let end = self.exits.partition_point(|&(exit, _)| exit <= at);
        let &(exit, point) = self.exits.get(end.checked_sub(1)?)?;
        (exit == at).then_some(point)
    }

    /// Takes in what the deoptimizer knows of a pc offset.
    fn learn<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        at: u64,
        places: &[Place],
    ) -> Option<()> {
        let pc = self.found.origin(at);
        let position = self.position(pc)?;
        let chain = self
            .chains
            .entry(position.inlining)
            .or_insert_with(|| {
                optimized::chain(memory, layout, &self.code, position, self.physical).ok()
            })
            .as_deref()?;
        self.found.learn(pc, position.offset, chain, places);
        Some(())
    }

    /// What the position table says of a pc offset.
    fn position(&self, pc: u64) -> Option<Position> {
        let pc = i64::try_from(pc).ok()?;
        let index = self
            .positions
            .partition_point(|&(at, _)| at <= pc)
            .checked_sub(1)?;
        Position::from_word(self.positions.get(index)?.1)
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
    jumps.extend(jumps_in(bytes));
}

/// Where something that looks like a jump begins, and where it leads.
pub(super) fn jumps_in(bytes: &[u8]) -> impl Iterator<Item = Jump> {
    let jump = |at: usize| {
        let window = bytes.get(at..at + 6)?.first_chunk::<6>()?;
        let at = at as u64;
        // jcc rel32 and jmp rel32.
        let (operand, end) = match *window {
            [0x0f, 0x80..=0x8f, a, b, c, d] => ([a, b, c, d], at + 6),
            [0xe9, a, b, c, d, _] => ([a, b, c, d], at + 5),
            _ => return None,
        };
        let target = end.checked_add_signed(i64::from(i32::from_le_bytes(operand)))?;
        (target < bytes.len() as u64).then_some((at, target))
    };
    memchr2_iter(0x0f, 0xe9, bytes).filter_map(jump)
}

/// The jumps forwards to what lies behind the end of the position table, by target; one for each.
pub(super) fn slow_paths(jumps: &[Jump], table_end: u64) -> Vec<(u64, u64)> {
    let mut slow: Vec<_> = jumps
        .iter()
        .filter(|&&(at, target)| target > table_end && at < target)
        .map(|&(at, target)| (target, at))
        .collect();
    slow.sort_unstable();
    slow.dedup_by_key(|&mut (start, _)| start);
    slow
}
