//! Where a call in optimized code was in the bytecode, as the deoptimizer knows it.
//!
//! Maglev's position tables of 13.6 and 14.6 stand still inside a loop whose first round was peeled off: every call in the
//! loop then seems to be at its head. The deoptimization data names the bytecode of each call, under the call's return
//! address. It tells the innermost function's place only; those of its callers stay with the inlining positions.

use crate::code::Code;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, has_type, smi};

/// Words per point: bytecode offset, translation, pc offset.
const WORDS: usize = 3;
const MOST_POINTS: usize = 1 << 16;

/// The bytecode offset of the call that returns to `return_offset` in `code`.
///
/// For a call out of an inlined builtin the word holds the builtin's number instead: the caller has to check that the
/// offset is one of a call.
pub(crate) fn bytecode_offset<M: Memory>(
    memory: &M,
    layout: &Layout,
    code: &Code,
    return_offset: u64,
    buffer: &mut Vec<u8>,
) -> Option<u64> {
    let data = field(memory, code.object, layout.unexported.code_deopt)?;
    let length = usize::try_from(smi(field(memory, data, layout.array_length)?)?).ok()?;
    // Behind the inlining positions: start of the exits, number of eager points, number of lazy ones, the points.
    let first = usize::try_from(layout.compiled.inlining_positions).ok()? + 4;
    let points = length.checked_sub(first)? / WORDS;
    if points > MOST_POINTS {
        return None;
    }
    buffer.clear();
    buffer.resize((points * WORDS + 2) * 8, 0);
    let start = data - 1 + layout.array_data + (first as u64 - 2) * 8;
    if !memory.copy(start, buffer) {
        return None;
    }
    let words = buffer.as_chunks::<8>().0;
    let number = |index: usize| {
        words
            .get(index)
            .and_then(|word| smi(u64::from_le_bytes(*word)))
    };
    let (eager, lazy) = (
        usize::try_from(number(0)?).ok()?,
        usize::try_from(number(1)?).ok()?,
    );
    if eager.checked_add(lazy)? != points || first + points * WORDS != length {
        return None;
    }
    (eager..points)
        .map(|point| 2 + point * WORDS)
        .find(|&at| number(at + 2).is_some_and(|pc| i64::from(pc).cast_unsigned() == return_offset))
        .and_then(|at| u64::try_from(number(at)?).ok())
}

/// The BytecodeArray of a function, whatever stands in front of it: nothing, baseline code or interpreter data.
pub(crate) fn bytecode_of<M: Memory>(memory: &M, layout: &Layout, shared: u64) -> Option<u64> {
    let is_bytecode = |tagged: u64| has_type(memory, layout, tagged, layout.types.bytecode_array);
    // The function's data is its first field on every version.
    let data = field(memory, shared, 8)?;
    if is_bytecode(data) {
        return Some(data);
    }
    let data = if has_type(memory, layout, data, layout.types.code) {
        field(memory, data, layout.unexported.code_deopt)?
    } else {
        data
    };
    if is_bytecode(data) {
        return Some(data);
    }
    (1..3)
        .filter_map(|index| field(memory, data, index * 8))
        .find(|&word| is_bytecode(word))
}
