//! From raw frames to functions and lines, on the isolate's own thread, at a safe point.
//!
//! One resolver per isolate; it belongs to that isolate's thread. It may allocate. Reads go through checked loads, and
//! every loop is bounded: damaged memory gives a wrong or missing name, never a crash. What it has learned under an
//! address is good until the next major collection; what it has learned under a script's id is good for ever.
//! A fork needs no reset: the child's heap is a copy at the same addresses.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::baseline;
use crate::bytecode_sizes::BytecodeSizes;
use crate::call_sites::CallSites;
use crate::code::{self, Code};
use crate::deopt_points::{self, Place};
use crate::function;
use crate::function_info::{FunctionInfo, Origin, Place as ScriptPlace, Resolved};
use crate::functions::Functions;
use crate::layout::{Frames, Layout};
use crate::lazy_exit;
use crate::memory::{Live, Memory};
use crate::object::{bytes_of, field, has_type, smi_field};
use crate::optimized::{self, BUILTIN, Inlined, Outcome};
use crate::position_table::{Lookup, Position, look_up};
use crate::proof::{Proof, Proofs};
use crate::ranges::CodeRanges;
use crate::raw_frame::{Kind, RawFrame};
use crate::script;
use crate::table::PositionEncoding;

// Bounds of the caches; one that is full is emptied.
const MOST_STACKED: usize = 1 << 16;
const MOST_BYTECODES: usize = 1 << 17;
const MOST_SITES: usize = 1 << 12;

/// What came of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It was looked up for the first time, and is known from now on.
    New,
    /// It was known, or it never will be.
    Known,
    /// Time was up first. What has been found is kept: the next attempt goes on from there.
    Unfinished,
}

/// Resolves the raw frames of one isolate.
pub struct Resolver<F: Clone, M: Memory = Live> {
    memory: M,
    layout: Layout,
    ranges: CodeRanges,
    sizes: Option<BytecodeSizes>,
    proofs: Proofs,
    // Keyed by addresses: until the next major collection.
    frames: HashMap<RawFrame, Vec<Resolved<F>>>,
    codes: HashMap<u64, Option<Code>>,
    by_bytecode: HashMap<u64, u64>,
    sites: HashMap<u64, Option<Arc<CallSites>>>,
    functions: Functions<F>,
    // The map of instruction streams, once one was found: it never moves.
    stream_map: Option<u64>,
    /// The map of SharedFunctionInfos, once one was seen.
    shared_map: Option<u64>,
    markers: [Option<F>; 2],
    // Reused for tables.
    table: Vec<u8>,
    bytecodes: Vec<u8>,
}

impl<F: Clone> Resolver<F, Live> {
    /// A resolver for one isolate. `source_maps`: whether functions say what leads to their originals.
    #[must_use]
    pub fn new(layout: Layout, ranges: CodeRanges, source_maps: bool) -> Self {
        Self::over(Live, layout, ranges, source_maps)
    }
}

impl<F: Clone, M: Memory> Resolver<F, M> {
    /// A resolver over any memory.
    pub fn over(memory: M, layout: Layout, ranges: CodeRanges, source_maps: bool) -> Self {
        let sizes = BytecodeSizes::for_version(layout.version);
        Self {
            memory,
            layout,
            ranges,
            sizes,
            proofs: Proofs::default(),
            frames: HashMap::new(),
            codes: HashMap::new(),
            by_bytecode: HashMap::new(),
            sites: HashMap::new(),
            functions: Functions::new(source_maps),
            stream_map: None,
            shared_map: None,
            markers: [None, None],
            table: Vec::new(),
            bytecodes: Vec::new(),
        }
    }

    /// Appends the functions of `raw` to `out`, the innermost inlined one first. Nothing for native frames, for frames
    /// whose function cannot be told ([`Proofs::unknown`] counts those), and for one that was not finished by `deadline`.
    ///
    /// Call it on the isolate's own thread, not during a collection, with frames taken since the last major one.
    pub fn resolve(
        &mut self,
        raw: &RawFrame,
        deadline: Option<Instant>,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) -> Progress {
        if let Some(known) = self.frames.get(raw) {
            out.extend_from_slice(known);
            return Progress::Known;
        }
        self.functions.scripts.until(deadline);
        if self.shared_map.is_none() && raw.shared() != 0 {
            self.shared_map = self.memory.u64(raw.shared() - 1);
        }
        let begin = out.len();
        match raw.kind() {
            Kind::Native => return Progress::Known,
            Kind::Unknown => {
                self.proofs.unknown += 1;
                return Progress::Known;
            }
            Kind::Wasm => self.marker(0, make, out),
            Kind::Regexp => self.marker(1, make, out),
            Kind::Builtin => self.physical(raw.shared(), make, out),
            Kind::Interpreted => self.interpreted(raw, make, out),
            Kind::Compiled => self.compiled(raw, make, out),
        }
        if self.functions.scripts.is_unfinished() {
            out.truncate(begin);
            return Progress::Unfinished;
        }
        let Some(added) = out.get(begin..).filter(|added| !added.is_empty()) else {
            self.proofs.unknown += 1;
            return Progress::Known;
        };
        if self.frames.len() >= MOST_STACKED {
            self.frames.clear();
        }
        self.frames.insert(*raw, added.to_vec());
        Progress::New
    }

    /// Drops everything that is keyed by an address. Call it at each major collection, after the frames taken before it
    /// have been resolved. Functions keep their identity.
    pub fn forget_pointers(&mut self) {
        self.frames.clear();
        self.functions.forget_pointers();
        self.codes.clear();
        self.by_bytecode.clear();
        self.sites.clear();
    }

    /// Whether this is what [`Resolver::over`] would make of the same arguments, but for what it has learned.
    #[must_use]
    pub fn is_for(&self, layout: &Layout, ranges: &CodeRanges, source_maps: bool) -> bool {
        self.layout == *layout
            && self.ranges == *ranges
            && self.functions.scripts.source_maps == source_maps
    }

    /// For another session: nothing is proved, and nothing is known under an address, since collections may have gone by
    /// unnoticed. Functions and scripts, known by what they are, stay.
    pub fn renew(&mut self) {
        self.forget_pointers();
        self.proofs = Proofs::default();
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
                    map: None,
                })
            })
            .clone();
        out.push(Resolved {
            function,
            place: ScriptPlace::default(),
        });
    }

    /// The function itself, at its start line.
    fn physical(
        &mut self,
        shared: u64,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        if let Some(known) = self.functions.get(&self.memory, &self.layout, shared, make) {
            out.push(Resolved {
                function: known.function,
                place: known.start_place,
            });
        }
    }

    fn interpreted(
        &mut self,
        raw: &RawFrame,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        let Some(known) = self
            .functions
            .get(&self.memory, &self.layout, raw.shared(), make)
        else {
            return;
        };
        self.remember_bytecode(raw.bytecode_array(), raw.shared());
        let mut place = known.start_place;
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
                place = self.line_of(known.script, offset).unwrap_or(place);
            }
        }
        out.push(Resolved {
            function: known.function,
            place,
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
        let is_maglev = code.kind == compiled.kind_baseline + 1;
        let moved = (!raw.is_exact())
            .then(|| lazy_exit::original_return(&self.memory, &code, is_maglev, offset + 1))
            .flatten();
        let offset = moved.map_or(offset, |returns_to| returns_to.saturating_sub(1));
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
        let Some(known) = self.functions.get(&self.memory, &self.layout, shared, make) else {
            return;
        };
        self.remember_bytecode(bytecode, shared);
        let mut place = known.start_place;
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
                place = self.line_of(known.script, offset).unwrap_or(place);
            }
        }
        out.push(Resolved {
            function: known.function,
            place,
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
        if matches!(self.proofs.baseline, Proof::Unproved { .. })
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
        let maglev = own.filter(|_| code.kind == self.layout.compiled.kind_baseline + 1);
        let called = maglev
            .filter(|_| !raw.is_exact())
            .and_then(|own| {
                let offset = pc_offset + 1;
                deopt_points::at_return(&self.memory, &self.layout, code, own, offset)
            })
            .and_then(|places| self.located(&places));
        let outcome = match called {
            Some(frames) => Outcome::Frames(frames),
            None => {
                let sites = maglev.and_then(|own| self.call_sites(code, own));
                let pc_offset = sites
                    .as_ref()
                    .map_or(pc_offset, |sites| sites.origin(pc_offset));
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
                match (outcome, sites) {
                    (Outcome::Frames(frames), Some(sites)) => {
                        Outcome::Frames(self.corrected(&sites, pc_offset, &frames))
                    }
                    (outcome, _) => outcome,
                }
            }
        };
        let agrees = own == Some(physical);
        match outcome {
            Outcome::Frames(frames) => {
                let inlined = frames.len() > 1;
                if inlined && self.proofs.inlined == Proof::Refused {
                    return self.physical(physical, make, out);
                }
                let found = self.place(&frames, make);
                if self.functions.scripts.is_unfinished() {
                    // What is missing proves nothing.
                    return;
                }
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

    /// What is known of a piece of Maglev code, read once.
    fn call_sites(&mut self, code: &Code, own: u64) -> Option<Arc<CallSites>> {
        if let Some(known) = self.sites.get(&code.start) {
            return known.clone();
        }
        let found = CallSites::of(&self.memory, &self.layout, code, own).map(Arc::new);
        if self.sites.len() >= MOST_SITES {
            self.sites.clear();
        }
        self.sites.insert(code.start, found.clone());
        found
    }

    /// Script offsets for bytecode offsets; nothing unless all have one.
    fn located(&mut self, places: &[Place]) -> Option<Vec<Inlined>> {
        places
            .iter()
            .map(|place| {
                let offset = if place.bytecode == 0 {
                    BUILTIN
                } else {
                    self.bytecode_position(place.bytecode, place.offset)?
                };
                Some(Inlined {
                    shared: place.shared,
                    offset,
                    inlining: None,
                })
            })
            .collect()
    }

    /// Maglev's positions may be those of an earlier bytecode ([`crate::deopt_points`]): callers get the places that the
    /// deoptimizer knows, the innermost function the last known place in front, if its table stood still there.
    fn corrected(&mut self, sites: &CallSites, pc_offset: u64, frames: &[Inlined]) -> Vec<Inlined> {
        let mut out: Vec<Inlined> = Vec::with_capacity(frames.len());
        let mut callers = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            let mut frame = *frame;
            if index == 0 {
                if let Some(site) = sites.before(pc_offset, frame.inlining)
                    && site.place.shared == frame.shared
                    && let Some(offset) =
                        self.bytecode_position(site.place.bytecode, site.place.offset)
                    && offset != site.by_table
                {
                    frame.offset = offset;
                }
            } else if callers
                .last()
                .is_some_and(|caller: &Inlined| caller.shared == frame.shared)
            {
                if let Some(caller) = callers.pop() {
                    frame.offset = caller.offset;
                }
                out.append(&mut callers);
            }
            out.push(frame);
            callers = frame
                .inlining
                .and_then(|id| sites.callers(id))
                .and_then(|places| self.located(places))
                .unwrap_or_default();
        }
        out
    }

    /// Each function with its line, and whether its position lies inside of it.
    fn place(
        &mut self,
        frames: &[Inlined],
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
    ) -> Vec<(Resolved<F>, bool)> {
        let mut found = Vec::with_capacity(frames.len());
        for frame in frames {
            let Some(known) = self
                .functions
                .get(&self.memory, &self.layout, frame.shared, make)
            else {
                continue;
            };
            let holds = known.holds(frame.offset) || (frame.offset == BUILTIN && known.script < 0);
            let place = if holds {
                self.line_of(known.script, frame.offset)
            } else {
                None
            };
            let place = place.unwrap_or(known.start_place);
            found.push((
                Resolved {
                    function: known.function,
                    place,
                },
                holds,
            ));
        }
        found
    }

    fn line_of(&mut self, script: i32, offset: u32) -> Option<ScriptPlace> {
        self.functions
            .scripts
            .place(&self.memory, &self.layout, script, offset)
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
            self.shared_map,
            &mut self.stream_map,
        );
        if self.codes.len() >= MOST_STACKED {
            self.codes.clear();
        }
        self.codes.insert(pc, code);
        code
    }

    fn remember_bytecode(&mut self, bytecode: u64, shared: u64) {
        if bytecode != 0 && shared != 0 && self.by_bytecode.len() < MOST_BYTECODES {
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
}

#[cfg(test)]
pub(crate) mod tests;
