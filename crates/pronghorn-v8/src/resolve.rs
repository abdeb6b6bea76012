//! From raw frames to functions and lines, on the isolate's own thread, at a safe point.
//!
//! One resolver per isolate; it belongs to that isolate's thread. It may allocate. Reads go through checked loads, and
//! every loop is bounded: damaged memory gives a wrong or missing name, never a crash. What it has learned under an
//! address is good until the next major collection; what it has learned under a script's id is good for ever.
//! A fork needs no reset: the child's heap is a copy at the same addresses.

use std::collections::HashMap;
use std::sync::Arc;

use crate::baseline;
use crate::bytecode_sizes::BytecodeSizes;
use crate::code::{self, Code};
use crate::deopt_points;
use crate::function;
use crate::layout::{Frames, Layout};
use crate::lines::Lines;
use crate::memory::{Live, Memory};
use crate::object::{bytes_of, field, has_type, smi_field};
use crate::optimized::{self, Inlined, Outcome};
use crate::position_table::{Lookup, Position, look_up, look_up_exactly};
use crate::proof::{Proof, Proofs};
use crate::ranges::CodeRanges;
use crate::raw_frame::{Kind, RawFrame};
use crate::script;
use crate::table::PositionEncoding;

/// Where a function comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A script.
    Script,
    /// A builtin of V8 or Node, without a script.
    Builtin,
    /// WebAssembly.
    Wasm,
    /// A compiled regular expression.
    Regexp,
}

/// What `make` is told about a function, once per function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionInfo<'a> {
    /// Never empty; `(anonymous)` for a function without a name, `(wasm)` and `(regexp)` for those.
    pub name: &'a str,
    /// The script's name; `(builtin)` for builtins; empty for `(wasm)` and `(regexp)`.
    pub file: &'a str,
    /// Line of the function's first token, from 1; 0 if it is unknown.
    pub start_line: u32,
    /// Where it comes from.
    pub origin: Origin,
}

/// A function and the line it was at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<F> {
    /// What `make` gave for the function.
    pub function: F,
    /// From 1; 0 if it is unknown.
    pub line: u32,
}

/// The name of functions without one.
pub const ANONYMOUS: &str = "(anonymous)";
/// The file of builtins.
pub const BUILTIN_FILE: &str = "(builtin)";

/// A function that is known already.
#[derive(Clone, Debug)]
struct Known<F> {
    function: F,
    script: i32,
    start: u32,
    end: u32,
    start_line: u32,
}

impl<F> Known<F> {
    /// True for a script offset inside the function, its token included.
    fn holds(&self, offset: u32) -> bool {
        self.script >= 0 && offset >= self.start && offset <= self.end
    }
}

/// Script id, start and end of a function.
type Place = (i32, u32, u32);

/// A script that is known already.
struct KnownScript {
    file: Arc<str>,
    line_offset: u32,
    lines: Option<Lines>,
}

// Bounds of the caches; one that is full is emptied.
const MOST_STACKED: usize = 1 << 16;
const MOST_FUNCTIONS: usize = 1 << 17;
const MOST_SCRIPTS: usize = 1 << 15;
const MOST_LINE_BYTES: usize = 64 << 20;

/// Resolves the raw frames of one isolate.
pub struct Resolver<F: Clone, M: Memory = Live> {
    memory: M,
    layout: Layout,
    ranges: CodeRanges,
    sizes: Option<BytecodeSizes>,
    proofs: Proofs,
    // Keyed by addresses: until the next major collection.
    frames: HashMap<RawFrame, Vec<Resolved<F>>>,
    by_shared: HashMap<u64, Known<F>>,
    codes: HashMap<u64, Option<Code>>,
    by_bytecode: HashMap<u64, u64>,
    // Keyed by what lasts.
    by_place: HashMap<Place, Vec<(String, Known<F>)>>,
    builtins: HashMap<String, Known<F>>,
    scripts: HashMap<i32, KnownScript>,
    line_bytes: usize,
    // The map of instruction streams, once one was found: it never moves.
    stream_map: Option<u64>,
    markers: [Option<F>; 2],
    // Reused for tables.
    table: Vec<u8>,
    bytecodes: Vec<u8>,
}

impl<F: Clone> Resolver<F, Live> {
    /// A resolver for one isolate.
    #[must_use]
    pub fn new(layout: Layout, ranges: CodeRanges) -> Self {
        Self::over(Live, layout, ranges)
    }
}

impl<F: Clone, M: Memory> Resolver<F, M> {
    /// A resolver over any memory.
    pub fn over(memory: M, layout: Layout, ranges: CodeRanges) -> Self {
        let sizes = BytecodeSizes::for_version(layout.version);
        Self {
            memory,
            layout,
            ranges,
            sizes,
            proofs: Proofs::default(),
            frames: HashMap::new(),
            by_shared: HashMap::new(),
            codes: HashMap::new(),
            by_bytecode: HashMap::new(),
            by_place: HashMap::new(),
            builtins: HashMap::new(),
            scripts: HashMap::new(),
            line_bytes: 0,
            stream_map: None,
            markers: [None, None],
            table: Vec::new(),
            bytecodes: Vec::new(),
        }
    }

    /// Appends the functions of `raw` to `out`, the innermost inlined one first. Nothing for native frames, and for frames
    /// whose function cannot be told ([`Proofs::unknown`] counts those).
    ///
    /// Call it on the isolate's own thread, not during a collection, with frames taken since the last major one.
    pub fn resolve(
        &mut self,
        raw: &RawFrame,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        if let Some(known) = self.frames.get(raw) {
            out.extend_from_slice(known);
            return;
        }
        let begin = out.len();
        match raw.kind() {
            Kind::Native => return,
            Kind::Unknown => {
                self.proofs.unknown += 1;
                return;
            }
            Kind::Wasm => self.marker(0, make, out),
            Kind::Regexp => self.marker(1, make, out),
            Kind::Builtin => self.physical(raw.shared(), make, out),
            Kind::Interpreted => self.interpreted(raw, make, out),
            Kind::Compiled => self.compiled(raw, make, out),
        }
        let Some(added) = out.get(begin..).filter(|added| !added.is_empty()) else {
            self.proofs.unknown += 1;
            return;
        };
        if self.frames.len() >= MOST_STACKED {
            self.frames.clear();
        }
        self.frames.insert(*raw, added.to_vec());
    }

    /// Drops everything that is keyed by an address. Call it at each major collection, after the frames taken before it
    /// have been resolved. Functions keep their identity.
    pub fn forget_pointers(&mut self) {
        self.frames.clear();
        self.by_shared.clear();
        self.codes.clear();
        self.by_bytecode.clear();
    }

    /// What has been proved so far.
    #[must_use]
    pub const fn proofs(&self) -> Proofs {
        self.proofs
    }

    /// Proves the interpreted layout on a raw frame of a function whose name is known.
    ///
    /// # Errors
    /// What does not fit, as a sentence; interpreted frames are refused from then on.
    pub fn prove_interpreted(&mut self, raw: &RawFrame, name: &str) -> Result<(), String> {
        let outcome = self.check_interpreted(raw, name);
        self.proofs.interpreted = if outcome.is_ok() {
            Proof::Proved
        } else {
            Proof::Refused
        };
        outcome
    }

    fn check_interpreted(&mut self, raw: &RawFrame, name: &str) -> Result<(), String> {
        let found = function::read(&self.memory, &self.layout, raw.shared())
            .ok_or("the probe frame names no SharedFunctionInfo")?;
        if found.name != name {
            return Err(format!(
                "the probe function is called {name} but reads as {:?}",
                found.name
            ));
        }
        let Some(script) = found.script else {
            return Err("the probe function has no script".into());
        };
        script::read(&self.memory, &self.layout, script)
            .ok_or("the probe function's script cannot be read")?;
        if !found.placed || found.start >= found.end {
            return Err("the probe function has no place in its script".into());
        }
        // Compiled already, for instance under --always-sparkplug: its own kind is proved on its own frames.
        if raw.kind() == Kind::Interpreted && self.layout.frames == Frames::Full {
            let offset = self
                .bytecode_position(raw.bytecode_array(), raw.pc())
                .ok_or("the probe frame has no position")?;
            if offset < found.token || offset > found.end {
                return Err("the probe frame's position lies outside of its function".into());
            }
        }
        Ok(())
    }

    fn marker(
        &mut self,
        index: usize,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        let Some(slot) = self.markers.get_mut(index) else {
            return;
        };
        let (name, origin) = if index == 0 {
            ("(wasm)", Origin::Wasm)
        } else {
            ("(regexp)", Origin::Regexp)
        };
        let function = slot
            .get_or_insert_with(|| {
                make(&FunctionInfo {
                    name,
                    file: "",
                    start_line: 0,
                    origin,
                })
            })
            .clone();
        out.push(Resolved { function, line: 0 });
    }

    /// The function itself, at its start line.
    fn physical(
        &mut self,
        shared: u64,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        if let Some(known) = self.known(shared, make) {
            out.push(Resolved {
                function: known.function,
                line: known.start_line,
            });
        }
    }

    fn interpreted(
        &mut self,
        raw: &RawFrame,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        let Some(known) = self.known(raw.shared(), make) else {
            return;
        };
        self.remember_bytecode(raw.bytecode_array(), raw.shared());
        let mut line = known.start_line;
        if self.layout.frames == Frames::Full
            && self.proofs.interpreted != Proof::Refused
            && let Some(offset) = self.bytecode_position(raw.bytecode_array(), raw.pc())
        {
            let holds = known.holds(offset);
            if self
                .proofs
                .interpreted
                .record(holds, &mut self.proofs.failures)
            {
                line = self.line(known.script, offset).unwrap_or(line);
            }
        }
        out.push(Resolved {
            function: known.function,
            line,
        });
    }

    fn compiled(
        &mut self,
        raw: &RawFrame,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        if self.layout.frames == Frames::Physical || raw.pc() == 0 {
            return self.physical(raw.shared(), make, out);
        }
        let pc = if raw.is_exact() {
            raw.pc()
        } else {
            raw.pc() - 1
        };
        let Some(code) = self.code(pc) else {
            return self.physical(raw.shared(), make, out);
        };
        let compiled = self.layout.compiled;
        if code.kind < compiled.kind_baseline {
            // Builtins and bytecode handlers come first among the kinds, regular expressions are among them.
            if raw.shared() == 0 {
                return self.marker(1, make, out);
            }
            return self.physical(raw.shared(), make, out);
        }
        let offset = pc - code.start;
        if code.kind == compiled.kind_baseline {
            return self.baseline(raw, &code, offset, make, out);
        }
        self.optimized(raw, &code, offset, make, out);
    }

    fn baseline(
        &mut self,
        raw: &RawFrame,
        code: &Code,
        pc_offset: u64,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        // The slot that holds deoptimization data for optimized code holds the bytecode (or what leads to it) here.
        let own = field(&self.memory, code.object, self.layout.unexported.code_deopt).unwrap_or(0);
        let is_bytecode = |tagged: u64| {
            has_type(
                &self.memory,
                &self.layout,
                tagged,
                self.layout.types.bytecode_array,
            )
        };
        let bytecode = if is_bytecode(own) {
            own
        } else {
            // InterpreterData: the bytecode is one of its first fields.
            (1..3)
                .filter_map(|index| field(&self.memory, own, index * 8))
                .find(|&word| is_bytecode(word))
                .unwrap_or(0)
        };
        let mut shared = raw.shared();
        if shared == 0 {
            shared = self.by_bytecode.get(&bytecode).copied().unwrap_or(0);
        }
        let Some(known) = self.known(shared, make) else {
            return;
        };
        self.remember_bytecode(bytecode, shared);
        let mut line = known.start_line;
        if self.proofs.baseline != Proof::Refused {
            let position = self.baseline_position(code, bytecode, pc_offset);
            let holds = match position {
                Some(Some(offset)) => known.holds(offset),
                // In front of the first position, or bytecode without positions.
                Some(None) => true,
                None => false,
            };
            if position == Some(None) {
                // Says nothing about the layout.
            } else if self
                .proofs
                .baseline
                .record(holds, &mut self.proofs.failures)
                && let Some(Some(offset)) = position
            {
                line = self.line(known.script, offset).unwrap_or(line);
            }
        }
        out.push(Resolved {
            function: known.function,
            line,
        });
    }

    /// Nothing if the table does not fit; an empty answer if there is no position.
    fn baseline_position(
        &mut self,
        code: &Code,
        bytecode: u64,
        pc_offset: u64,
    ) -> Option<Option<u32>> {
        let sizes = self.sizes?;
        let table = field(
            &self.memory,
            code.object,
            self.layout.unexported.code_positions,
        )?;
        let (address, length) = bytes_of(&self.memory, &self.layout, table)?;
        self.table.clear();
        self.table.resize(length, 0);
        if !self.memory.copy(address, &mut self.table) {
            return None;
        }
        if !has_type(
            &self.memory,
            &self.layout,
            bytecode,
            self.layout.types.bytecode_array,
        ) {
            return None;
        }
        let length = smi_field(&self.memory, bytecode, self.layout.bytecode_length)?;
        let length = usize::try_from(length)
            .ok()
            .filter(|&length| length <= 16 << 20)?;
        self.bytecodes.clear();
        self.bytecodes.resize(length, 0);
        if !self.memory.copy(
            bytecode - 1 + self.layout.bytecode_data,
            &mut self.bytecodes,
        ) {
            return None;
        }
        if self.proofs.baseline == Proof::Unproved
            && !baseline::fits(&self.table, &self.bytecodes, sizes, code.size)
        {
            return None;
        }
        let offset = baseline::bytecode_offset(&self.table, &self.bytecodes, sizes, pc_offset)?;
        Some(self.bytecode_position(bytecode, u64::from(offset)))
    }

    fn optimized(
        &mut self,
        raw: &RawFrame,
        code: &Code,
        pc_offset: u64,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        if self.proofs.optimized == Proof::Refused {
            return self.physical(raw.shared(), make, out);
        }
        let own = optimized::physical_function(&self.memory, &self.layout, code);
        let physical = match own {
            Some(own) if raw.shared() == 0 => own,
            _ => raw.shared(),
        };
        let mut table = core::mem::take(&mut self.table);
        let outcome = optimized::frames_at(
            &self.memory,
            &self.layout,
            code,
            pc_offset,
            physical,
            &mut table,
        );
        self.table = table;
        let agrees = own == Some(physical);
        match outcome {
            Outcome::Frames(mut frames) => {
                if !raw.is_exact() && code.kind == self.layout.compiled.kind_baseline + 1 {
                    self.correct_by_deopt_point(code, raw.pc() - code.start, &mut frames, make);
                }
                let inlined = frames.len() > 1;
                if inlined && self.proofs.inlined == Proof::Refused {
                    return self.physical(physical, make, out);
                }
                let found = self.place(&frames, make);
                // The physical function's own position proves the optimized kind, all of them the inlined one.
                let outer = found.last().is_some_and(|(_, holds)| *holds);
                let all = found.len() == frames.len() && found.iter().all(|(_, holds)| *holds);
                let mut usable = self
                    .proofs
                    .optimized
                    .record(agrees && outer, &mut self.proofs.failures);
                if usable && inlined {
                    usable = self.proofs.inlined.record(all, &mut self.proofs.failures);
                }
                if usable {
                    out.extend(found.into_iter().map(|(frame, _)| frame));
                } else {
                    self.physical(physical, make, out);
                }
            }
            Outcome::NoPosition => self.physical(physical, make, out),
            Outcome::Damaged(_) => {
                self.proofs
                    .optimized
                    .record(false, &mut self.proofs.failures);
                self.physical(physical, make, out);
            }
        }
    }

    /// Maglev's position of a call may be one of an earlier bytecode; see [`deopt_points`].
    fn correct_by_deopt_point(
        &mut self,
        code: &Code,
        return_offset: u64,
        frames: &mut [Inlined],
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
    ) {
        let Some(innermost) = frames.first_mut() else {
            return;
        };
        let mut buffer = core::mem::take(&mut self.table);
        let offset = deopt_points::bytecode_offset(
            &self.memory,
            &self.layout,
            code,
            return_offset,
            &mut buffer,
        );
        self.table = buffer;
        let position = offset
            .zip(deopt_points::bytecode_of(
                &self.memory,
                &self.layout,
                innermost.shared,
            ))
            .and_then(|(offset, bytecode)| {
                self.position_in(bytecode, |table, encoding| {
                    look_up_exactly(table, encoding, offset)
                })
            });
        if let Some(position) = position
            && self
                .known(innermost.shared, make)
                .is_some_and(|known| known.holds(position))
        {
            innermost.offset = position;
        }
    }

    /// Each function with its line, and whether its position lies inside of it.
    fn place(
        &mut self,
        frames: &[Inlined],
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
    ) -> Vec<(Resolved<F>, bool)> {
        let mut found = Vec::with_capacity(frames.len());
        for frame in frames {
            let Some(known) = self.known(frame.shared, make) else {
                continue;
            };
            let holds = known.holds(frame.offset);
            let line = if holds {
                self.line(known.script, frame.offset)
            } else {
                None
            };
            let line = line.unwrap_or(known.start_line);
            found.push((
                Resolved {
                    function: known.function,
                    line,
                },
                holds,
            ));
        }
        found
    }

    fn code(&mut self, pc: u64) -> Option<Code> {
        if let Some(code) = self.codes.get(&pc) {
            return *code;
        }
        let code = code::find(
            &self.memory,
            &self.layout,
            &self.ranges,
            pc,
            &mut self.stream_map,
        );
        if self.codes.len() >= MOST_STACKED {
            self.codes.clear();
        }
        self.codes.insert(pc, code);
        code
    }

    fn remember_bytecode(&mut self, bytecode: u64, shared: u64) {
        if bytecode != 0 && shared != 0 && self.by_bytecode.len() < MOST_FUNCTIONS {
            self.by_bytecode.insert(bytecode, shared);
        }
    }

    /// The script offset of a bytecode.
    fn bytecode_position(&mut self, bytecode: u64, offset: u64) -> Option<u32> {
        self.position_in(bytecode, |table, encoding| {
            match look_up(table, encoding, offset) {
                Lookup::Word(word) => Some(word),
                Lookup::Before | Lookup::Damaged => None,
            }
        })
    }

    /// The script offset that `find` finds in the position table of a BytecodeArray.
    fn position_in(
        &mut self,
        bytecode: u64,
        find: impl FnOnce(&[u8], PositionEncoding) -> Option<u64>,
    ) -> Option<u32> {
        if !has_type(
            &self.memory,
            &self.layout,
            bytecode,
            self.layout.types.bytecode_array,
        ) {
            return None;
        }
        let table = field(
            &self.memory,
            bytecode,
            self.layout.unexported.bytecode_positions,
        )?;
        let (address, length) = bytes_of(&self.memory, &self.layout, table)?;
        self.table.clear();
        self.table.resize(length, 0);
        if !self.memory.copy(address, &mut self.table) {
            return None;
        }
        let word = find(&self.table, self.layout.unexported.encoding)?;
        Position::from_word(word).map(|position| position.offset)
    }

    /// The function at `shared`, made once per identity.
    fn known(
        &mut self,
        shared: u64,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
    ) -> Option<Known<F>> {
        if let Some(known) = self.by_shared.get(&shared) {
            return Some(known.clone());
        }
        let found = function::read(&self.memory, &self.layout, shared)?;
        let name = if found.name.is_empty() {
            ANONYMOUS
        } else {
            &found.name
        };
        let script = found.script.and_then(|script| self.script(script));
        let known = match script {
            None => match self.builtins.get(name) {
                Some(known) => known.clone(),
                None => {
                    let info = FunctionInfo {
                        name,
                        file: BUILTIN_FILE,
                        start_line: 0,
                        origin: Origin::Builtin,
                    };
                    let known = Known {
                        function: make(&info),
                        script: -1,
                        start: 0,
                        end: 0,
                        start_line: 0,
                    };
                    if self.builtins.len() >= MOST_FUNCTIONS {
                        self.builtins.clear();
                    }
                    self.builtins.insert(name.to_owned(), known.clone());
                    known
                }
            },
            Some(script) => {
                let place = (script, found.start, found.end);
                let same = self
                    .by_place
                    .get(&place)
                    .and_then(|all| all.iter().find(|(own, _)| own == name));
                match same {
                    Some((_, known)) => known.clone(),
                    None => {
                        let start_line = if found.placed {
                            self.line(script, found.token).unwrap_or(0)
                        } else {
                            0
                        };
                        let file = self
                            .scripts
                            .get(&script)
                            .map(|script| Arc::clone(&script.file));
                        let info = FunctionInfo {
                            name,
                            file: file.as_deref().unwrap_or(BUILTIN_FILE),
                            start_line,
                            origin: Origin::Script,
                        };
                        let known = Known {
                            function: make(&info),
                            script,
                            start: found.token.min(found.start),
                            end: found.end,
                            start_line,
                        };
                        if self.by_place.len() >= MOST_FUNCTIONS {
                            self.by_place.clear();
                        }
                        self.by_place
                            .entry(place)
                            .or_default()
                            .push((name.to_owned(), known.clone()));
                        known
                    }
                }
            }
        };
        if self.by_shared.len() >= MOST_FUNCTIONS {
            self.by_shared.clear();
        }
        self.by_shared.insert(shared, known.clone());
        Some(known)
    }

    /// The id of the script at `tagged`, which is known from then on.
    fn script(&mut self, tagged: u64) -> Option<i32> {
        let id = script::id(&self.memory, &self.layout, tagged)?;
        if self.scripts.contains_key(&id) {
            // Lines may have been dropped for room since.
            if self
                .scripts
                .get(&id)
                .is_some_and(|script| script.lines.is_some())
            {
                return Some(id);
            }
        }
        let script = script::read(&self.memory, &self.layout, tagged)?;
        let lines = Lines::of_script(&self.memory, &self.layout, tagged);
        let size = lines.as_ref().map_or(0, Lines::size);
        if self.scripts.len() >= MOST_SCRIPTS || self.line_bytes + size > MOST_LINE_BYTES {
            self.scripts.clear();
            self.by_shared.clear();
            self.line_bytes = 0;
        }
        self.line_bytes += size;
        self.scripts.insert(
            id,
            KnownScript {
                file: script.file.into(),
                line_offset: script.line_offset,
                lines,
            },
        );
        Some(id)
    }

    /// The line of a script offset, from 1.
    fn line(&self, script: i32, offset: u32) -> Option<u32> {
        let script = self.scripts.get(&script)?;
        Some(
            script
                .lines
                .as_ref()?
                .line(offset)
                .saturating_add(script.line_offset)
                .saturating_add(1),
        )
    }
}

#[cfg(test)]
mod tests;
