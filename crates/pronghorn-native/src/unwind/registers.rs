//! The registers of one frame, as far as they are known.

use super::error::UnwindError;
use crate::memory::Memory;

/// DWARF number of rbx.
pub(super) const RBX: u8 = 3;
/// DWARF number of rbp.
pub(super) const RBP: u8 = 6;
/// DWARF number of rsp.
pub(super) const RSP: u8 = 7;
/// DWARF number of the return address; in expressions, of rip.
pub(super) const RA: u8 = 16;

/// The registers of one frame.
///
/// Of an interrupted frame all are known, and a register stays known in its callers until a rule says otherwise, also
/// one that calls need not preserve: compilers base no frame on those, and OpenSSL's assembly, which does (on rax),
/// calls helpers that keep them. A register that a callee stored is read from the stack only when something needs it.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// The program counter: of a caller, the address behind its call.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// rbp: a frame pointer only where the code uses it as one.
    pub fp: u64,
    /// Whether `pc` is an instruction about to run (an interrupted frame) rather than a return address, whose call, and
    /// with it the function, is found one byte earlier.
    pub exact: bool,
    /// By DWARF number; 6 and 7 are unused. The value, or where it is stored for registers in `stored`.
    general: [u64; 16],
    known: u16,
    stored: u16,
}

impl Registers {
    /// A frame of which only these three registers are known, as found by following frame pointers. `exact` is described
    /// at the field of that name.
    #[must_use]
    pub const fn new(pc: u64, sp: u64, fp: u64, exact: bool) -> Self {
        Self {
            pc,
            sp,
            fp,
            exact,
            general: [0; 16],
            known: 1 << RBP | 1 << RSP,
            stored: 0,
        }
    }

    /// The frame that a signal interrupted.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[must_use]
    pub fn interrupted(context: &libc::ucontext_t) -> Self {
        const ORDER: [libc::c_int; 16] = [
            libc::REG_RAX,
            libc::REG_RDX,
            libc::REG_RCX,
            libc::REG_RBX,
            libc::REG_RSI,
            libc::REG_RDI,
            libc::REG_RBP,
            libc::REG_RSP,
            libc::REG_R8,
            libc::REG_R9,
            libc::REG_R10,
            libc::REG_R11,
            libc::REG_R12,
            libc::REG_R13,
            libc::REG_R14,
            libc::REG_R15,
        ];
        let machine = &context.uc_mcontext.gregs;
        let read = |index: libc::c_int| {
            usize::try_from(index)
                .ok()
                .and_then(|index| machine.get(index))
                .copied()
                .unwrap_or(0)
                .cast_unsigned()
        };
        Self {
            pc: read(libc::REG_RIP),
            sp: read(libc::REG_RSP),
            fp: read(libc::REG_RBP),
            exact: true,
            general: ORDER.map(read),
            known: u16::MAX,
            stored: 0,
        }
    }

    /// The address to look this frame's code up with: within its function also where the function ends in a call, and so
    /// the address to symbolize.
    #[inline]
    #[must_use]
    pub const fn lookup_pc(&self) -> u64 {
        if self.exact {
            self.pc
        } else {
            self.pc.wrapping_sub(1)
        }
    }

    /// The value of the register with this DWARF number; 16 is the program counter.
    pub(super) fn get<M: Memory>(&self, memory: &M, register: u8) -> Result<u64, UnwindError> {
        if register == RA {
            return Ok(self.pc);
        }
        let unknown = UnwindError::UnknownRegister(register);
        let bit = 1_u16.checked_shl(register.into()).ok_or(unknown)?;
        if self.known & bit == 0 {
            return Err(unknown);
        }
        match register {
            RBP => return Ok(self.fp),
            RSP => return Ok(self.sp),
            _ => {}
        }
        let value = *self.general.get(usize::from(register)).ok_or(unknown)?;
        if self.stored & bit == 0 {
            Ok(value)
        } else {
            memory.u64(value).ok_or(UnwindError::Unreadable)
        }
    }

    /// Forgets one register.
    #[inline]
    pub(super) fn forget(&mut self, register: u8) {
        self.known &= !1_u16.checked_shl(register.into()).unwrap_or(0);
    }

    /// Sets a general register other than rbp and rsp.
    #[inline]
    pub(super) fn set(&mut self, register: u8, value: u64) {
        self.store(register, value);
        self.stored &= !1_u16.checked_shl(register.into()).unwrap_or(0);
    }

    /// Says that a general register other than rbp and rsp is stored at `address`.
    #[inline]
    pub(super) fn set_stored(&mut self, register: u8, address: u64) {
        self.store(register, address);
        self.stored |= 1_u16.checked_shl(register.into()).unwrap_or(0);
    }

    /// Sets rbp.
    #[inline]
    pub(super) fn set_fp(&mut self, value: u64) {
        self.fp = value;
        self.known |= 1 << RBP;
    }

    #[inline]
    fn store(&mut self, register: u8, value: u64) {
        if let Some(slot) = self.general.get_mut(usize::from(register)) {
            *slot = value;
            self.known |= 1_u16.checked_shl(register.into()).unwrap_or(0);
        }
    }
}
