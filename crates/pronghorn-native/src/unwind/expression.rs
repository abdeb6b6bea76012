//! DWARF expressions in call frame information.
//!
//! Stubs of the procedure linkage table, signal trampolines, functions that realign their stack and hand-written
//! assembly (OpenSSL, glibc) need them.

use super::cursor::Cursor;
use super::error::UnwindError;
use super::registers::Registers;
use crate::memory::Memory;

/// Values on the stack at most.
const DEPTH: usize = 8;
/// Operations at most: expressions can loop.
const BUDGET: u32 = 128;
/// Longest block of operations in bytes.
const MAX_LENGTH: u64 = 512;

/// The value of the expression block (length, then operations) at `address`, with `first` on the stack.
#[inline(never)]
pub(super) fn evaluate<M: Memory>(
    memory: &M,
    address: u64,
    first: Option<u64>,
    registers: &Registers,
) -> Result<u64, UnwindError> {
    let mut cursor = Cursor::new(
        memory,
        address,
        address.checked_add(10).ok_or(UnwindError::Malformed)?,
    );
    let length = cursor.uleb()?;
    if length > MAX_LENGTH {
        return Err(UnwindError::Malformed);
    }
    cursor.limit(length)?;
    let mut stack = Stack {
        values: [0; DEPTH],
        depth: 0,
    };
    if let Some(first) = first {
        stack.push(first)?;
    }
    let mut budget = BUDGET;
    while !cursor.at_end() {
        budget = budget.checked_sub(1).ok_or(UnwindError::Malformed)?;
        operation(memory, registers, &mut cursor, &mut stack)?;
    }
    stack.pop()
}

fn operation<M: Memory>(
    memory: &M,
    registers: &Registers,
    cursor: &mut Cursor<'_, M>,
    stack: &mut Stack,
) -> Result<(), UnwindError> {
    let signed = |value: u64| value.cast_signed();
    let opcode = cursor.u8()?;
    let value = match opcode {
        // addr, const8u, const8s
        0x03 | 0x0e | 0x0f => cursor.u64()?,
        // deref
        0x06 => memory.u64(stack.pop()?).ok_or(UnwindError::Unreadable)?,
        // const1u … const4s
        0x08 => cursor.u8()?.into(),
        0x09 => i64::from(cursor.u8()?.cast_signed()).cast_unsigned(),
        0x0a => cursor.u16()?.into(),
        0x0b => i64::from(cursor.u16()?.cast_signed()).cast_unsigned(),
        0x0c => cursor.u32()?.into(),
        0x0d => i64::from(cursor.u32()?.cast_signed()).cast_unsigned(),
        // constu, consts
        0x10 => cursor.uleb()?,
        0x11 => cursor.sleb()?.cast_unsigned(),
        // dup, drop, over, pick
        0x12 => stack.pick(0)?,
        0x13 => {
            stack.pop()?;
            return Ok(());
        }
        0x14 => stack.pick(1)?,
        0x15 => {
            let index = cursor.u8()?;
            stack.pick(index.into())?
        }
        // swap
        0x16 => {
            let (second, first) = (stack.pop()?, stack.pop()?);
            stack.push(second)?;
            first
        }
        // abs, neg, not
        0x19 => signed(stack.pop()?).unsigned_abs(),
        0x1f => stack.pop()?.wrapping_neg(),
        0x20 => !stack.pop()?,
        // plus_uconst
        0x23 => stack.pop()?.wrapping_add(cursor.uleb()?),
        // bra, skip
        0x28 => {
            let distance = cursor.u16()?.cast_signed();
            if stack.pop()? != 0 {
                cursor.jump(distance);
            }
            return Ok(());
        }
        0x2f => {
            let distance = cursor.u16()?.cast_signed();
            cursor.jump(distance);
            return Ok(());
        }
        // two operands: and, minus, mul, or, plus, shifts, xor, comparisons
        0x1a | 0x1c | 0x1e | 0x21 | 0x22 | 0x24..=0x27 | 0x29..=0x2e => {
            let (right, left) = (stack.pop()?, stack.pop()?);
            let shift = u32::try_from(right).unwrap_or(u32::MAX);
            match opcode {
                0x1a => left & right,
                0x1c => left.wrapping_sub(right),
                0x1e => left.wrapping_mul(right),
                0x21 => left | right,
                0x22 => left.wrapping_add(right),
                0x24 => left.checked_shl(shift).unwrap_or(0),
                0x25 => left.checked_shr(shift).unwrap_or(0),
                0x26 => signed(left).wrapping_shr(shift.min(63)).cast_unsigned(),
                0x27 => left ^ right,
                0x29 => (left == right).into(),
                0x2a => (signed(left) >= signed(right)).into(),
                0x2b => (signed(left) > signed(right)).into(),
                0x2c => (signed(left) <= signed(right)).into(),
                0x2d => (signed(left) < signed(right)).into(),
                _ => (left != right).into(),
            }
        }
        // lit0 … lit31
        0x30..=0x4f => opcode.wrapping_sub(0x30).into(),
        // breg0 … breg31
        0x70..=0x8f => {
            let offset = cursor.sleb()?;
            registers
                .get(memory, opcode.wrapping_sub(0x70))?
                .wrapping_add_signed(offset)
        }
        // bregx
        0x92 => {
            let register = cursor.register()?;
            let offset = cursor.sleb()?;
            registers.get(memory, register)?.wrapping_add_signed(offset)
        }
        // deref_size
        0x94 => {
            let size = cursor.u8()?;
            let loaded = memory.u64(stack.pop()?).ok_or(UnwindError::Unreadable)?;
            match size {
                1 => loaded & 0xff,
                2 => loaded & 0xffff,
                4 => loaded & 0xffff_ffff,
                8 => loaded,
                _ => return Err(UnwindError::Unsupported(opcode)),
            }
        }
        // nop
        0x96 => return Ok(()),
        _ => return Err(UnwindError::Unsupported(opcode)),
    };
    stack.push(value)
}

struct Stack {
    values: [u64; DEPTH],
    depth: usize,
}

impl Stack {
    fn push(&mut self, value: u64) -> Result<(), UnwindError> {
        *self
            .values
            .get_mut(self.depth)
            .ok_or(UnwindError::Malformed)? = value;
        self.depth = self.depth.wrapping_add(1);
        Ok(())
    }

    fn pop(&mut self) -> Result<u64, UnwindError> {
        self.depth = self.depth.checked_sub(1).ok_or(UnwindError::Malformed)?;
        self.values
            .get(self.depth)
            .copied()
            .ok_or(UnwindError::Malformed)
    }

    /// The value `index` places below the top.
    fn pick(&self, index: usize) -> Result<u64, UnwindError> {
        let place = self
            .depth
            .checked_sub(index)
            .and_then(|depth| depth.checked_sub(1));
        place
            .and_then(|place| self.values.get(place))
            .copied()
            .ok_or(UnwindError::Malformed)
    }
}
