//! Frames of compiled code: baseline code at its bytecode's position, optimized code with all functions inlined at its pc.

use std::sync::Arc;

use super::{MOST_SITES, Resolver};
use crate::baseline;
use crate::call_sites::{CallSites, Reading};
use crate::code::Code;
use crate::deopt_points::{self, Place};
use crate::function_info::FunctionInfo;
use crate::kept::Kept;
use crate::layout::Frames;
use crate::lazy_exit;
use crate::memory::Memory;
use crate::object::{field, has_type, smi_field};
use crate::optimized::{self, BUILTIN, Inlined, Outcome};
use crate::proof::Proof;
use crate::raw_frame::RawFrame;

impl<F: Clone, M: Memory> Resolver<F, M> {
    pub(super) fn compiled(
        &mut self,
        raw: &RawFrame,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Kept<F>>,
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
            .then(|| {
                lazy_exit::original_return(
                    &self.memory,
                    self.layout.version,
                    &code,
                    is_maglev,
                    offset + 1,
                    &mut self.scratch.bytes,
                )
            })
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
        out: &mut Vec<Kept<F>>,
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
        let mut at = known.start_at;
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
                at = self.line_of(known.script, offset, at);
            }
        }
        out.push(Kept {
            function: known.function,
            at,
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
        self.load_table(code.object, self.layout.unexported.code_positions)?;
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
        out: &mut Vec<Kept<F>>,
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
                let scratch = &mut self.scratch;
                deopt_points::at_return(&self.memory, &self.layout, code, own, offset, scratch)
            })
            .and_then(|places| self.located(&places));
        let outcome = match called {
            Some(frames) => Outcome::Frames(frames),
            None => {
                let sites = maglev.and_then(|own| self.call_sites(code, own));
                if self.functions.scripts.is_unfinished() {
                    return;
                }
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

    /// What is known of a piece of Maglev code, read once. If time is up first, the frame is unfinished, and the next attempt goes on.
    fn call_sites(&mut self, code: &Code, own: u64) -> Option<Arc<CallSites>> {
        if let Some(known) = self.sites.get(&code.start) {
            return known.clone();
        }
        let (memory, layout) = (&self.memory, &self.layout);
        let begun = self.reading.take().filter(|begun| begun.is_of(code, own));
        let reading =
            begun.or_else(|| Reading::begin(memory, layout, code, own, &mut self.scratch));
        let mut found = None;
        if let Some(mut reading) = reading {
            let scripts = &self.functions.scripts;
            let is_over = || scripts.is_time_up();
            if !reading.go_on(memory, layout, &mut self.scratch.part, &is_over) {
                self.reading = Some(reading);
                self.functions.scripts.put_off();
                return None;
            }
            found = Some(Arc::new(reading.finish(&mut self.scratch)));
        }
        self.scratch.trim();
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
    ) -> Vec<(Kept<F>, bool)> {
        let mut found = Vec::with_capacity(frames.len());
        for frame in frames {
            let Some(known) = self
                .functions
                .get(&self.memory, &self.layout, frame.shared, make)
            else {
                continue;
            };
            let holds = known.holds(frame.offset) || (frame.offset == BUILTIN && known.script < 0);
            let at = if holds {
                self.line_of(known.script, frame.offset, known.start_at)
            } else {
                known.start_at
            };
            found.push((
                Kept {
                    function: known.function,
                    at,
                },
                holds,
            ));
        }
        found
    }
}
