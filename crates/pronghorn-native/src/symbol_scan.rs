//! Finding the functions of a few addresses in one pass over a symbol table.

use std::ops::Range;

use crate::elf::{SYMBOL_SIZE, SymbolTable, field};
use crate::symbol_source::Source;

/// Bytes of the table read at a time: a whole number of symbols.
const CHUNK: usize = 2730 * SYMBOL_SIZE as usize;
/// Longest symbol name that is read; a longer one counts as none.
const MAX_NAME: usize = 16 * 1024;
/// Bytes of a name read at first.
const USUAL_NAME: usize = 256;

const STT_NOTYPE: u8 = 0;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
const STB_LOCAL: u8 = 0;
const STB_WEAK: u8 = 2;

/// The best symbol found for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Start address before relocation.
    pub(crate) start: u64,
    /// Where the name stands among the names.
    name: u32,
    /// Whether the table says how long the function is.
    is_sized: bool,
    /// Global before weak before local, among names of the same function.
    rank: u8,
}

impl Found {
    /// Sized functions before labels, inner ones before outer ones, public names before private ones.
    fn is_better_than(&self, other: &Self) -> bool {
        (self.is_sized, self.start, self.rank) > (other.is_sized, other.start, other.rank)
    }
}

/// For each of the sorted `addresses` (before relocation) the function it lies in. `code` are the sections with code: a
/// label without a size reaches to the next symbol or its section's end.
pub(crate) fn scan(
    source: &Source,
    table: &SymbolTable,
    code: &[Option<Range<u64>>],
    addresses: &[u64],
) -> Vec<Option<Found>> {
    let mut found: Vec<Option<Found>> = vec![None; addresses.len()];
    let mut buffer = vec![0_u8; CHUNK];
    let mut position = table.symbols;
    let mut left = table.count;
    while left > 0 {
        let wanted = left.saturating_mul(SYMBOL_SIZE).min(CHUNK as u64) as usize;
        let bytes = source.read(position, buffer.get_mut(..wanted).unwrap_or_default());
        let symbols = bytes.chunks_exact(SYMBOL_SIZE as usize);
        let count = symbols.len() as u64;
        if count == 0 {
            break;
        }
        for symbol in symbols {
            visit(symbol, code, addresses, &mut found);
        }
        left = left.saturating_sub(count);
        position = position.saturating_add(count.saturating_mul(SYMBOL_SIZE));
    }
    found
}

/// Offers one symbol to the addresses it covers.
fn visit(
    symbol: &[u8],
    code: &[Option<Range<u64>>],
    addresses: &[u64],
    found: &mut [Option<Found>],
) {
    let Some(Raw {
        name,
        info,
        section,
        start,
        size,
    }) = parse(symbol)
    else {
        return;
    };
    let kind = info & 0xf;
    if !matches!(kind, STT_FUNC | STT_GNU_IFUNC | STT_NOTYPE) || section == 0 || name == 0 {
        return;
    }
    let end = if size > 0 && kind != STT_NOTYPE {
        start.saturating_add(size)
    } else {
        match code.get(usize::from(section)) {
            Some(Some(range)) if range.contains(&start) => range.end,
            _ => return,
        }
    };
    let rank = match info >> 4 {
        STB_LOCAL => 0,
        STB_WEAK => 1,
        _ => 2,
    };
    let candidate = Found {
        start,
        name,
        is_sized: size > 0 && kind != STT_NOTYPE,
        rank,
    };
    let first = addresses.partition_point(|&address| address < start);
    for (place, &address) in found.iter_mut().zip(addresses).skip(first) {
        if address >= end {
            break;
        }
        if place.is_none_or(|present| candidate.is_better_than(&present)) {
            *place = Some(candidate);
        }
    }
}

struct Raw {
    name: u32,
    info: u8,
    section: u16,
    start: u64,
    size: u64,
}

fn parse(symbol: &[u8]) -> Option<Raw> {
    Some(Raw {
        name: field!(symbol, u32, 0)?,
        info: *symbol.get(4)?,
        section: field!(symbol, u16, 6)?,
        start: field!(symbol, u64, 8)?,
        size: field!(symbol, u64, 16)?,
    })
}

/// The mangled name of a found symbol.
pub(crate) fn name(source: &Source, table: &SymbolTable, found: &Found) -> Option<String> {
    let start = table.names.start.checked_add(found.name.into())?;
    let room = table.names.end.checked_sub(start)?;
    let mut length = USUAL_NAME;
    loop {
        let mut buffer = vec![0_u8; (length as u64).min(room) as usize];
        let bytes = source.read(start, &mut buffer);
        if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
            return Some(String::from_utf8_lossy(bytes.get(..end)?).into_owned())
                .filter(|name| !name.is_empty());
        }
        if bytes.len() < length || length >= MAX_NAME {
            return None;
        }
        length = length.saturating_mul(8);
    }
}
