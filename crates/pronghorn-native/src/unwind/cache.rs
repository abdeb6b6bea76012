//! A small cache of the rules that nearly every frame needs. For threads and validity see the module above.

use std::cell::Cell;

use super::error::UnwindError;
use super::registers::{RA, RBP, RBX, RSP, Registers};
use super::row::{Cfa, Row, Rule, check_step};
use crate::memory::Memory;

/// Entries; a power of two.
const ENTRIES: usize = 1024;
/// Bits of a hash that name an entry.
const INDEX_BITS: u32 = ENTRIES.trailing_zeros();
/// 2^64 divided by the golden ratio: spreads neighbouring addresses over the cache.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The return address lies right below the canonical frame address in every rule that is cached.
const RETURN_OFFSET: i32 = -8;
/// Registers whose place is cached, in the order of `Entry::saved`.
const SAVED: [u8; 6] = [RBP, RBX, 12, 13, 14, 15];
/// In `Entry::saved`: the register still has its value. No register is stored at the canonical frame address itself.
const UNCHANGED: i16 = 0;
/// In `Entry::saved`: the value is lost.
const LOST: i16 = i16::MIN;

/// A direct-mapped cache from code addresses to compact rules, 32 KiB.
///
/// It belongs to one thread. Memory filled with zeros is a valid empty cache, so it can live in a fresh mapping.
#[repr(C)]
pub struct UnwindCache {
    entries: [Cell<Entry>; ENTRIES],
}

/// A rule, and the address and generation it holds for. An address of 0 is never looked up successfully: an entry of
/// zeros is an empty one.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Entry {
    pc: u64,
    /// Low half of the list's generation.
    generation: u32,
    cfa_offset: i32,
    base: Base,
    saved: [i16; SAVED.len()],
}

/// What a cached rule computes the canonical frame address from. Not a Rust enum: the mapping's bytes are not checked.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
struct Base(u16);

impl Base {
    const STACK_POINTER: Self = Self(0);
    const FRAME_POINTER: Self = Self(1);
    /// There is no caller.
    const END_OF_STACK: Self = Self(2);
}

const _: () = assert!(size_of::<Entry>() == 32 && ENTRIES.is_power_of_two());

/// What zeroed memory holds.
const EMPTY: Entry = Entry {
    pc: 0,
    generation: 0,
    cfa_offset: 0,
    base: Base::STACK_POINTER,
    saved: [UNCHANGED; SAVED.len()],
};

impl UnwindCache {
    /// An empty cache.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: [const { Cell::new(EMPTY) }; ENTRIES],
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for entry in &self.entries {
            entry.set(EMPTY);
        }
    }

    /// The rule for `pc`, if it is cached.
    #[inline]
    pub(super) fn get(&self, pc: u64, generation: u64) -> Option<Entry> {
        let entry = self.entries.get(index(pc))?.get();
        (entry.pc == pc && entry.generation == generation as u32 && pc != 0).then_some(entry)
    }

    /// Remembers the rule of `pc` if it is a common one.
    pub(super) fn put(&self, pc: u64, generation: u64, row: &Row) {
        if let (Some(cell), Some(entry)) =
            (self.entries.get(index(pc)), Entry::new(pc, generation, row))
        {
            cell.set(entry);
        }
    }
}

impl Default for UnwindCache {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn index(pc: u64) -> usize {
    pc.wrapping_mul(SPREAD)
        .wrapping_shr(64_u32.wrapping_sub(INDEX_BITS)) as usize
}

impl Entry {
    fn new(pc: u64, generation: u64, row: &Row) -> Option<Self> {
        let mut entry = Self {
            pc,
            generation: generation as u32,
            cfa_offset: 0,
            base: Base::END_OF_STACK,
            saved: [UNCHANGED; SAVED.len()],
        };
        match row.rule(RA)? {
            Rule::Undefined => return Some(entry),
            Rule::Offset(RETURN_OFFSET) if !row.is_signal_frame && row.rule(RSP)? == Rule::Same => {
            }
            _ => return None,
        }
        let Cfa::Register { register, offset } = row.cfa() else {
            return None;
        };
        entry.base = match register {
            RSP => Base::STACK_POINTER,
            RBP => Base::FRAME_POINTER,
            _ => return None,
        };
        entry.cfa_offset = offset;
        for (register, place) in SAVED.into_iter().zip(&mut entry.saved) {
            *place = match row.rule(register)? {
                Rule::Same => UNCHANGED,
                Rule::Undefined => LOST,
                Rule::Offset(offset) => i16::try_from(offset)
                    .ok()
                    .filter(|&offset| offset != UNCHANGED && offset != LOST)?,
                _ => return None,
            };
        }
        Some(entry)
    }

    /// Replaces `registers` by the caller's; leaves them alone on errors.
    #[inline]
    pub(super) fn apply<M: Memory>(
        &self,
        memory: &M,
        registers: &mut Registers,
    ) -> Result<(), UnwindError> {
        if self.base == Base::END_OF_STACK {
            return Err(UnwindError::EndOfStack);
        }
        let base = if self.base == Base::FRAME_POINTER {
            registers.get(memory, RBP)?
        } else {
            registers.sp
        };
        let cfa = base.wrapping_add_signed(self.cfa_offset.into());
        let mut caller = *registers;
        caller.sp = cfa;
        caller.pc = memory
            .u64(cfa.wrapping_add_signed(RETURN_OFFSET.into()))
            .ok_or(UnwindError::Unreadable)?;
        caller.exact = false;
        let [fp, rest @ ..] = self.saved;
        match fp {
            UNCHANGED => {}
            LOST => caller.forget(RBP),
            offset => caller.set_fp(
                memory
                    .u64(cfa.wrapping_add_signed(offset.into()))
                    .ok_or(UnwindError::Unreadable)?,
            ),
        }
        for (register, offset) in SAVED.into_iter().skip(1).zip(rest) {
            match offset {
                UNCHANGED => {}
                LOST => caller.forget(register),
                offset => caller.set_stored(register, cfa.wrapping_add_signed(offset.into())),
            }
        }
        check_step(registers, &caller, false)?;
        *registers = caller;
        Ok(())
    }
}
