//! Frames of the interpreter, by their bytecode array and the offset in it, and the proof that they are read right.

use super::{MOST_BYTECODES, Resolver};
use crate::function;
use crate::function_info::FunctionInfo;
use crate::kept::Kept;
use crate::layout::Frames;
use crate::memory::Memory;
use crate::object::has_type;
use crate::position_table::{Lookup, Position, look_up};
use crate::proof::Proof;
use crate::raw_frame::{Kind, RawFrame};
use crate::script;

impl<F: Clone, M: Memory> Resolver<F, M> {
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

    /// A frame of the interpreter.
    pub(super) fn interpreted(
        &mut self,
        raw: &RawFrame,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Kept<F>>,
    ) {
        let Some(known) = self
            .functions
            .get(&self.memory, &self.layout, raw.shared(), make)
        else {
            return;
        };
        self.remember_bytecode(raw.bytecode_array(), raw.shared());
        let mut at = known.start_at;
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
                at = self.line_of(known.script, offset, at);
            }
        }
        out.push(Kept {
            function: known.function,
            at,
        });
    }

    /// Optimized code names functions by their bytecode.
    pub(super) fn remember_bytecode(&mut self, bytecode: u64, shared: u64) {
        if bytecode != 0 && shared != 0 && self.by_bytecode.len() < MOST_BYTECODES {
            self.by_bytecode.insert(bytecode, shared);
        }
    }

    /// The script offset of a bytecode, by the position table of its BytecodeArray.
    pub(super) fn bytecode_position(&mut self, bytecode: u64, offset: u64) -> Option<u32> {
        if !has_type(
            &self.memory,
            &self.layout,
            bytecode,
            self.layout.types.bytecode_array,
        ) {
            return None;
        }
        self.load_table(bytecode, self.layout.unexported.bytecode_positions)?;
        match look_up(&self.table, self.layout.unexported.encoding, offset) {
            Lookup::Word(word) => Position::from_word(word).map(|position| position.offset),
            Lookup::Before | Lookup::Damaged => None,
        }
    }
}
