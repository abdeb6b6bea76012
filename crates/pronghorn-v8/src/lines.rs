//! From a script offset to a line.
//!
//! One table per script: the positions of its line ends, taken from V8 where V8 keeps them, else found by scanning the
//! source once. Line ends are `\n`, `\r` without `\n` behind it, U+2028 and U+2029, as in V8. [`crate::line_search`] finds one line
//! without a table.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, has_type, smi, smi_field};
use crate::text;

/// Line ends of one script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    // Character offsets of line ends, rising.
    ends: Vec<u32>,
}

/// Characters scanned at most: V8 allows about 2^29.
const MOST_CHARACTERS: u32 = 1 << 29;
pub(crate) const MOST_LINES: i32 = 1 << 24;
const CHUNK: usize = 1 << 16;

impl Lines {
    /// The table of the script at `tagged`; nothing if its source cannot be read.
    pub(crate) fn of_script<M: Memory>(memory: &M, layout: &Layout, script: u64) -> Option<Self> {
        let kept = field(memory, script, layout.script.line_ends)?;
        if let Some(ends) = from_v8(memory, layout, kept) {
            return Some(Self { ends });
        }
        let source = field(memory, script, layout.script.source)?;
        Self::of_source(memory, layout, source)
    }

    /// Scans a source string.
    pub(crate) fn of_source<M: Memory>(memory: &M, layout: &Layout, source: u64) -> Option<Self> {
        let mut scan = Scan {
            ends: Vec::new(),
            at: 0,
            pending_return: false,
        };
        let mut buffer = vec![0u8; CHUNK];
        let mut whole = true;
        text::pieces(memory, layout, source, MOST_CHARACTERS, &mut |piece| {
            let mut address = piece.address;
            let mut left = piece.length as usize * piece.width as usize;
            while left > 0 {
                let size = left.min(CHUNK);
                let Some(chunk) = buffer.get_mut(..size) else {
                    return false;
                };
                if !memory.copy(address, chunk) {
                    whole = false;
                    return false;
                }
                if piece.width == 1 {
                    scan.one_byte(chunk)
                } else {
                    scan.two_byte(chunk)
                }
                address += size as u64;
                left -= size;
            }
            true
        })?;
        whole.then(|| scan.finish())
    }

    /// The line of a script offset, from 0.
    pub(crate) fn line(&self, offset: u32) -> u32 {
        u32::try_from(self.ends.partition_point(|&end| end < offset)).unwrap_or(u32::MAX)
    }

    /// The line of a script offset and the characters in front of it on that line, both from 0.
    pub(crate) fn place(&self, offset: u32) -> (u32, u32) {
        let line = self.line(offset);
        let before = (line as usize).checked_sub(1);
        let begin = before
            .and_then(|index| self.ends.get(index))
            .map_or(0, |end| end + 1);
        (line, offset.saturating_sub(begin))
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.ends.capacity() * 4
    }
}

/// V8's own line ends: a FixedArray of Smis, rising.
fn from_v8<M: Memory>(memory: &M, layout: &Layout, array: u64) -> Option<Vec<u32>> {
    if !has_type(memory, layout, array, layout.types.fixed_array) {
        return None;
    }
    let length = smi_field(memory, array, layout.array_length)?;
    if !(1..MOST_LINES).contains(&length) {
        return None;
    }
    let length = usize::try_from(length).ok()?;
    let mut bytes = vec![0u8; length * 8];
    if !memory.copy(array - 1 + layout.array_data, &mut bytes) {
        return None;
    }
    let mut ends = Vec::with_capacity(length);
    let mut last = None;
    for word in bytes.as_chunks::<8>().0 {
        let end = u32::try_from(smi(u64::from_le_bytes(*word))?).ok()?;
        if last.is_some_and(|last| end < last) {
            return None;
        }
        last = Some(end);
        ends.push(end);
    }
    Some(ends)
}

/// Takes line ends as they are found, rising.
pub(crate) trait Ends {
    fn push(&mut self, end: u32);
}

impl Ends for Vec<u32> {
    fn push(&mut self, end: u32) {
        Vec::push(self, end);
    }
}

/// A scan over chunks; a `\r` at the end of one waits for the next character.
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
        for index in memchr::memchr2_iter(b'\n', b'\r', chunk) {
            let is_return = chunk.get(index) == Some(&b'\r');
            match chunk.get(index + 1) {
                Some(b'\n') if is_return => {}
                None if is_return => self.pending_return = true,
                _ => self.ends.push(self.at + index as u32),
            }
        }
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

impl Scan<Vec<u32>> {
    fn finish(mut self) -> Lines {
        self.settle(false);
        Lines { ends: self.ends }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Heap, VERSIONS};

    fn lines_of(source: &str, wide: bool) -> Lines {
        let mut heap = Heap::new(VERSIONS[1]);
        let source = if wide {
            heap.wide(source)
        } else {
            heap.text(source)
        };
        Lines::of_source(&heap.image, &heap.layout, source).unwrap()
    }

    #[test]
    fn line_ends_of_every_kind() {
        for wide in [false, true] {
            let lines = lines_of("a\nb\r\nc\rd\n\ne\r", wide);
            // Offsets of the ends: \n 1, \n 4 (of \r\n), \r 6, \n 8, \n 9, \r 11.
            assert_eq!(lines.ends, [1, 4, 6, 8, 9, 11], "wide {wide}");
            assert_eq!(lines.line(0), 0);
            assert_eq!(lines.line(1), 0);
            assert_eq!(lines.line(2), 1);
            assert_eq!(lines.line(5), 2);
            assert_eq!(lines.line(12), 6);
            assert_eq!(lines.place(0), (0, 0));
            assert_eq!(lines.place(1), (0, 1), "the end itself");
            assert_eq!(lines.place(5), (2, 0), "behind \\r\\n");
            assert_eq!(lines.place(12), (6, 0));
        }
        assert_eq!(lines_of("a\u{2028}b\u{2029}c", true).ends, [1, 3]);
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
                assert_eq!(lines_of(&source, wide).ends, ends, "wide {wide}");
            }
        }
    }

    #[test]
    fn v8s_own_line_ends_are_taken() {
        let mut heap = Heap::new(VERSIONS[2]);
        let (name, source) = (heap.text("a.js"), heap.text("x"));
        let script = heap.script(1, name, source);
        let ends = heap.object(heap.layout.types.fixed_array, 64);
        heap.set_smi(ends, 8, 2);
        heap.set_smi(ends, 16, 10);
        heap.set_smi(ends, 24, 20);
        heap.set(script, heap.layout.script.line_ends, ends);
        assert_eq!(
            Lines::of_script(&heap.image, &heap.layout, script)
                .unwrap()
                .ends,
            [10, 20]
        );
        // One that does not rise is not believed: the source is scanned.
        heap.set_smi(ends, 24, 3);
        assert_eq!(
            Lines::of_script(&heap.image, &heap.layout, script)
                .unwrap()
                .ends,
            Vec::<u32>::new()
        );
    }
}
