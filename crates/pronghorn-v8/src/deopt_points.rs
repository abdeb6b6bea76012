//! Where a call in optimized code was in the bytecode, as the deoptimizer knows it.
//!
//! Maglev's position tables of 13.6 and 14.6 stand still inside a loop whose first round was peeled off: every call in the
//! loop then seems to be at its head. The safepoint table leads from a call's return address to its deoptimization point,
//! which names the bytecode. It tells the innermost function's place only; those of its callers stay with the inlining positions.

use crate::code::Code;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, has_type, smi};

/// Words per point: bytecode offset, translation, pc offset of its exit.
const WORDS: u64 = 3;
const MOST_CALLS: u32 = 1 << 16;
/// Bytes in front of the entries: stack slots, number of entries, sizes of their fields, tagged slots.
const HEADER: usize = 16;

/// A call in the safepoint table behind Maglev's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    point: u64,
    exit: u64,
}

/// The bytecode offset of the call that returns to `return_offset` in Maglev's `code`.
///
/// For a call out of an inlined builtin the word holds the builtin's number instead: the caller has to check that the
/// offset is one of a call. Nothing unless safepoint and deoptimization point name each other.
pub(crate) fn bytecode_offset<M: Memory>(
    memory: &M,
    layout: &Layout,
    code: &Code,
    return_offset: u64,
    buffer: &mut Vec<u8>,
) -> Option<u64> {
    let call = find_call(memory, code, return_offset, buffer)?;
    let data = field(memory, code.object, layout.unexported.code_deopt)?;
    let length = u64::try_from(smi(field(memory, data, layout.array_length)?)?).ok()?;
    // Behind the inlining positions: start of the exits, number of eager points, number of lazy ones, the points.
    let at = layout.compiled.inlining_positions + 4 + call.point * WORDS;
    if at + WORDS > length {
        return None;
    }
    let word = |index: u64| smi(field(memory, data, layout.array_data + (at + index) * 8)?);
    if u64::try_from(word(2)?).ok()? != call.exit {
        return None;
    }
    u64::try_from(word(0)?).ok()
}

fn find_call<M: Memory>(
    memory: &M,
    code: &Code,
    return_offset: u64,
    buffer: &mut Vec<u8>,
) -> Option<Call> {
    let table = code.start + u64::from(code.size);
    let count = memory.u32(table + 4)?;
    let sizes = memory.u32(table + 8)?;
    // Bit 0: points to deoptimize at; then three bits each for the sizes of registers, pcs and point numbers.
    let size = |shift: u32| ((sizes >> shift) & 7) as usize;
    let (registers, pc_size, point_size) = (size(1), size(4), size(7));
    if sizes & 1 == 0 || count > MOST_CALLS || pc_size > 4 || point_size > 4 {
        return None;
    }
    let entry = 2 * pc_size + point_size + 1 + registers;
    buffer.clear();
    buffer.resize(entry * count as usize, 0);
    if !memory.copy(table + HEADER as u64, buffer) {
        return None;
    }
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte))
    };
    let found = buffer
        .chunks_exact(entry)
        .find(|bytes| bytes.get(..pc_size).map(number) == Some(return_offset))?;
    // Both are stored plus one; 0 is none.
    let point = number(found.get(pc_size..pc_size + point_size)?).checked_sub(1)?;
    let exit = number(found.get(pc_size + point_size..2 * pc_size + point_size)?).checked_sub(1)?;
    Some(Call { point, exit })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{BASE, Heap, Random, VERSIONS};

    const START: u64 = BASE + 0x1000;
    const SIZE: u32 = 64;

    /// Maglev code with one call that returns to 0x120, whose point is number 1 and exits at 0x300.
    fn scene(exit_of_point: i32) -> (Heap, Code) {
        let mut heap = Heap::new(VERSIONS[2]);
        let layout = heap.layout;
        let first = layout.compiled.inlining_positions + 4;
        let data = heap.object(layout.types.fixed_array, 16 + 8 * (first + 6));
        heap.set_smi(data, 8, (first + 6) as i32);
        heap.set_smi(data, 16 + 8 * (first + 3), 31);
        heap.set_smi(data, 16 + 8 * (first + 5), exit_of_point);
        let code = heap.object(layout.types.code, 96);
        heap.set(code, layout.unexported.code_deopt, data);
        let table = START + u64::from(SIZE);
        for (index, word) in [5u32, 2, 0b00_1010_0001, 0].into_iter().enumerate() {
            heap.image.put_u32(table + index as u64 * 4, word);
        }
        // pc, point + 1, exit + 1, spilled slots; the first has no point.
        heap.image
            .put(table + 16, &[0x10, 0, 0, 0, 0, 0, 0x20, 1, 2, 1, 3, 0]);
        (
            heap,
            Code {
                object: code,
                start: START,
                size: SIZE,
                kind: 11,
            },
        )
    }

    #[test]
    fn a_return_address_leads_to_its_bytecode() {
        let (heap, code) = scene(0x300);
        let at =
            |offset| bytecode_offset(&heap.image, &heap.layout, &code, offset, &mut Vec::new());
        assert_eq!(at(0x120), Some(31));
        assert_eq!(at(0x10), None);
        assert_eq!(at(0x121), None);
    }

    #[test]
    fn a_point_that_names_another_exit_is_not_believed() {
        let (heap, code) = scene(0x301);
        assert_eq!(
            bytecode_offset(&heap.image, &heap.layout, &code, 0x120, &mut Vec::new()),
            None
        );
    }

    #[test]
    fn random_tables_end_and_never_panic() {
        let mut random = Random(9);
        for _ in 0..2000 {
            let (mut heap, code) = scene(0x300);
            let bytes = random.bytes(40);
            heap.image
                .put(START + u64::from(SIZE) + random.next() % 16, &bytes);
            let _ = bytecode_offset(
                &heap.image,
                &heap.layout,
                &code,
                random.next() % 512,
                &mut Vec::new(),
            );
        }
    }
}
