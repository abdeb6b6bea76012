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

/// Names of one function that are compared; glibc's system calls have about six.
const ALIASES: usize = 8;

/// The function found for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Start address before relocation.
    pub(crate) start: u64,
    /// Whether the table says how long the function is.
    is_sized: bool,
    /// Where its names stand among the names, unused places 0.
    names: [u32; ALIASES],
}

impl Found {
    /// Sized functions before labels, inner ones before outer ones.
    fn rank(&self) -> (bool, u64) {
        (self.is_sized, self.start)
    }

    fn add_alias(&mut self, name: u32) {
        if let Some(free) = self.names.iter_mut().find(|place| **place == 0) {
            *free = name;
        }
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
    let pages = Pages::of(addresses);
    let mut buffer = vec![0_u8; CHUNK];
    let mut position = table.symbols;
    let mut left = table.count;
    while left > 0 {
        let wanted = left.saturating_mul(SYMBOL_SIZE).min(CHUNK as u64) as usize;
        let bytes = source.read(position, buffer.get_mut(..wanted).unwrap_or_default());
        let (symbols, _) = bytes.as_chunks::<{ SYMBOL_SIZE as usize }>();
        let count = symbols.len() as u64;
        if count == 0 {
            break;
        }
        for symbol in symbols {
            visit(symbol, code, addresses, &pages, &mut found);
        }
        left = left.saturating_sub(count);
        position = position.saturating_add(count.saturating_mul(SYMBOL_SIZE));
    }
    found
}

/// The pages that addresses lie in, give or take some: a binary has 150,000 functions, of which some hundred are asked for, and nearly all of the
/// others are told by a bit.
struct Pages([u64; Pages::WORDS]);

impl Pages {
    const WORDS: usize = 512;
    const BITS: u64 = 512 * 64;
    /// Bytes, as a shift. Most functions are shorter.
    const SHIFT: u32 = 10;

    fn of(addresses: &[u64]) -> Self {
        let mut pages = Self([0; Self::WORDS]);
        for address in addresses {
            let (word, bit) = Self::place(address >> Self::SHIFT);
            if let Some(word) = pages.0.get_mut(word) {
                *word |= bit;
            }
        }
        pages
    }

    /// Pages that lie as far apart as there are bits share one.
    fn place(page: u64) -> (usize, u64) {
        let bit = page % Self::BITS;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    /// False if none of the addresses lies from `start` up to `end`.
    fn may_have(&self, start: u64, end: u64) -> bool {
        let (first, last) = (start >> Self::SHIFT, end.saturating_sub(1) >> Self::SHIFT);
        if first == last {
            return self.has(first);
        }
        // One that covers many, such as a label that reaches to its section's end, is looked at.
        last.saturating_sub(first) > 16 || (first..=last).any(|page| self.has(page))
    }

    fn has(&self, page: u64) -> bool {
        let (word, bit) = Self::place(page);
        self.0.get(word).is_none_or(|word| word & bit != 0)
    }
}

/// Offers one symbol to the addresses it covers.
fn visit(
    symbol: &[u8; SYMBOL_SIZE as usize],
    code: &[Option<Range<u64>>],
    addresses: &[u64],
    pages: &Pages,
    found: &mut [Option<Found>],
) {
    // What it is comes first: 30,000 of the 168,000 in the binary of Node 26 are no functions.
    let kind = symbol[4] & 0xf;
    if !matches!(kind, STT_FUNC | STT_GNU_IFUNC | STT_NOTYPE) {
        return;
    }
    let Some(Raw {
        name,
        section,
        start,
        size,
    }) = parse(symbol)
    else {
        return;
    };
    if section == 0 || name == 0 {
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
    if !pages.may_have(start, end) {
        return;
    }
    let mut names = [0; ALIASES];
    names[0] = name;
    let candidate = Found {
        start,
        is_sized: size > 0 && kind != STT_NOTYPE,
        names,
    };
    let first = addresses.partition_point(|&address| address < start);
    for (place, &address) in found.iter_mut().zip(addresses).skip(first) {
        if address >= end {
            break;
        }
        match place {
            Some(present) if present.rank() > candidate.rank() => {}
            Some(present) if present.rank() == candidate.rank() => present.add_alias(name),
            _ => *place = Some(candidate),
        }
    }
}

struct Raw {
    name: u32,
    section: u16,
    start: u64,
    size: u64,
}

fn parse(symbol: &[u8; SYMBOL_SIZE as usize]) -> Option<Raw> {
    Some(Raw {
        name: field!(symbol, u32, 0)?,
        section: field!(symbol, u16, 6)?,
        start: field!(symbol, u64, 8)?,
        size: field!(symbol, u64, 16)?,
    })
}

/// The mangled name of a found function: of several the one with the fewest leading underscores, which the library's
/// users know (`read`, not `__libc_read`), then the shortest.
pub(crate) fn name(source: &Source, table: &SymbolTable, found: &Found) -> Option<String> {
    let names = found
        .names
        .iter()
        .filter(|&&place| place != 0)
        .filter_map(|&place| read_name(source, table, place));
    names.min_by_key(|name| {
        (
            name.bytes().take_while(|&byte| byte == b'_').count(),
            name.len(),
        )
    })
}

/// The name at a place of the table's names.
fn read_name(source: &Source, table: &SymbolTable, place: u32) -> Option<String> {
    let start = table.names.start.checked_add(place.into())?;
    let room = table.names.end.checked_sub(start)?;
    let mut length = USUAL_NAME;
    loop {
        let mut buffer = vec![0_u8; (length as u64).min(room) as usize];
        let bytes = source.read(start, &mut buffer);
        if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
            let name = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
            return Some(name).filter(|name| !name.is_empty());
        }
        if bytes.len() < length || length >= MAX_NAME {
            return None;
        }
        length = length.saturating_mul(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_function_of_an_address_is_left_out() {
        let addresses = [0, 1023, 1024, 0x5000, 0x5fff, 0x123_4567, u64::MAX - 1];
        let pages = Pages::of(&addresses);
        let mut seen = 0;
        for &address in &addresses {
            for before in [0, 1, 1000, 5000, 1 << 20] {
                for behind in [1, 1000, 5000, 1 << 20] {
                    let (start, end) = (
                        address.saturating_sub(before),
                        address.saturating_add(behind),
                    );
                    assert!(
                        pages.may_have(start, end),
                        "{address:x} -{before} +{behind}"
                    );
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, addresses.len() * 20);
    }

    #[test]
    fn most_others_are() {
        let addresses: Vec<u64> = (0..100).map(|index| index * 0x4_1234).collect();
        let pages = Pages::of(&addresses);
        let others = (0..100_000u64).map(|index| 0x10 + index * 331);
        let looked_at = others.filter(|&start| pages.may_have(start, start + 300));
        assert!(looked_at.count() < 2_000);
    }
}
