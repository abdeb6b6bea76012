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
    while start >= lowest {
        let stream = start - table.stream_header + 1;
        // Code lies in one mapping with its header: unreadable memory in front means that there is none.
        let map = memory.u64(stream - 1)?;
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
