//! Running call frame instructions up to the row of one address.

use super::cursor::Cursor;
use super::error::UnwindError;
use super::frame_entry::{FrameEntry, Instructions};
use super::row::{Cfa, Row, Rule, Rules};
use crate::memory::Memory;

/// How deep DW_CFA_remember_state may nest: Node 20 to 26, libc and OpenSSL need one level, and each costs handler stack.
const REMEMBERED: usize = 8;
/// Instructions run at most for one entry. The longest program in the binaries of Node 20 and 26 has 2,894.
const BUDGET: u32 = 8192;

/// The row of `pc`, which `entry` covers. Never inlined: its memory is free again when the row is applied.
#[inline(never)]
pub(super) fn run<M: Memory>(memory: &M, entry: &FrameEntry, pc: u64) -> Result<Row, UnwindError> {
    let mut machine = Machine {
        entry,
        pc,
        location: entry.begin,
        row: Rules::NONE,
        initial: Rules::NONE,
        stack: [Rules::NONE; REMEMBERED],
        depth: 0,
        budget: BUDGET,
    };
    machine.run(memory, entry.initial)?;
    machine.initial = machine.row;
    machine.depth = 0;
    machine.location = entry.begin;
    machine.run(memory, entry.instructions)?;
    Ok(Row {
        rules: machine.row,
        anchor: entry.address,
        is_signal_frame: entry.is_signal_frame,
    })
}

struct Machine<'entry> {
    entry: &'entry FrameEntry,
    pc: u64,
    location: u64,
    row: Rules,
    /// The row that the CIE sets up, for DW_CFA_restore.
    initial: Rules,
    stack: [Rules; REMEMBERED],
    depth: usize,
    budget: u32,
}

impl Machine<'_> {
    /// Runs instructions until they end or pass `pc`.
    fn run<M: Memory>(
        &mut self,
        memory: &M,
        instructions: Instructions,
    ) -> Result<(), UnwindError> {
        let mut cursor = Cursor::new(memory, instructions.start, instructions.end);
        while !cursor.at_end() && self.location <= self.pc {
            self.budget = self.budget.checked_sub(1).ok_or(UnwindError::Malformed)?;
            let opcode = cursor.u8()?;
            let operand = opcode & 0x3f;
            match opcode >> 6 {
                1 => self.advance(operand.into()),
                2 => {
                    let offset = self.factored(cursor.uleb()?)?;
                    self.row.set(operand, Rule::Offset(offset));
                }
                3 => self.restore(operand),
                _ => self.extended(&mut cursor, opcode)?,
            }
        }
        Ok(())
    }

    /// The instructions whose opcode takes the whole byte.
    fn extended<M: Memory>(
        &mut self,
        cursor: &mut Cursor<'_, M>,
        opcode: u8,
    ) -> Result<(), UnwindError> {
        match opcode {
            0x00 => {}
            // set_loc
            0x01 => self.location = cursor.pointer(self.entry.pointer_encoding)?,
            // advance_loc1, 2, 4
            0x02 => self.advance(cursor.u8()?.into()),
            0x03 => self.advance(cursor.u16()?.into()),
            0x04 => self.advance(cursor.u32()?.into()),
            // offset_extended
            0x05 => {
                let register = cursor.register()?;
                let offset = self.factored(cursor.uleb()?)?;
                self.row.set(register, Rule::Offset(offset));
            }
            // restore_extended
            0x06 => {
                let register = cursor.register()?;
                self.restore(register);
            }
            // undefined
            0x07 => self.row.set(cursor.register()?, Rule::Undefined),
            // same_value
            0x08 => self.row.set(cursor.register()?, Rule::Same),
            // register
            0x09 => {
                let register = cursor.register()?;
                self.row.set(register, Rule::Register(cursor.register()?));
            }
            // remember_state
            0x0a => {
                *self
                    .stack
                    .get_mut(self.depth)
                    .ok_or(UnwindError::Malformed)? = self.row;
                self.depth = self.depth.wrapping_add(1);
            }
            // restore_state
            0x0b => {
                self.depth = self.depth.checked_sub(1).ok_or(UnwindError::Malformed)?;
                self.row = *self.stack.get(self.depth).ok_or(UnwindError::Malformed)?;
            }
            // def_cfa
            0x0c => {
                let register = cursor.register()?;
                let offset = unfactored(cursor.uleb()?)?;
                self.row.cfa = Cfa::Register { register, offset };
            }
            // def_cfa_register
            0x0d => {
                let register = cursor.register()?;
                let Cfa::Register { offset, .. } = self.row.cfa else {
                    return Err(UnwindError::Malformed);
                };
                self.row.cfa = Cfa::Register { register, offset };
            }
            // def_cfa_offset
            0x0e => {
                let offset = unfactored(cursor.uleb()?)?;
                self.set_cfa_offset(offset)?;
            }
            // def_cfa_expression
            0x0f => self.row.cfa = Cfa::Expression(self.expression(cursor)?),
            // expression
            0x10 => {
                let register = cursor.register()?;
                let place = self.expression(cursor)?;
                self.row.set(register, Rule::Expression(place));
            }
            // offset_extended_sf
            0x11 => {
                let register = cursor.register()?;
                let offset = self.factored_signed(cursor.sleb()?)?;
                self.row.set(register, Rule::Offset(offset));
            }
            // def_cfa_sf
            0x12 => {
                let register = cursor.register()?;
                let offset = self.factored_signed(cursor.sleb()?)?;
                self.row.cfa = Cfa::Register { register, offset };
            }
            // def_cfa_offset_sf
            0x13 => {
                let offset = self.factored_signed(cursor.sleb()?)?;
                self.set_cfa_offset(offset)?;
            }
            // val_offset
            0x14 => {
                let register = cursor.register()?;
                let offset = self.factored(cursor.uleb()?)?;
                self.row.set(register, Rule::ValueOffset(offset));
            }
            // val_offset_sf
            0x15 => {
                let register = cursor.register()?;
                let offset = self.factored_signed(cursor.sleb()?)?;
                self.row.set(register, Rule::ValueOffset(offset));
            }
            // val_expression
            0x16 => {
                let register = cursor.register()?;
                let place = self.expression(cursor)?;
                self.row.set(register, Rule::ValueExpression(place));
            }
            // GNU_args_size: matters to landing pads only
            0x2e => {
                cursor.uleb()?;
            }
            // GNU_negative_offset_extended
            0x2f => {
                let register = cursor.register()?;
                let offset = self.factored(cursor.uleb()?)?;
                self.row.set(
                    register,
                    Rule::Offset(offset.checked_neg().ok_or(UnwindError::Malformed)?),
                );
            }
            _ => return Err(UnwindError::Unsupported(opcode)),
        }
        Ok(())
    }

    /// Moves on by so many units of code; passing `pc` ends the run with the row as it is.
    fn advance(&mut self, units: u64) {
        self.location = self
            .location
            .saturating_add(units.saturating_mul(self.entry.code_alignment));
    }

    fn restore(&mut self, register: u8) {
        if let Some(rule) = self.initial.get(register) {
            self.row.set(register, rule);
        }
    }

    fn set_cfa_offset(&mut self, offset: i32) -> Result<(), UnwindError> {
        let Cfa::Register { register, .. } = self.row.cfa else {
            return Err(UnwindError::Malformed);
        };
        self.row.cfa = Cfa::Register { register, offset };
        Ok(())
    }

    /// Remembers where the expression block at the cursor is and steps over it.
    fn expression<M: Memory>(&self, cursor: &mut Cursor<'_, M>) -> Result<i32, UnwindError> {
        let distance = cursor
            .position()
            .wrapping_sub(self.entry.address)
            .cast_signed();
        let length = cursor.uleb()?;
        cursor.skip(length)?;
        i32::try_from(distance).map_err(|_| UnwindError::Malformed)
    }

    fn factored(&self, value: u64) -> Result<i32, UnwindError> {
        self.factored_signed(i64::try_from(value).map_err(|_| UnwindError::Malformed)?)
    }

    fn factored_signed(&self, value: i64) -> Result<i32, UnwindError> {
        let scaled = value
            .checked_mul(self.entry.data_alignment)
            .ok_or(UnwindError::Malformed)?;
        i32::try_from(scaled).map_err(|_| UnwindError::Malformed)
    }
}

fn unfactored(value: u64) -> Result<i32, UnwindError> {
    i32::try_from(value).map_err(|_| UnwindError::Malformed)
}
