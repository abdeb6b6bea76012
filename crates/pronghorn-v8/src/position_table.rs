//! Source position tables: from a code or bytecode offset to a position word.
//!
//! A table is a run of pairs, delta of the offset and delta of the position word, both variable-length quantities of
//! seven bits a byte, low bits first. The last pair whose offset is not greater than the wanted one counts.

use crate::table::PositionEncoding;

/// A position word, split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Offset into the script's source, in characters.
    pub(crate) offset: u32,
    /// Index into the inlining positions, if the code was inlined.
    pub(crate) inlining: Option<u32>,
}

impl Position {
    /// Splits a word: bit 0 external, bits 1 to 30 script offset + 1, bits 31 to 46 inlining id + 1. Nothing for words that
    /// name no script position.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        if word & 1 != 0 {
            return None;
        }
        let offset = (((word >> 1) & 0x3fff_ffff) as u32).checked_sub(1)?;
        Some(Self {
            offset,
            inlining: (((word >> 31) & 0xffff) as u32).checked_sub(1),
        })
    }
}

/// Reads quantities from a byte slice.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// A plain byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// An unsigned quantity; nothing at the end, or if it has more than 64 bits.
    #[inline]
    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        // Nearly all of them.
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Some(u64::from(*byte));
        }
        self.longer()
    }

    fn longer(&mut self) -> Option<u64> {
        let mut value = 0u64;
        let mut shift = 0;
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            if shift > 63 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
    }

    /// A signed quantity, the sign in the lowest bit.
    #[inline]
    pub(crate) fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

/// The outcome of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The position word in force.
    Word(u64),
    /// The offset lies in front of the first entry, or the table is empty.
    Before,
    /// The table makes no sense.
    Damaged,
}

/// Looks `offset` up in `table`.
pub(crate) fn look_up(table: &[u8], encoding: PositionEncoding, offset: u64) -> Lookup {
    let wanted = i64::try_from(offset).unwrap_or(i64::MAX);
    let mut found = Lookup::Before;
    for entry in entries(table, encoding) {
        match entry {
            Some((at, _)) if at > wanted => return found,
            Some((_, word)) => found = Lookup::Word(word),
            None => return Lookup::Damaged,
        }
    }
    found
}

/// All entries of a table: offset and position word. An empty one at the place where the table makes no sense.
pub(crate) fn entries(
    table: &[u8],
    encoding: PositionEncoding,
) -> impl Iterator<Item = Option<(i64, u64)>> {
    let mut reader = Reader::new(table);
    // The first delta counts from -1 in bytecode tables and in code tables alike.
    let mut at = -1i64;
    let mut position = 0i64;
    core::iter::from_fn(move || {
        if reader.is_empty() {
            return None;
        }
        let delta = match encoding {
            PositionEncoding::ZigZag => reader
                .signed()
                .map(|delta| if delta >= 0 { delta } else { !delta }),
            PositionEncoding::Packed => reader
                .unsigned()
                .and_then(|word| i64::try_from(word >> 2).ok()),
        };
        let entry = delta
            .filter(|&delta| delta < 1 << 32)
            .zip(reader.signed())
            .and_then(|(delta, change)| {
                at += delta;
                position = position.wrapping_add(change);
                Some((at, u64::try_from(position).ok()?))
            });
        if entry.is_none() {
            reader = Reader::new(&[]);
        }
        Some(entry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Random, VERSIONS, layout, positions, word};

    #[test]
    fn both_encodings_find_the_last_entry_not_behind() {
        for version in VERSIONS {
            let layout = layout(version);
            let table = positions(
                &layout,
                &[(0, word(10)), (7, word(5)), (7, word(900)), (300, word(2))],
            );
            let at = |offset| look_up(&table, layout.unexported.encoding, offset);
            assert_eq!(at(0), Lookup::Word(word(10)), "{version}");
            assert_eq!(at(6), Lookup::Word(word(10)));
            assert_eq!(at(7), Lookup::Word(word(900)));
            assert_eq!(at(299), Lookup::Word(word(900)));
            assert_eq!(at(300), Lookup::Word(word(2)));
            assert_eq!(at(u64::MAX), Lookup::Word(word(2)));
        }
    }

    #[test]
    fn an_offset_in_front_of_the_first_entry_has_no_position() {
        let layout = layout(VERSIONS[4]);
        let table = positions(&layout, &[(4, word(1))]);
        assert_eq!(
            look_up(&table, layout.unexported.encoding, 3),
            Lookup::Before
        );
        assert_eq!(look_up(&[], layout.unexported.encoding, 3), Lookup::Before);
    }

    #[test]
    fn negative_deltas_stand_for_expressions() {
        // Delta 3 as a statement is 6, as an expression (-4) 7; both move three on from -1.
        for first in [6, 7] {
            let table = [first, 2 * 22];
            assert_eq!(
                look_up(&table, PositionEncoding::ZigZag, 2),
                Lookup::Word(22)
            );
            assert_eq!(look_up(&table, PositionEncoding::ZigZag, 1), Lookup::Before);
        }
    }

    #[test]
    fn position_words_split() {
        assert_eq!(
            Position::from_word(word(41)),
            Some(Position {
                offset: 41,
                inlining: None
            })
        );
        assert_eq!(
            Position::from_word(word(41) | (3 << 31)),
            Some(Position {
                offset: 41,
                inlining: Some(2)
            })
        );
        assert_eq!(Position::from_word(word(41) | 1), None);
        assert_eq!(Position::from_word(0), None);
    }

    #[test]
    fn random_bytes_end_and_never_panic() {
        let mut random = Random(7);
        for round in 0..2000 {
            let table = random.bytes(round % 97);
            for encoding in [PositionEncoding::ZigZag, PositionEncoding::Packed] {
                let _ = look_up(&table, encoding, random.next() % 5000);
            }
        }
        assert_eq!(
            look_up(&[0xff; 40], PositionEncoding::Packed, 0),
            Lookup::Damaged
        );
    }
}
