//! From raw frames to functions and lines, on the isolate's own thread, at a safe point.
//!
//! One resolver per isolate; it belongs to that isolate's thread. It may allocate. Reads go through checked loads, and
//! every loop is bounded: damaged memory gives a wrong or missing name, never a crash. What it has learned under an
//! address is good until the next major collection; what it has learned under a script's id is good for ever,
//! and kept for as long as it is asked for.
//! A fork needs no reset: the child's heap is a copy at the same addresses.

mod compiled;
mod frame_table;
mod interpreted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::address_hash::{AddressMap, AddressSet};
use crate::bytecode_sizes::BytecodeSizes;
use crate::call_sites::{CallSites, Reading};
use crate::code::{self, Code};
use crate::function_info::{FunctionInfo, Origin, Place as ScriptPlace, Resolved};
use crate::functions::Functions;
use crate::kept::{At, Kept, Named};
use crate::layout::Layout;
use crate::memory::{Live, Memory};
use crate::object::{bytes_of, field};
use crate::proof::Proofs;
use crate::ranges::CodeRanges;
use crate::raw_frame::{Kind, RawFrame};
use crate::scratch::Scratch;
use frame_table::FrameTable;

// Bounds of the caches; one that is full is emptied.
const MOST_STACKED: usize = 1 << 16;
const MOST_CODES: usize = 1 << 16;
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
    /// Frames that are known.
    frames: FrameTable<F>,
    /// Those that were only kept.
    kept: AddressMap<RawFrame, Vec<Kept<F>>>,
    /// By their first instruction.
    codes: BTreeMap<u64, Code>,
    /// Pcs with no code around.
    stray: AddressSet<u64>,
    by_bytecode: AddressMap<u64, u64>,
    sites: AddressMap<u64, Option<Arc<CallSites>>>,
    /// One that is not finished.
    reading: Option<Reading>,
    functions: Functions<F>,
    // The map of instruction streams, once one was found: it never moves.
    stream_map: Option<u64>,
    /// The map of SharedFunctionInfos, once one was seen.
    shared_map: Option<u64>,
    markers: [Option<F>; 2],
    /// Reused for what one frame comes to.
    found: Vec<Kept<F>>,
    // Reused for tables.
    table: Vec<u8>,
    bytecodes: Vec<u8>,
    scratch: Scratch,
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
            frames: FrameTable::new(),
            kept: AddressMap::default(),
            found: Vec::new(),
            codes: BTreeMap::new(),
            stray: AddressSet::default(),
            by_bytecode: AddressMap::default(),
            sites: AddressMap::default(),
            reading: None,
            functions: Functions::new(source_maps),
            stream_map: None,
            shared_map: None,
            markers: [None, None],
            table: Vec::new(),
            bytecodes: Vec::new(),
            scratch: Scratch::default(),
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
        let mut found = core::mem::take(&mut self.found);
        let progress = self.read(raw, make, &mut found);
        let begin = out.len();
        out.extend(found.drain(..).filter_map(|kept| kept.resolved()));
        self.found = found;
        if progress == Progress::New {
            let added = out.get(begin..).unwrap_or_default();
            self.frames.insert(raw, added);
        }
        progress
    }

    /// The frames that are about to be resolved, the next one first: a hint, which makes that quicker.
    pub fn ahead(&self, next: &[RawFrame]) {
        self.frames.ahead(next);
    }

    /// As [`Resolver::resolve`], without counting lines: appends what outlives V8's pointers, for [`Resolver::complete`].
    pub fn keep(
        &mut self,
        raw: &RawFrame,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Kept<F>>,
    ) {
        if let Some(known) = self.frames.get(raw) {
            return out.extend(known.iter().map(Kept::from));
        }
        if let Some(known) = self.kept.get(raw) {
            return out.extend_from_slice(known);
        }
        let begin = out.len();
        self.functions.scripts.keep(true);
        let progress = self.read(raw, make, out);
        self.functions.scripts.keep(false);
        if progress == Progress::New && self.kept.len() < MOST_STACKED {
            let added = out.get(begin..).unwrap_or_default();
            self.kept.insert(*raw, added.to_vec());
        }
    }

    /// What was kept, with its lines; nothing if they were not counted by `deadline`. They are missing if the script is gone.
    ///
    /// Call it on the isolate's own thread, not during a collection.
    pub fn complete(
        &mut self,
        kept: &Kept<F>,
        deadline: Option<Instant>,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
    ) -> Option<Resolved<F>> {
        self.functions.scripts.until(deadline);
        let (function, start) = match &kept.function {
            Named::Made(function) => (function.clone(), None),
            Named::Unlined(unlined) => {
                let functions = &mut self.functions;
                let known = functions.lined(&self.memory, &self.layout, unlined, make)?;
                match known.function {
                    Named::Made(function) => (function, Some(known.start_at.start())),
                    Named::Unlined(_) => return None,
                }
            }
        };
        let place = match kept.at {
            At::Place(place) => place,
            At::Start => start.unwrap_or_default(),
            At::Offset {
                script,
                offset,
                start: known,
            } => {
                let scripts = &mut self.functions.scripts;
                let place = scripts.place(&self.memory, &self.layout, script, offset);
                if scripts.is_unfinished() {
                    return None;
                }
                place.or(start).unwrap_or(known)
            }
        };
        Some(Resolved { function, place })
    }

    /// Appends what one frame comes to; nothing if it is unfinished.
    fn read(
        &mut self,
        raw: &RawFrame,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Kept<F>>,
    ) -> Progress {
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
        if out.len() == begin {
            self.proofs.unknown += 1;
            return Progress::Known;
        }
        Progress::New
    }

    /// Drops everything that is keyed by an address. Call it at each major collection, after the frames taken before it
    /// have been resolved or kept. Functions keep their identity.
    ///
    /// `hold` makes a handle of a tagged pointer, the place of a word that V8 keeps up to date, if it can: for scripts whose lines kept
    /// frames need. Without one those are missing, unless a frame leads to the script again.
    pub fn forget_pointers(&mut self, hold: &mut dyn FnMut(u64) -> Option<u64>) {
        self.frames.clear();
        self.kept.clear();
        self.functions.forget_pointers();
        self.functions.scripts.forget_pointers(hold);
        self.codes.clear();
        self.stray.clear();
        self.by_bytecode.clear();
        self.sites.clear();
        self.reading = None;
    }

    /// Nothing that was kept is left to be completed: `dispose` gets every handle that was made.
    pub fn let_go(&mut self, dispose: &mut dyn FnMut(u64)) {
        self.functions.scripts.let_go(dispose);
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
        self.forget_pointers(&mut |_| None);
        self.proofs = Proofs::default();
    }

    /// What has been proved so far.
    #[must_use]
    pub const fn proofs(&self) -> Proofs {
        self.proofs
    }

    fn marker(
        &mut self,
        index: usize,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Kept<F>>,
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
                    name: &Arc::from(name),
                    file: &Arc::from(""),
                    start_line: 0,
                    origin,
                    map: None,
                })
            })
            .clone();
        out.push(Kept {
            function: Named::Made(function),
            at: At::Place(ScriptPlace::default()),
        });
    }

    /// The function itself, at its start line.
    fn physical(
        &mut self,
        shared: u64,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Kept<F>>,
    ) {
        if let Some(known) = self.functions.get(&self.memory, &self.layout, shared, make) {
            out.push(Kept {
                function: known.function,
                at: known.start_at,
            });
        }
    }

    /// Where a script offset is; `start` if that cannot be told.
    fn line_of(&mut self, script: i32, offset: u32, start: At) -> At {
        let scripts = &mut self.functions.scripts;
        match scripts.place(&self.memory, &self.layout, script, offset) {
            Some(place) => At::Place(place),
            None if scripts.is_unfinished() && scripts.keeps() => At::Offset {
                script,
                offset,
                start: start.start(),
            },
            None => start,
        }
    }

    /// The code around `pc`. Searching for its beginning reads all that lies in front of the pc, so code that is known is not searched
    /// again: until the next major collection nothing else comes to lie there.
    fn code(&mut self, pc: u64) -> Option<Code> {
        let before = self.codes.range(..=pc).next_back();
        if let Some((_, code)) = before
            && pc - code.start <= u64::from(code.size)
        {
            return Some(*code);
        }
        if self.stray.contains(&pc) {
            return None;
        }
        let Some(code) = code::find(
            &self.memory,
            &self.layout,
            &self.ranges,
            pc,
            self.shared_map,
            &mut self.stream_map,
        ) else {
            if self.stray.len() >= MOST_CODES {
                self.stray.clear();
            }
            self.stray.insert(pc);
            return None;
        };
        if self.codes.len() >= MOST_CODES {
            self.codes.clear();
        }
        self.codes.insert(code.start, code);
        Some(code)
    }

    /// Copies the table that a field of `holder` names into `table`.
    fn load_table(&mut self, holder: u64, at: u64) -> Option<()> {
        let table = field(&self.memory, holder, at)?;
        let (address, length) = bytes_of(&self.memory, &self.layout, table)?;
        self.table.clear();
        self.table.resize(length, 0);
        self.memory.copy(address, &mut self.table).then_some(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
