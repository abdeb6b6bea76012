//! The registers of the code that asks for them, for walks that do not start in a signal handler.

use pronghorn_native::unwind::Registers;

/// The caller's own registers. Inlined, so that the frame they describe is the caller's and stays while it runs.
#[allow(clippy::inline_always, reason = "the frame is the caller's")]
#[inline(always)]
#[must_use]
pub fn here() -> Registers {
    let (pc, sp, fp): (u64, u64, u64);
    // SAFETY: reads three registers and touches nothing.
    unsafe {
        core::arch::asm!(
            "lea {pc}, [rip]",
            "mov {sp}, rsp",
            "mov {fp}, rbp",
            pc = out(reg) pc,
            sp = out(reg) sp,
            fp = out(reg) fp,
            options(nomem, nostack, preserves_flags),
        );
    }
    Registers::new(pc, sp, fp, true)
}
