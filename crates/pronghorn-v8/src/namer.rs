//! Names and places of raw frames in the signal handler: what [`crate::Resolver`] does at a safe point, for a thread that reaches none.
//!
//! Everything is read by checked loads and copied into memory of the caller's; nothing is allocated, no lock is taken, and every loop is
//! bounded, the search for lines by a budget. The price: nothing is remembered, and of Maglev code a line may be that of an earlier
//! bytecode of the same function, since what corrects it ([`crate::call_sites`]) is too much work here.
//!
//! Threads: the handler of the isolate's own thread, outside a collection: objects must not move. A fork changes nothing.

use crate::baseline;
use crate::bytecode_sizes::BytecodeSizes;
use crate::code::{self, Code};
use crate::function::{self, LONGEST_NAME, Outline};
use crate::function_info::Origin;
use crate::layout::{Frames, Layout};
use crate::lazy_exit;
use crate::line_search::{self, Mark, Search};
use crate::memory::{Live, Memory};
use crate::object::{bytes_of, field, has_type, smi_field};
use crate::optimized::{self, BUILTIN, Inlined};
use crate::position_table::{Lookup, Position, look_up};
use crate::ranges::CodeRanges;
use crate::raw_frame::{Kind, RawFrame};
use crate::script::{self, EVAL_PREFIX};
use crate::utf8;

/// A part of the text that a [`Namer`] writes: UTF-8, except that a name may be cut short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub length: u32,
}

/// A function and where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name; empty if it has none or there was no room.
    pub name: Span,
    /// The script's name; empty where there is no script, or no room.
    pub file: Span,
    /// From 1; 0 if it is unknown.
    pub line: u32,
    /// From 1; 0 if it is unknown.
    pub column: u32,
    /// The script offset, in UTF-16 units: what is known of the place where the line is not. Nothing for builtins.
    pub offset: Option<u32>,
    /// Where the function comes from.
    pub origin: Origin,
}

/// What a [`Namer`] writes to. All of it is the caller's, mapped beforehand.
pub struct Room<'a> {
    /// The texts.
    pub text: &'a mut [u8],
    /// For tables of V8's and pieces of sources; larger tables are not read. Its content means nothing.
    pub scratch: &'a mut [u8],
    /// Where lines were counted to. Its content means nothing.
    pub marks: &'a mut [Mark],
    /// Characters of sources that may be looked through, for all frames together.
    pub characters: u32,
}

/// Names the frames of one stack. See the module's description.
pub struct Namer<'a, M: Memory = Live> {
    memory: M,
    layout: &'a Layout,
    ranges: &'a CodeRanges,
    text: &'a mut [u8],
    used: usize,
    search: Search<'a>,
    stream_map: Option<u64>,
    shared_map: Option<u64>,
    /// The last script and the name that was written for it: neighbours on a stack often share one.
    last_file: (u64, Span),
}

impl<'a> Namer<'a, Live> {
    /// A namer for one stack of the isolate with these ranges.
    #[must_use]
    pub fn new(layout: &'a Layout, ranges: &'a CodeRanges, room: Room<'a>) -> Self {
        Self::over(Live, layout, ranges, room)
    }
}

impl<'a, M: Memory> Namer<'a, M> {
    pub(crate) fn over(
        memory: M,
        layout: &'a Layout,
        ranges: &'a CodeRanges,
        room: Room<'a>,
    ) -> Self {
        Self {
            memory,
            layout,
            ranges,
            text: room.text,
            used: 0,
            search: Search {
                characters: room.characters,
                scratch: room.scratch,
                marks: room.marks,
                marked: 0,
                script: 0,
            },
            stream_map: None,
            shared_map: None,
            last_file: (0, Span::default()),
        }
    }

    /// Gives the functions of `raw` to `visit`, the innermost inlined one first. Nothing for native frames, and for frames whose function
    /// cannot be told.
    pub fn name(&mut self, raw: &RawFrame, visit: &mut dyn FnMut(Named)) {
        if self.shared_map.is_none() && raw.shared() != 0 {
            self.shared_map = self.memory.u64(raw.shared() - 1);
        }
        let marker = |origin| Named {
            name: Span::default(),
            file: Span::default(),
            line: 0,
            column: 0,
            offset: None,
            origin,
        };
        let full = self.layout.frames == Frames::Full;
        match raw.kind() {
            Kind::Native | Kind::Unknown => {}
            Kind::Wasm => visit(marker(Origin::Wasm)),
            Kind::Regexp => visit(marker(Origin::Regexp)),
            Kind::Interpreted => {
                let offset = full
                    .then(|| self.bytecode_position(raw.bytecode_array(), raw.pc()))
                    .flatten();
                self.function(raw.shared(), offset, visit);
            }
            Kind::Compiled if full && raw.pc() != 0 => {
                let pc = raw.pc() - u64::from(!raw.is_exact());
                let found = code::find(
                    &self.memory,
                    self.layout,
                    self.ranges,
                    pc,
                    self.shared_map,
                    &mut self.stream_map,
                );
                match found {
                    Some(code) => {
                        let is_regexp =
                            code.kind < self.layout.compiled.kind_baseline && raw.shared() == 0;
                        if is_regexp {
                            visit(marker(Origin::Regexp));
                        } else {
                            self.compiled(raw, &code, pc - code.start, visit);
                        }
                    }
                    None => self.function(raw.shared(), None, visit),
                }
            }
            Kind::Compiled | Kind::Builtin => self.function(raw.shared(), None, visit),
        }
    }

    fn compiled(&mut self, raw: &RawFrame, code: &Code, offset: u64, visit: &mut dyn FnMut(Named)) {
        let baseline = self.layout.compiled.kind_baseline;
        if code.kind < baseline {
            return self.function(raw.shared(), None, visit);
        }
        if code.kind == baseline {
            let position = self.baseline_position(code, offset);
            return self.function(raw.shared(), position, visit);
        }
        let is_maglev = code.kind == baseline + 1;
        let moved = (!raw.is_exact())
            .then(|| {
                let scratch = &mut *self.search.scratch;
                lazy_exit::original_return_in(
                    &self.memory,
                    self.layout.version,
                    code,
                    is_maglev,
                    offset + 1,
                    scratch,
                )
            })
            .flatten();
        let offset = moved.map_or(offset, |returns_to| returns_to.saturating_sub(1));
        let own = optimized::physical_function(&self.memory, self.layout, code);
        let physical = match own {
            Some(own) if raw.shared() == 0 => own,
            _ => raw.shared(),
        };
        let position = field(
            &self.memory,
            code.object,
            self.layout.unexported.code_positions,
        )
        .and_then(|table| self.position_in(table, offset));
        let Some(position) = position else {
            return self.function(physical, None, visit);
        };
        let mut frames = [None::<Inlined>; MOST_INLINED];
        let mut count = 0;
        let mut collect = |frame: Inlined| {
            // Of more the outermost stays, which is the function itself.
            if let Some(place) = frames.get_mut(count.min(MOST_INLINED - 1)) {
                *place = Some(frame);
            }
            count += 1;
        };
        if position.inlining.is_none() {
            collect(Inlined {
                shared: physical,
                offset: position.offset,
                inlining: None,
            });
        } else {
            let (memory, layout) = (&self.memory, self.layout);
            let followed =
                optimized::walk_chain(memory, layout, code, position, physical, &mut collect);
            if followed.is_err() {
                // It may come late; then only the function itself is known.
                return self.function(physical, None, visit);
            }
        }
        for frame in frames.into_iter().flatten() {
            self.function(frame.shared, Some(frame.offset), visit);
        }
    }

    /// A function at a script offset; at its first token if there is none, or it lies elsewhere.
    fn function(&mut self, shared: u64, offset: Option<u32>, visit: &mut dyn FnMut(Named)) {
        let Some(found) = function::outline(&self.memory, self.layout, shared) else {
            return;
        };
        let Outline {
            names,
            script,
            token,
            start,
            end,
            placed,
        } = found;
        let name = names
            .into_iter()
            .flatten()
            .map(|tagged| self.text(tagged, "", LONGEST_NAME))
            .find(|span| span.length > 0)
            .unwrap_or_default();
        let Some(script) = script else {
            return visit(Named {
                name,
                file: Span::default(),
                line: 0,
                column: 0,
                offset: None,
                origin: Origin::Builtin,
            });
        };
        let file = self.file(script);
        let inside = |offset: &u32| *offset != BUILTIN && (token.min(start)..=end).contains(offset);
        let offset = placed.then(|| offset.filter(inside).unwrap_or(token));
        let (line, column) = offset
            .and_then(|offset| self.place(script, offset))
            .unwrap_or_default();
        visit(Named {
            name,
            file,
            line,
            column,
            offset,
            origin: Origin::Script,
        });
    }

    /// Line and column of a script offset, both from 1.
    fn place(&mut self, script: u64, offset: u32) -> Option<(u32, u32)> {
        let (line, column) =
            line_search::place(&self.memory, self.layout, script, offset, &mut self.search)?;
        let stated = |at: u64| {
            let value = smi_field(&self.memory, script, at).unwrap_or(0);
            u32::try_from(value).unwrap_or(0)
        };
        let first = if line == 0 {
            stated(self.layout.script.column_offset)
        } else {
            0
        };
        Some((
            line.saturating_add(stated(self.layout.script.line_offset))
                .saturating_add(1),
            column.saturating_add(first).saturating_add(1),
        ))
    }

    fn file(&mut self, script: u64) -> Span {
        if self.last_file.0 == script {
            return self.last_file.1;
        }
        let span = match script::name_string(&self.memory, self.layout, script) {
            Some(name) => {
                let prefix = if name.of_eval { EVAL_PREFIX } else { "" };
                self.text(name.string, prefix, script::LONGEST_NAME)
            }
            None => Span::default(),
        };
        self.last_file = (script, span);
        span
    }

    /// Copies a string behind `prefix`. Empty if it cannot be read or there is no room for the prefix.
    fn text(&mut self, tagged: u64, prefix: &str, limit: u32) -> Span {
        let start = self.used;
        let behind = start + prefix.len();
        let Some(place) = self.text.get_mut(start..behind) else {
            return Span::default();
        };
        place.copy_from_slice(prefix.as_bytes());
        let Some(room) = self.text.get_mut(behind..) else {
            return Span::default();
        };
        match utf8::write(&self.memory, self.layout, tagged, limit, room) {
            Some(0) | None => Span::default(),
            Some(bytes) => {
                self.used = behind + bytes;
                Span {
                    start: start as u32,
                    length: (prefix.len() + bytes) as u32,
                }
            }
        }
    }

    /// The position that a table of V8's (tagged) has for an offset.
    fn position_in(&mut self, table: u64, offset: u64) -> Option<Position> {
        let (address, length) = bytes_of(&self.memory, self.layout, table)?;
        let bytes = self.search.scratch.get_mut(..length)?;
        if !self.memory.copy(address, bytes) {
            return None;
        }
        match look_up(bytes, self.layout.unexported.encoding, offset) {
            Lookup::Word(word) => Position::from_word(word),
            Lookup::Before | Lookup::Damaged => None,
        }
    }

    fn is_bytecode(&self, tagged: u64) -> bool {
        let wanted = self.layout.types.bytecode_array;
        has_type(&self.memory, self.layout, tagged, wanted)
    }

    /// The script offset of a bytecode.
    fn bytecode_position(&mut self, bytecode: u64, offset: u64) -> Option<u32> {
        if !self.is_bytecode(bytecode) {
            return None;
        }
        let table = field(
            &self.memory,
            bytecode,
            self.layout.unexported.bytecode_positions,
        )?;
        Some(self.position_in(table, offset)?.offset)
    }

    fn baseline_position(&mut self, code: &Code, pc_offset: u64) -> Option<u32> {
        let sizes = BytecodeSizes::for_version(self.layout.version)?;
        // What holds deoptimization data in optimized code leads to the bytecode here.
        let own = field(&self.memory, code.object, self.layout.unexported.code_deopt)?;
        let bytecode = if self.is_bytecode(own) {
            own
        } else {
            // InterpreterData: the bytecode is one of its first fields.
            (1..3)
                .filter_map(|index| field(&self.memory, own, index * 8))
                .find(|&word| self.is_bytecode(word))?
        };
        let table = field(
            &self.memory,
            code.object,
            self.layout.unexported.code_positions,
        )?;
        let (address, length) = bytes_of(&self.memory, self.layout, table)?;
        let count = smi_field(&self.memory, bytecode, self.layout.bytecode_length)?;
        let count = usize::try_from(count).ok()?;
        let (table, rest) = self.search.scratch.split_at_mut_checked(length)?;
        let bytecodes = rest.get_mut(..count)?;
        let copied = self.memory.copy(address, table)
            && self
                .memory
                .copy(bytecode - 1 + self.layout.bytecode_data, bytecodes);
        if !copied {
            return None;
        }
        let offset = baseline::bytecode_offset(table, bytecodes, sizes, pc_offset)?;
        self.bytecode_position(bytecode, u64::from(offset))
    }
}

/// Functions that one physical frame shows at most here.
const MOST_INLINED: usize = 16;

#[cfg(test)]
mod tests;
