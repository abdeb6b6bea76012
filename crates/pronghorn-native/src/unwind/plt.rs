//! Stubs of the procedure linkage table that no frame description covers, as lld leaves them.

use super::error::UnwindError;
use super::registers::Registers;
use super::row::check_step;
use crate::memory::Memory;

/// Steps out of the stub that is about to run the instruction at `registers.pc`, if it looks like one.
pub(super) fn step<M: Memory>(memory: &M, registers: &mut Registers) -> Result<(), UnwindError> {
    let pushed = pushed_bytes(memory, registers.pc)?;
    let slot = registers.sp.wrapping_add(pushed);
    let mut caller = *registers;
    caller.pc = memory.u64(slot).ok_or(UnwindError::Unreadable)?;
    caller.sp = slot.wrapping_add(8);
    caller.exact = false;
    check_step(registers, &caller, false)?;
    *registers = caller;
    Ok(())
}

/// How many bytes lie above the return address when the stub's instruction at `pc` is about to run.
fn pushed_bytes<M: Memory>(memory: &M, pc: u64) -> Result<u64, UnwindError> {
    let bytes = code(memory, pc)?;
    match bytes {
        // endbr64 before one of the others
        [0xf3, 0x0f, 0x1e, 0xfa, ..] => Ok(0),
        // jmp *slot(%rip), also with a bnd prefix: of an entry whose relocation number is not, or not yet, pushed
        [0xff, 0x25, ..] if !follows_push(memory, pc) => Ok(0),
        [0xf2, 0xff, 0x25, ..] => Ok(0),
        // The same in the table's head, where the entry has pushed its number and the head the link map.
        [0xff, 0x25, ..] => Ok(16),
        // push $number; jmp head
        [0x68, _, _, _, _, 0xe9, ..] => Ok(0),
        [0xe9, ..] if follows_number(memory, pc) => Ok(8),
        // push link_map(%rip), first in the head
        [0xff, 0x35, ..] => Ok(8),
        _ => Err(UnwindError::NoRule),
    }
}

/// Whether a `push link_map(%rip)` (6 bytes) ends at `pc`.
fn follows_push<M: Memory>(memory: &M, pc: u64) -> bool {
    matches!(code(memory, pc.wrapping_sub(6)), Ok([0xff, 0x35, ..]))
}

/// Whether a `push $number` (5 bytes) ends at `pc`.
fn follows_number<M: Memory>(memory: &M, pc: u64) -> bool {
    matches!(code(memory, pc.wrapping_sub(5)), Ok([0x68, ..]))
}

fn code<M: Memory>(memory: &M, address: u64) -> Result<[u8; 8], UnwindError> {
    memory
        .u64(address)
        .map(u64::to_le_bytes)
        .ok_or(UnwindError::Unreadable)
}
