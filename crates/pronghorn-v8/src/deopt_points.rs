//! Where a call in Maglev's code was in the bytecode, as the deoptimizer knows it.
//!
//! Maglev's position tables of 13.6 and 14.6 stand still inside a loop whose first round was peeled off: every call in the
//! loop then seems to be at its head, in the functions that were inlined there too. Deoptimization points know better:
//! the safepoint table leads from a call's return address to the point that the call would deoptimize to, and the point's
//! translation names all functions there, with the bytecode offset of each.

use crate::code::Code;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{bytes_of, field, has_type, smi};
use crate::translation::{Frame, Operations};

/// Words per point: bytecode offset, translation, pc offset of its exit.
const WORDS: u64 = 3;
const MOST_CALLS: u32 = 1 << 16;
const MOST_POINTS: u64 = 1 << 16;
/// Bytes in front of the entries of the safepoint table: stack slots, number of entries, sizes of their fields, tagged slots.
const HEADER: u64 = 16;

/// A function and the bytecode offset it was at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Tagged SharedFunctionInfo.
    pub(crate) shared: u64,
    /// Tagged BytecodeArray; 0 for a builtin.
    pub(crate) bytecode: u64,
    /// Bytecode offset.
    pub(crate) offset: u64,
}

/// A call in the safepoint table behind Maglev's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Pc offset it returns to.
    pub(crate) returns_to: u64,
    /// Number of its deoptimization point.
    pub(crate) point: u64,
    exit: u64,
}

/// The calls of Maglev's `code` that have a deoptimization point.
pub(crate) fn calls<M: Memory>(memory: &M, code: &Code) -> Option<Vec<Call>> {
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
    let mut bytes = vec![0; entry * count as usize];
    if !memory.copy(table + HEADER, &mut bytes) {
        return None;
    }
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte))
    };
    let call = |bytes: &[u8]| {
        Some(Call {
            returns_to: number(bytes.get(..pc_size)?),
            // Both are stored plus one; 0 is none.
            point: number(bytes.get(pc_size..pc_size + point_size)?).checked_sub(1)?,
            exit: number(bytes.get(pc_size + point_size..2 * pc_size + point_size)?)
                .checked_sub(1)?,
        })
    };
    Some(bytes.chunks_exact(entry).filter_map(call).collect())
}

/// The functions at the call in `code`, made from the function `own`, that returns to a pc offset: the innermost first.
pub(crate) fn at_return<M: Memory>(
    memory: &M,
    layout: &Layout,
    code: &Code,
    own: u64,
    returns_to: u64,
) -> Option<Vec<Place>> {
    let call = calls(memory, code)?
        .into_iter()
        .find(|call| call.returns_to == returns_to)?;
    Points::of(memory, layout, code)?
        .at_call(memory, layout, &call)
        .filter(|places| places.last().is_some_and(|outer| outer.shared == own))
}

/// The deoptimization points of one Code.
pub(crate) struct Points {
    operations: Operations,
    data: u64,
    /// Index of the first point's words.
    first: u64,
    /// How many there are.
    pub(crate) count: u64,
    translations: Vec<u8>,
}

impl Points {
    /// Reads the deoptimization data of `code`.
    pub(crate) fn of<M: Memory>(memory: &M, layout: &Layout, code: &Code) -> Option<Self> {
        let operations = Operations::for_version(layout.version)?;
        let data = field(memory, code.object, layout.unexported.code_deopt)?;
        let length = u64::try_from(smi(field(memory, data, layout.array_length)?)?).ok()?;
        // Behind the inlining positions: start of the exits, number of eager points, number of lazy ones, the points.
        let first = layout.compiled.inlining_positions + 4;
        let count = length.checked_sub(first)? / WORDS;
        let translations = field(memory, data, layout.array_data)?;
        let (address, size) = bytes_of(memory, layout, translations)?;
        let mut bytes = vec![0; size];
        if count > MOST_POINTS || !memory.copy(address, &mut bytes) {
            return None;
        }
        Some(Self {
            operations,
            data,
            first,
            count,
            translations: bytes,
        })
    }

    fn word<M: Memory>(&self, memory: &M, layout: &Layout, point: u64, word: u64) -> Option<u64> {
        if point >= self.count {
            return None;
        }
        let index = self.first + point * WORDS + word;
        u64::try_from(smi(field(
            memory,
            self.data,
            layout.array_data + index * 8,
        )?)?)
        .ok()
    }

    /// The pc offset of a point's exit.
    pub(crate) fn exit<M: Memory>(&self, memory: &M, layout: &Layout, point: u64) -> Option<u64> {
        self.word(memory, layout, point, 2)
    }

    /// The functions at a call, the innermost first. Nothing unless call and point name each other.
    pub(crate) fn at_call<M: Memory>(
        &self,
        memory: &M,
        layout: &Layout,
        call: &Call,
    ) -> Option<Vec<Place>> {
        if self.exit(memory, layout, call.point)? != call.exit {
            return None;
        }
        self.places(memory, layout, call.point)
    }

    /// The functions at a point, the innermost first.
    pub(crate) fn places<M: Memory>(
        &self,
        memory: &M,
        layout: &Layout,
        point: u64,
    ) -> Option<Vec<Place>> {
        let start = usize::try_from(self.word(memory, layout, point, 1)?).ok()?;
        let frames = self.operations.frames(&self.translations, start)?;
        let array = |index: u64| field(memory, self.data, layout.array_data + index * 8);
        let literals = array(layout.compiled.literals)?;
        // They stand right in front of the others.
        let protected = array(layout.compiled.literals.checked_sub(1)?)?;
        let shared = |literal: u64| {
            let shared = (element(memory, layout, literals, literal)? & !3) | 1;
            has_type(memory, layout, shared, layout.types.shared_function_info).then_some(shared)
        };
        let mut places = frames
            .iter()
            .map(|frame| match *frame {
                Frame::Builtin { literal } => Some(Place {
                    shared: shared(literal)?,
                    bytecode: 0,
                    offset: 0,
                }),
                Frame::Function {
                    literal,
                    bytecode,
                    offset,
                } => {
                    let bytecode = element(memory, layout, protected, bytecode)?;
                    Some(Place {
                        shared: shared(literal)?,
                        bytecode: has_type(memory, layout, bytecode, layout.types.bytecode_array)
                            .then_some(bytecode)?,
                        offset,
                    })
                }
            })
            .collect::<Option<Vec<_>>>()?;
        places.reverse();
        Some(places)
    }
}

/// Element of a FixedArray-like array.
fn element<M: Memory>(memory: &M, layout: &Layout, array: u64, index: u64) -> Option<u64> {
    let length = u64::try_from(smi(field(memory, array, layout.array_length)?)?).ok()?;
    if index >= length {
        return None;
    }
    field(memory, array, layout.array_data + index * 8)
}
