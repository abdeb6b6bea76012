//! From a script offset to a line.
//!
//! One count per script whose line ends V8 does not keep: the positions of its line ends, found by looking through the source as far as
//! somebody asks. Line ends are `\n`, `\r` without `\n` behind it, U+2028 and U+2029, as in V8. [`crate::line_search`] finds one line
//! without a table.

use crate::layout::Layout;
use crate::line_ends;
use crate::memory::Memory;
use crate::text;

/// Lines counted in one script at most; V8's own tables are believed up to the same length.
pub(crate) const MOST_LINES: i32 = 1 << 23;
/// Bytes of a source that are looked through at a time, a few dozen microseconds of work.
pub(crate) const CHUNK: usize = 1 << 16;

/// How far a count has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// As far as was asked.
    Enough,
    /// Time was up before that: it goes on from here.
    NotYet,
    /// The source cannot be read.
    Unreadable,
}

/// Line ends of one script, as far as they have been counted.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    scan: Scan<LineEnds>,
    is_whole: bool,
}

/// A look-up goes to the block of a script's characters that an offset lies in, and searches among the ends there: among all ends of a source of
/// 10 MB each step of a search is a cache miss.
const BLOCK: u32 = 1 << 10;

/// Line ends, kept.
#[derive(Debug, Default)]
pub(crate) struct LineEnds {
    /// Their character offsets, rising.
    ends: Vec<u32>,
    /// How many there are in front of each block of characters, up to the last one with an end in it.
    blocks: Vec<u32>,
}

impl LineEnds {
    /// How many line ends are in front of `offset`.
    fn before(&self, offset: u32) -> usize {
        let block = (offset / BLOCK) as usize;
        let count = |block: usize| self.blocks.get(block).map(|count| *count as usize);
        let first = count(block).unwrap_or(self.ends.len());
        let last = count(block + 1).unwrap_or(self.ends.len());
        let within = self.ends.get(first..last).unwrap_or_default();
        first + within.partition_point(|&end| end < offset)
    }
}

impl Lines {
    /// Whether the place of this offset is known.
    pub(crate) fn reach(&self, offset: u32) -> bool {
        self.is_whole || offset < self.scan.at
    }

    /// Goes on counting in `source` until the place of `offset` is known, or time is up; at least one chunk is looked through.
    /// `scratch` is as large as a chunk.
    pub(crate) fn count_to<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        source: u64,
        offset: u32,
        scratch: &mut [u8],
        is_late: &dyn Fn() -> bool,
    ) -> Counted {
        if self.reach(offset) {
            return Counted::Enough;
        }
        let chunk = scratch.len().min(CHUNK) & !1;
        let (mut readable, mut late) = (chunk > 0, false);
        let scan = &mut self.scan;
        let from = scan.at;
        let seen = text::pieces_from(memory, layout, source, from, &mut |piece| {
            let mut address = piece.address;
            let mut left = piece.length as usize * piece.width as usize;
            while left > 0 && readable {
                let size = left.min(chunk);
                let copied = scratch
                    .get_mut(..size)
                    .filter(|_| scan.ends.ends.len() < MOST_LINES as usize)
                    .filter(|part| !part.is_empty())
                    .and_then(|part| memory.copy(address, part).then_some(&*part));
                match copied {
                    Some(part) if piece.width == 1 => scan.one_byte(part),
                    Some(part) => scan.two_byte(part),
                    None => readable = false,
                }
                address += size as u64;
                left -= size;
                if scan.at > offset {
                    return false;
                }
                late = is_late();
                if late {
                    return false;
                }
            }
            readable
        });
        if seen.is_none() || !readable {
            return Counted::Unreadable;
        }
        if scan.at > offset {
            return Counted::Enough;
        }
        if late {
            return Counted::NotYet;
        }
        scan.settle(false);
        self.is_whole = true;
        Counted::Enough
    }

    /// The line of a script offset and the characters in front of it on that line, both from 0; as far as has been counted.
    pub(crate) fn place(&self, offset: u32) -> (u32, u32) {
        let line = self.scan.ends.before(offset);
        let ends = &self.scan.ends.ends;
        let before = line.checked_sub(1).and_then(|index| ends.get(index));
        let begin = before.map_or(0, |end| end + 1);
        (
            u32::try_from(line).unwrap_or(u32::MAX),
            offset.saturating_sub(begin),
        )
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        let LineEnds { ends, blocks } = &self.scan.ends;
        (ends.capacity() + blocks.capacity()) * 4
    }
}

/// Takes line ends as they are found, rising.
pub(crate) trait Ends {
    fn push(&mut self, end: u32);
}

impl Ends for LineEnds {
    fn push(&mut self, end: u32) {
        // Those up to the one that it lies in begin behind all ends so far.
        let blocks = (end / BLOCK) as usize + 1;
        if self.blocks.len() < blocks {
            let count = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
            self.blocks.resize(blocks, count);
        }
        self.ends.push(end);
    }
}

/// A scan over chunks; a `\r` at the end of one waits for the next character.
#[derive(Debug, Default)]
pub(crate) struct Scan<E> {
    pub(crate) ends: E,
    /// Characters in front of the next chunk.
    pub(crate) at: u32,
    pub(crate) pending_return: bool,
}

impl<E: Ends> Scan<E> {
    /// The character behind the last chunk is known.
    pub(crate) fn settle(&mut self, next_is_newline: bool) {
        if core::mem::take(&mut self.pending_return) && !next_is_newline {
            self.ends.push(self.at - 1);
        }
    }

    pub(crate) fn one_byte(&mut self, chunk: &[u8]) {
        self.settle(chunk.first() == Some(&b'\n'));
        line_ends::each(chunk, |index| {
            let is_return = chunk.get(index) == Some(&b'\r');
            match chunk.get(index + 1) {
                Some(b'\n') if is_return => {}
                None if is_return => self.pending_return = true,
                _ => self.ends.push(self.at + index as u32),
            }
        });
        self.at += chunk.len() as u32;
    }

    pub(crate) fn two_byte(&mut self, chunk: &[u8]) {
        let units = chunk.as_chunks::<2>().0;
        let unit = |index: usize| units.get(index).map(|pair| u16::from_le_bytes(*pair));
        self.settle(unit(0) == Some(0x0a));
        for (index, pair) in units.iter().enumerate() {
            match u16::from_le_bytes(*pair) {
                0x0a | 0x2028 | 0x2029 => self.ends.push(self.at + index as u32),
                0x0d => match unit(index + 1) {
                    Some(0x0a) => {}
                    None => self.pending_return = true,
                    Some(_) => self.ends.push(self.at + index as u32),
                },
                _ => {}
            }
        }
        self.at += units.len() as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::test_support::{Heap, VERSIONS};

    /// Counts to `offset` in `pieces` of time: after so many chunks it is late.
    fn count(heap: &Heap, source: u64, offset: u32, chunks: usize) -> (Lines, Vec<Counted>) {
        let mut lines = Lines::default();
        let mut scratch = vec![0; CHUNK];
        let mut all = Vec::new();
        loop {
            let looks = Cell::new(0);
            let is_late = || {
                looks.set(looks.get() + 1);
                looks.get() >= chunks
            };
            let (image, layout) = (&heap.image, &heap.layout);
            let counted = lines.count_to(image, layout, source, offset, &mut scratch, &is_late);
            all.push(counted);
            if counted != Counted::NotYet {
                return (lines, all);
            }
        }
    }

    fn string(source: &str, wide: bool) -> (Heap, u64) {
        let mut heap = Heap::with_room(VERSIONS[1], 2 << 20);
        let source = if wide {
            heap.wide(source)
        } else {
            heap.text(source)
        };
        (heap, source)
    }

    fn lines_of(source: &str, wide: bool) -> Lines {
        let (heap, source) = string(source, wide);
        let (lines, counted) = count(&heap, source, u32::MAX, usize::MAX);
        assert_eq!(counted, [Counted::Enough]);
        lines
    }

    #[test]
    fn line_ends_of_every_kind() {
        for wide in [false, true] {
            let lines = lines_of("a\nb\r\nc\rd\n\ne\r", wide);
            // Offsets of the ends: \n 1, \n 4 (of \r\n), \r 6, \n 8, \n 9, \r 11.
            assert_eq!(lines.scan.ends.ends, [1, 4, 6, 8, 9, 11], "wide {wide}");
            assert_eq!(lines.place(0), (0, 0));
            assert_eq!(lines.place(1), (0, 1), "the end itself");
            assert_eq!(lines.place(2), (1, 0));
            assert_eq!(lines.place(5), (2, 0), "behind \\r\\n");
            assert_eq!(lines.place(12), (6, 0));
        }
        assert_eq!(lines_of("a\u{2028}b\u{2029}c", true).scan.ends.ends, [1, 3]);
    }

    #[test]
    fn a_return_at_a_chunks_end_waits_for_the_next_character() {
        for wide in [false, true] {
            let per_chunk = if wide { CHUNK / 2 } else { CHUNK };
            for (behind, ends) in [
                ("\nx", vec![per_chunk as u32]),
                ("x", vec![per_chunk as u32 - 1]),
            ] {
                let mut source = "x".repeat(per_chunk - 1);
                source.push('\r');
                source.push_str(behind);
                assert_eq!(lines_of(&source, wide).scan.ends.ends, ends, "wide {wide}");
            }
        }
    }

    #[test]
    fn lines_longer_and_shorter_than_a_block_are_found() {
        let long = "x".repeat(2 * BLOCK as usize + 5);
        let source = [
            "a\n".repeat(3000),
            long.clone(),
            "\n\n".into(),
            long,
            "b\nc".repeat(2000),
        ]
        .concat();
        let lines = lines_of(&source, false);
        let ends = &lines.scan.ends.ends;
        for offset in 0..=source.len() as u32 {
            let line = ends.partition_point(|&end| end < offset);
            assert_eq!(lines.scan.ends.before(offset), line, "{offset}");
        }
        // One in front of the next block's first character, one at it.
        let ends: Vec<u32> = [BLOCK - 1, BLOCK, 5 * BLOCK].into();
        let mut kept = LineEnds::default();
        for &end in &ends {
            kept.push(end);
        }
        let counts = [BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK, 5 * BLOCK, 9 * BLOCK];
        assert_eq!(counts.map(|offset| kept.before(offset)), [0, 1, 2, 2, 2, 3]);
    }

    #[test]
    fn it_counts_no_further_than_it_is_asked() {
        let source = "x\n".repeat(CHUNK * 2);
        let (heap, string) = string(&source, false);
        let (lines, counted) = count(&heap, string, 10, usize::MAX);
        assert_eq!(counted, [Counted::Enough]);
        assert_eq!(lines.scan.at, CHUNK as u32);
        assert!(lines.reach(CHUNK as u32 - 1) && !lines.reach(CHUNK as u32));
    }

    #[test]
    fn one_that_runs_out_of_time_goes_on_where_it_stopped() {
        for wide in [false, true] {
            let source = "a\r\nbb\rc\n".repeat(CHUNK / 2);
            let (heap, string) = string(&source, wide);
            let last = source.len() as u32 - 1;
            let (whole, counted) = count(&heap, string, last, usize::MAX);
            assert_eq!(counted, [Counted::Enough]);
            let (pieced, counted) = count(&heap, string, last, 1);
            let chunks = source.len() * if wide { 2 } else { 1 } / CHUNK;
            assert_eq!(counted.len(), chunks, "one chunk at a time");
            assert_eq!(pieced.scan.ends.ends, whole.scan.ends.ends);
            assert_eq!(pieced.place(last), whole.place(last));
        }
    }

    #[test]
    fn what_is_no_string_is_unreadable() {
        let mut heap = Heap::new(VERSIONS[1]);
        let other = heap.object(heap.layout.types.fixed_array, 64);
        let (_, counted) = count(&heap, other, 10, usize::MAX);
        assert_eq!(counted, [Counted::Unreadable]);
    }
}
