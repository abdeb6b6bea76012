//! Where a call in Maglev's code was in the bytecode, as the deoptimizer knows it.
//!
//! Maglev's position tables of 13.6 and 14.6 stand still inside a loop whose first round was peeled off: every call in the
//! loop then seems to be at its head, in the functions that were inlined there too. Deoptimization points know better:
//! the safepoint table leads from a call's return address to the point that the call would deoptimize to, and the point's
//! translation names all functions there, with the bytecode offset of each.

use std::cell::OnceCell;

use crate::code::Code;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{bytes_of, field, has_type, smi};
use crate::safepoints::Table;
use crate::scratch::{Scratch, sized};
use crate::translation::{Frame, Operations};

/// Where a point's exit lies, and its number.
pub(crate) type Exit = (u64, u64);

/// Words per point: bytecode offset, translation, pc offset of its exit.
const WORDS: u64 = 3;
const MOST_POINTS: u64 = 1 << 16;

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

/// A call that has a deoptimization point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Pc offset it returns to.
    pub(crate) returns_to: u64,
    /// Number of its deoptimization point.
    pub(crate) point: u64,
    exit: u64,
}

/// The calls of one Code, as they stand in its safepoint table.
pub(crate) struct Calls<'a> {
    table: Table,
    bytes: &'a [u8],
}

impl Calls<'_> {
    /// Those that have a deoptimization point, by rising pc.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Call> {
        self.table.calls(self.bytes).filter_map(|call| {
            Some(Call {
                returns_to: call.returns_to,
                point: call.point?,
                exit: call.exit?,
            })
        })
    }
}

/// The calls of Maglev's `code`. `place` is for the table.
pub(crate) fn calls<'a, M: Memory>(
    memory: &M,
    code: &Code,
    place: &'a mut Vec<u8>,
) -> Option<Calls<'a>> {
    let table = Table::of_maglev(memory, code)?;
    let bytes = sized(place, table.bytes());
    table.copy(memory, bytes).then_some(Calls { table, bytes })
}

/// The functions at the call in `code`, made from the function `own`, that returns to a pc offset: the innermost first.
pub(crate) fn at_return<M: Memory>(
    memory: &M,
    layout: &Layout,
    code: &Code,
    own: u64,
    returns_to: u64,
    scratch: &mut Scratch,
) -> Option<Vec<Place>> {
    let call = calls(memory, code, &mut scratch.bytes)?
        .iter()
        .find(|call| call.returns_to == returns_to)?;
    Points::of(memory, layout, code)?
        .at_call(memory, layout, &call, &mut scratch.part)
        .filter(|places| places.last().is_some_and(|outer| outer.shared == own))
}

/// The deoptimization points of one Code.
pub(crate) struct Points {
    operations: Operations,
    data: u64,
    /// Index of the first point's words.
    first: u64,
    /// How many there are.
    count: u64,
    /// Where the translations lie, and how many bytes they are.
    translations: (u64, usize),
    /// All of them, once a part was not enough; nothing if they cannot be read.
    whole: OnceCell<Option<Vec<u8>>>,
}

/// Bytes of the translations that are read around the beginning of one: in front of it, where what it refers to lies, and behind. Most need no more of
/// what may be a hundred times as much.
const AROUND: (usize, usize) = (2048, 512);

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
        let translations = bytes_of(memory, layout, translations)?;
        (count <= MOST_POINTS).then_some(Self {
            operations,
            data,
            first,
            count,
            translations,
            whole: OnceCell::new(),
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

    /// Fills `exits` with the pc offsets of the exits and the numbers of their points, by rising pc; with nothing if they cannot be read. `place` is for the words.
    pub(crate) fn by_exit<M: Memory>(
        &self,
        memory: &M,
        layout: &Layout,
        place: &mut Vec<u8>,
        exits: &mut Vec<Exit>,
    ) {
        exits.clear();
        let words = sized(place, (self.count * WORDS * 8) as usize);
        if !memory.copy(self.address_of(layout, self.first), words) {
            return;
        }
        let points = words.chunks_exact((WORDS * 8) as usize).zip(0..);
        exits.extend(points.filter_map(|(words, point)| {
            let exit = smi(u64::from_le_bytes(*words.last_chunk()?))?;
            Some((u64::try_from(exit).ok()?, point))
        }));
        exits.sort_unstable();
    }

    /// Where a word of the deoptimization data lies.
    const fn address_of(&self, layout: &Layout, index: u64) -> u64 {
        self.data - 1 + layout.array_data + index * 8
    }

    /// The pc offset of a point's exit.
    fn exit<M: Memory>(&self, memory: &M, layout: &Layout, point: u64) -> Option<u64> {
        self.word(memory, layout, point, 2)
    }

    /// The functions at a call, the innermost first. Nothing unless call and point name each other.
    pub(crate) fn at_call<M: Memory>(
        &self,
        memory: &M,
        layout: &Layout,
        call: &Call,
        part: &mut Vec<u8>,
    ) -> Option<Vec<Place>> {
        if self.exit(memory, layout, call.point)? != call.exit {
            return None;
        }
        self.places(memory, layout, call.point, part)
    }

    /// The translation at `start`, the outermost function first.
    fn frames<M: Memory>(
        &self,
        memory: &M,
        start: usize,
        part: &mut Vec<u8>,
    ) -> Option<Vec<Frame>> {
        let (address, size) = self.translations;
        if start >= size {
            return None;
        }
        if self.whole.get().is_none() {
            let (before, behind) = AROUND;
            let low = start.saturating_sub(before);
            let part = sized(part, (start + behind).min(size) - low);
            if !memory.copy(address + low as u64, part) {
                return None;
            }
            let found = self.operations.frames(part, start - low);
            if found.is_some() || part.len() == size {
                return found;
            }
        }
        let whole = self.whole.get_or_init(|| copied(memory, address, size));
        self.operations.frames(whole.as_ref()?, start)
    }

    /// The functions at a point, the innermost first. `part` is for a part of the translations.
    pub(crate) fn places<M: Memory>(
        &self,
        memory: &M,
        layout: &Layout,
        point: u64,
        part: &mut Vec<u8>,
    ) -> Option<Vec<Place>> {
        let start = usize::try_from(self.word(memory, layout, point, 1)?).ok()?;
        let frames = self.frames(memory, start, part)?;
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

fn copied<M: Memory>(memory: &M, address: u64, size: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size];
    memory.copy(address, &mut bytes).then_some(bytes)
}

/// Element of a FixedArray-like array.
fn element<M: Memory>(memory: &M, layout: &Layout, array: u64, index: u64) -> Option<u64> {
    let length = u64::try_from(smi(field(memory, array, layout.array_length)?)?).ok()?;
    if index >= length {
        return None;
    }
    field(memory, array, layout.array_data + index * 8)
}
