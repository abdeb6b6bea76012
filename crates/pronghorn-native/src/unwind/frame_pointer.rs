//! A step by frame pointer, for code that has no unwind information.

use super::error::UnwindError;
use super::registers::Registers;
use super::row::may_be_code;
use crate::memory::Memory;

/// Replaces `registers` by those of the caller, taking rbp for a frame pointer: `[rbp]` holds the caller's, `[rbp+8]`
/// the return address. In a function's first and last instructions, and in one that keeps no frame pointer, this skips
/// the caller.
///
/// `stack_high` is the end of the thread's stack.
///
/// # Errors
///
/// [`UnwindError::Implausible`] when rbp is no address between the stack pointer and `stack_high` or what it points at is no
/// return address; [`UnwindError::EndOfStack`] when the return address is 0; `registers` is left as it was.
pub fn step_by_frame_pointer<M: Memory>(
    memory: &M,
    registers: &mut Registers,
    stack_high: u64,
) -> Result<(), UnwindError> {
    let fp = registers.fp;
    let frame_end = fp.checked_add(16).ok_or(UnwindError::Implausible)?;
    if fp & 7 != 0 || fp < registers.sp || frame_end > stack_high {
        return Err(UnwindError::Implausible);
    }
    let caller_fp = memory.u64(fp).ok_or(UnwindError::Unreadable)?;
    let pc = memory
        .u64(fp.wrapping_add(8))
        .ok_or(UnwindError::Unreadable)?;
    if pc == 0 {
        return Err(UnwindError::EndOfStack);
    }
    if !may_be_code(pc) {
        return Err(UnwindError::Implausible);
    }
    *registers = Registers::new(pc, frame_end, caller_fp, false);
    Ok(())
}
