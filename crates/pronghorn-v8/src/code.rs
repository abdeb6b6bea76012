//! Compiled code: from a pc to its Code object.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, has_type, u32_field};
use crate::ranges::CodeRanges;

/// A Code object and what it says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// Tagged.
    pub(crate) object: u64,
    /// First instruction.
    pub(crate) start: u64,
    /// Bytes of instructions.
    pub(crate) size: u32,
    /// V8's code kind.
    pub(crate) kind: u32,
}

/// Instructions start at multiples of this many bytes.
const ALIGNMENT: u64 = 32;
/// The read-only space is smaller than this.
const READ_ONLY_BYTES: u64 = 4 << 20;
/// Code larger than this is not searched to its start.
const MOST_BYTES: u64 = 8 << 20;

/// Finds the code around `pc`: its InstructionStream lies in front of the first instruction, with the Code in its header.
///
/// `known_map` is the map of instruction streams, learned from the first one: machine code that looks like a pointer to a
/// map is not followed from then on. Until then only a pointer that lies near `other_map` is: V8 keeps the maps of its own
/// kinds of objects side by side, at the beginning of its read-only space.
pub(crate) fn find<M: Memory>(
    memory: &M,
    layout: &Layout,
    ranges: &CodeRanges,
    pc: u64,
    other_map: Option<u64>,
    known_map: &mut Option<u64>,
) -> Option<Code> {
    if !ranges.is_compiled(pc) {
        return None;
    }
    let table = &layout.unexported;
    let mut start = pc & !(ALIGNMENT - 1);
    let lowest = pc
        .saturating_sub(MOST_BYTES)
        .max(ranges.code_range.start + table.stream_header);
    let mut window = Window::new();
    while start >= lowest {
        let stream = start - table.stream_header + 1;
        // Code lies in one mapping with its header: unreadable memory in front means that there is none.
        let map = window.u64(memory, stream - 1)?;
        let may_be = match (*known_map, other_map) {
            (Some(known), _) => known == map,
            (None, Some(other)) => map & 7 == 1 && map.abs_diff(other) < READ_ONLY_BYTES,
            (None, None) => map & 7 == 1,
        };
        if may_be
            && has_type(memory, layout, stream, layout.types.instruction_stream)
            && let Some(code) =
                field(memory, stream, table.stream_code).and_then(|code| read(memory, layout, code))
            && code.start == start
        {
            *known_map = Some(map);
            // The first stream in front of the pc is the only one that can hold it.
            return (pc - start <= u64::from(code.size)).then_some(code);
        }
        start -= ALIGNMENT;
    }
    None
}

/// Bytes that are copied at a time, a part of a page: where one byte can be read, all of that can be.
const WINDOW: u64 = 1024;

/// Memory that is read downwards, a piece at a time: a load for each step of a search would be most of it.
struct Window {
    bytes: [u8; WINDOW as usize],
    /// Where the copied bytes lie; 0 for nowhere.
    low: u64,
}

impl Window {
    const fn new() -> Self {
        Self {
            bytes: [0; WINDOW as usize],
            low: 0,
        }
    }

    /// The aligned word at `address`.
    fn u64<M: Memory>(&mut self, memory: &M, address: u64) -> Option<u64> {
        let low = address & !(WINDOW - 1);
        if low != self.low {
            self.low = if memory.copy(low, &mut self.bytes) {
                low
            } else {
                0
            };
        }
        if self.low == 0 || address & 7 != 0 {
            return memory.u64(address);
        }
        let at = usize::try_from(address - low).ok()?;
        let word = self.bytes.get(at..at + 8)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*word))
    }
}

/// Reads a Code object.
pub(crate) fn read<M: Memory>(memory: &M, layout: &Layout, object: u64) -> Option<Code> {
    if !has_type(memory, layout, object, layout.types.code) {
        return None;
    }
    let table = &layout.unexported;
    Some(Code {
        object,
        start: field(memory, object, table.code_start)?,
        size: u32_field(memory, object, table.code_size)?,
        kind: u32_field(memory, object, table.code_flags)? & layout.compiled.kind_mask,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    #[test]
    fn words_are_the_same_in_pieces_and_one_by_one() {
        // It begins and ends in the middle of a piece.
        const BASE: u64 = 0x1_0000 + 40;
        const WORDS: u64 = 4 * WINDOW / 8;
        let mut image = Image::new(BASE, (WORDS * 8) as usize);
        for word in 0..WORDS {
            image.put_u64(BASE + word * 8, word);
        }
        let mut window = Window::new();
        for word in (0..WORDS).rev() {
            assert_eq!(window.u64(&image, BASE + word * 8), Some(word));
        }
        assert_eq!(window.u64(&image, BASE - 8), None);
        assert_eq!(window.u64(&image, BASE + 1004), image.u64(BASE + 1004));
    }
}
