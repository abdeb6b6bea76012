//! Maglev and turbofan code: the functions inlined at a pc, and their positions.

use crate::code::Code;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{bytes_of, field, has_type, smi_field};
use crate::position_table::{Lookup, Position, look_up};

/// A function of a physical frame and the script offset it was at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inlined {
    /// Tagged SharedFunctionInfo; 0 for the physical function, if it could not be read.
    pub(crate) shared: u64,
    pub(crate) offset: u32,
    /// The inlined call that this is; nothing for the physical function.
    pub(crate) inlining: Option<u32>,
}

/// Stands in for the script offset of a builtin.
pub(crate) const BUILTIN: u32 = u32::MAX;

/// Inlining is this deep at most.
const DEEPEST: usize = 64;
/// Bytes of an inlining position: a position word and the inlined function's id, padded.
const ENTRY: u64 = 16;

/// What a lookup gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Innermost function first, the physical one last.
    Frames(Vec<Inlined>),
    /// The table has no position for this pc.
    NoPosition,
    /// An invariant does not hold; the sentence says which.
    Damaged(&'static str),
}

/// The SharedFunctionInfo that optimized code was made from.
pub(crate) fn physical_function<M: Memory>(
    memory: &M,
    layout: &Layout,
    code: &Code,
) -> Option<u64> {
    let data = field(memory, code.object, layout.unexported.code_deopt)?;
    let length = u64::try_from(smi_field(memory, data, layout.array_length)?).ok()?;
    if layout.compiled.shared >= length {
        return None;
    }
    let mut shared = element(memory, layout, data, layout.compiled.shared)?;
    if layout.compiled.shared_is_wrapped
        && has_type(
            memory,
            layout,
            shared,
            layout.types.shared_function_info_wrapper,
        )
    {
        shared = field(memory, shared, layout.compiled.wrapper_shared)?;
    }
    has_type(memory, layout, shared, layout.types.shared_function_info).then_some(shared)
}

/// Looks a pc offset up. `physical` is the frame's function, 0 if unknown.
pub(crate) fn frames_at<M: Memory>(
    memory: &M,
    layout: &Layout,
    code: &Code,
    pc_offset: u64,
    physical: u64,
    table: &mut Vec<u8>,
) -> Outcome {
    let Some(positions) = field(memory, code.object, layout.unexported.code_positions) else {
        return Outcome::Damaged("the code cannot be read");
    };
    let Some((address, length)) = bytes_of(memory, layout, positions) else {
        return Outcome::Damaged("the position table is no byte array");
    };
    table.clear();
    table.resize(length, 0);
    if !memory.copy(address, table) {
        return Outcome::Damaged("the position table cannot be read");
    }
    let word = match look_up(table, layout.unexported.encoding, pc_offset) {
        Lookup::Word(word) => word,
        Lookup::Before => return Outcome::NoPosition,
        Lookup::Damaged => return Outcome::Damaged("the position table is damaged"),
    };
    let Some(position) = Position::from_word(word) else {
        return Outcome::NoPosition;
    };
    if position.inlining.is_none() {
        return Outcome::Frames(vec![Inlined {
            shared: physical,
            offset: position.offset,
            inlining: None,
        }]);
    }
    match chain(memory, layout, code, position, physical) {
        Ok(frames) => Outcome::Frames(frames),
        Err(reason) => Outcome::Damaged(reason),
    }
}

/// Follows the inlining positions outwards: the innermost function first, the physical one last.
pub(crate) fn chain<M: Memory>(
    memory: &M,
    layout: &Layout,
    code: &Code,
    innermost: Position,
    physical: u64,
) -> Result<Vec<Inlined>, &'static str> {
    let mut frames = Vec::new();
    walk_chain(memory, layout, code, innermost, physical, &mut |frame| {
        frames.push(frame);
    })?;
    Ok(frames)
}

/// The same without an allocation: gives each to `visit`. An error may come after some.
pub(crate) fn walk_chain<M: Memory>(
    memory: &M,
    layout: &Layout,
    code: &Code,
    innermost: Position,
    physical: u64,
    visit: &mut dyn FnMut(Inlined),
) -> Result<(), &'static str> {
    let data =
        field(memory, code.object, layout.unexported.code_deopt).ok_or("no deoptimization data")?;
    let get = |index: u64| element(memory, layout, data, index);
    let literals = get(layout.compiled.literals).ok_or("no deoptimization literals")?;
    let positions = get(layout.compiled.inlining_positions).ok_or("no inlining positions")?;
    let count = get(layout.compiled.inlined_count)
        .and_then(crate::object::smi)
        .and_then(|count| u64::try_from(count).ok())
        .ok_or("no count of inlined functions")?;
    let (start, bytes) =
        bytes_of(memory, layout, positions).ok_or("the inlining positions are no byte array")?;
    let entries = bytes as u64 / ENTRY;
    let mut depth = 0;
    let mut position = innermost;
    while let Some(id) = position.inlining.map(u64::from) {
        if depth >= DEEPEST {
            return Err("inlined too deep");
        }
        depth += 1;
        if id >= entries {
            return Err("an inlining id lies out of bounds");
        }
        let entry = start + id * ENTRY;
        let function = memory
            .u32(entry + 8)
            .ok_or("an inlining position cannot be read")?
            .cast_signed();
        // -1: the inlined function was never materialized; only builtins are that.
        if let Ok(function) = u64::try_from(function) {
            if function >= count {
                return Err("an inlined function's id lies out of bounds");
            }
            let literal =
                element(memory, layout, literals, function).ok_or("a literal cannot be read")?;
            let shared = (literal & !3) | 1;
            if !has_type(memory, layout, shared, layout.types.shared_function_info) {
                return Err("an inlined function is no SharedFunctionInfo");
            }
            visit(Inlined {
                shared,
                offset: position.offset,
                inlining: position.inlining,
            });
        }
        let word = memory
            .u64(entry)
            .ok_or("an inlining position cannot be read")?;
        match Position::from_word(word) {
            Some(outer) => position = outer,
            None => return Err("an inlining position is no position"),
        }
    }
    visit(Inlined {
        shared: physical,
        offset: position.offset,
        inlining: None,
    });
    Ok(())
}

/// Element of a FixedArray-like array (weak and trusted ones have the same shape).
fn element<M: Memory>(memory: &M, layout: &Layout, array: u64, index: u64) -> Option<u64> {
    let length = u64::try_from(smi_field(memory, array, layout.array_length)?).ok()?;
    if index >= length {
        return None;
    }
    field(memory, array, layout.array_data + index * 8)
}
