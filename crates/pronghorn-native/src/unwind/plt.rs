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
        // endbr64 in front of the next two
        [0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, ..]
        | [0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, ..] => Ok(0),
        [0xf3, 0x0f, 0x1e, 0xfa, 0x68, ..] => Ok(0),
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

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: u64 = 0x40_0000;
    const STACK: u64 = 0x7000_0000;

    /// Which word of the stack, counted from its top, is taken for the return address at `offset` into this code.
    fn slot(code: &[u8], offset: u64) -> Result<u64, UnwindError> {
        let memory = |address: u64| {
            if (STACK..STACK + 64).contains(&address) {
                return Some(0x50_0000 + (address - STACK) / 8);
            }
            let mut bytes = [0x90_u8; 32];
            bytes[8..8 + code.len()].copy_from_slice(code);
            let start = usize::try_from(address.checked_sub(CODE - 8)?).ok()?;
            bytes
                .get(start..)?
                .first_chunk()
                .map(|word| u64::from_le_bytes(*word))
        };
        let mut registers = Registers::new(CODE + offset, STACK, 0, true);
        step(&memory, &mut registers)?;
        assert_eq!(registers.sp, STACK + (registers.pc - 0x50_0000) * 8 + 8);
        assert!(!registers.exact);
        Ok(registers.pc - 0x50_0000)
    }

    #[test]
    fn stubs() {
        // jmp *slot(%rip); push $3; jmp head
        let entry = [0xff, 0x25, 1, 2, 3, 0, 0x68, 3, 0, 0, 0, 0xe9, 1, 2, 3, 0];
        assert_eq!(slot(&entry, 0), Ok(0));
        assert_eq!(slot(&entry, 6), Ok(0));
        assert_eq!(slot(&entry, 11), Ok(1));
        // push link_map(%rip); jmp *resolver(%rip)
        let head = [0xff, 0x35, 1, 2, 3, 0, 0xff, 0x25, 1, 2, 3, 0];
        assert_eq!(slot(&head, 0), Ok(1));
        assert_eq!(slot(&head, 6), Ok(2));
        // endbr64; jmp *slot(%rip), and the same with a bnd prefix
        let marked = [0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 1, 2, 3, 0];
        assert_eq!(slot(&marked, 0), Ok(0));
        assert_eq!(slot(&marked, 4), Ok(0));
        assert_eq!(slot(&[0xf2, 0xff, 0x25, 1, 2, 3, 0], 0), Ok(0));
        // Anything else is no stub.
        assert_eq!(slot(&[0x55, 0x48, 0x89, 0xe5], 0), Err(UnwindError::NoRule));
        assert_eq!(slot(&[0xe9, 1, 2, 3, 0], 0), Err(UnwindError::NoRule));
    }
}
