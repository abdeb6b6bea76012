//! One row of the unwind table: how to find the caller's registers at one address.

use super::error::UnwindError;
use super::expression;
use super::registers::{RA, RBP, RBX, RSP, Registers};
use crate::memory::Memory;

/// How many registers a row has rules for.
pub(super) const TRACKED: usize = 8;

/// Their DWARF numbers: the return address and what calls preserve. Rules for the others restore nothing that a caller
/// could rely on, except in signal frames, where the interrupted function's volatile registers stay unknown.
const NUMBERS: [u8; TRACKED] = [RA, RSP, RBP, RBX, 12, 13, 14, 15];

/// The lowest page is never mapped.
const LOWEST_CODE: u64 = 0x1000;
/// User space ends here.
const HIGHEST_CODE: u64 = 1 << 47;

/// How the canonical frame address is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cfa {
    /// Nothing said so far.
    Unset,
    /// A register plus an offset.
    Register { register: u8, offset: i32 },
    /// The expression that many bytes from the FDE.
    Expression(i32),
}

/// How the caller's value of a register is found. Expressions are named by their distance from the FDE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Unchanged.
    Same,
    /// Lost; for the return address: there is no caller.
    Undefined,
    /// Stored at the canonical frame address plus this.
    Offset(i32),
    /// The canonical frame address plus this.
    ValueOffset(i32),
    /// In another register.
    Register(u8),
    /// Stored at the address that an expression gives.
    Expression(i32),
    /// What an expression gives.
    ValueExpression(i32),
}

/// What a row says. Kept small: a machine holds several in the handler's stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) cfa: Cfa,
    registers: [Rule; TRACKED],
}

impl Rules {
    /// What holds before the first instruction. The return address has no rule yet: `Same` makes no sense for it and is
    /// refused by [`Row::apply`].
    pub(super) const NONE: Self = Self {
        cfa: Cfa::Unset,
        registers: [Rule::Same; TRACKED],
    };

    /// The rule of a register; `None` for one that is not tracked.
    pub(super) fn get(&self, register: u8) -> Option<Rule> {
        self.registers.get(slot(register)?).copied()
    }

    /// Sets the rule of a register; of one that is not tracked it is dropped.
    pub(super) fn set(&mut self, register: u8, rule: Rule) {
        if let Some(place) = slot(register).and_then(|slot| self.registers.get_mut(slot)) {
            *place = rule;
        }
    }
}

const _: () = assert!(size_of::<Rules>() <= 80);

/// A row, with what is needed to evaluate it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) rules: Rules,
    /// Address of the FDE.
    pub(super) anchor: u64,
    pub(super) is_signal_frame: bool,
}

impl Row {
    /// The rule of a register; `None` for one that is not tracked.
    pub(super) fn rule(&self, register: u8) -> Option<Rule> {
        self.rules.get(register)
    }

    /// How the canonical frame address is computed.
    pub(super) fn cfa(&self) -> Cfa {
        self.rules.cfa
    }

    /// Replaces `registers` by the caller's; leaves them alone on errors.
    #[inline(never)]
    pub(super) fn apply<M: Memory>(
        &self,
        memory: &M,
        registers: &mut Registers,
    ) -> Result<(), UnwindError> {
        let return_rule = self.rule(RA).unwrap_or(Rule::Same);
        match return_rule {
            Rule::Undefined => return Err(UnwindError::EndOfStack),
            Rule::Same => return Err(UnwindError::Malformed),
            _ => {}
        }
        let cfa = match self.rules.cfa {
            Cfa::Unset => return Err(UnwindError::Malformed),
            Cfa::Register { register, offset } => registers
                .get(memory, register)?
                .wrapping_add_signed(offset.into()),
            Cfa::Expression(place) => {
                expression::evaluate(memory, self.expression(place), None, registers)?
            }
        };
        let mut caller = *registers;
        caller.sp = cfa;
        caller.exact = self.is_signal_frame;
        for (number, rule) in NUMBERS.into_iter().zip(self.rules.registers) {
            let (value, is_stored) = match rule {
                Rule::Same => continue,
                Rule::Undefined => {
                    caller.forget(number);
                    continue;
                }
                Rule::Offset(offset) => (cfa.wrapping_add_signed(offset.into()), true),
                Rule::ValueOffset(offset) => (cfa.wrapping_add_signed(offset.into()), false),
                Rule::Register(register) => (registers.get(memory, register)?, false),
                Rule::Expression(place) => (
                    expression::evaluate(memory, self.expression(place), Some(cfa), registers)?,
                    true,
                ),
                Rule::ValueExpression(place) => (
                    expression::evaluate(memory, self.expression(place), Some(cfa), registers)?,
                    false,
                ),
            };
            if matches!(number, RA | RSP | RBP) {
                let value = if is_stored {
                    memory.u64(value).ok_or(UnwindError::Unreadable)?
                } else {
                    value
                };
                match number {
                    RA => caller.pc = value,
                    RSP => caller.sp = value,
                    _ => caller.set_fp(value),
                }
            } else if is_stored {
                caller.set_stored(number, value);
            } else {
                caller.set(number, value);
            }
        }
        check_step(registers, &caller, self.is_signal_frame)?;
        *registers = caller;
        Ok(())
    }

    fn expression(&self, place: i32) -> u64 {
        self.anchor.wrapping_add_signed(place.into())
    }
}

/// Refuses a caller that cannot be: it keeps a walk from running in circles on a damaged stack.
#[inline]
pub(super) fn check_step(
    callee: &Registers,
    caller: &Registers,
    is_signal_frame: bool,
) -> Result<(), UnwindError> {
    if caller.pc == 0 {
        return Err(UnwindError::EndOfStack);
    }
    if !may_be_code(caller.pc) {
        return Err(UnwindError::Implausible);
    }
    // A signal may have been taken on a stack of its own, above or below the interrupted one.
    if !is_signal_frame && (caller.sp & 7 != 0 || caller.sp <= callee.sp) {
        return Err(UnwindError::Implausible);
    }
    Ok(())
}

/// Whether an address is neither a small number nor outside of user space.
#[inline]
pub(super) fn may_be_code(address: u64) -> bool {
    (LOWEST_CODE..HIGHEST_CODE).contains(&address)
}

/// Where a register's rule stands in a row.
fn slot(register: u8) -> Option<usize> {
    match register {
        RA => Some(0),
        RSP => Some(1),
        RBP => Some(2),
        RBX => Some(3),
        12 => Some(4),
        13 => Some(5),
        14 => Some(6),
        15 => Some(7),
        _ => None,
    }
}
