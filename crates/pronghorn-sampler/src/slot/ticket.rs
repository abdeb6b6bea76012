//! The number by which signals, alarms and interrupts name a slot, and which use of it: the slot may be another thread's by the time that they arrive.
//!
//! Async-signal-safe. Fork: a slot's nonce goes on, so that what the parent has sent fits nobody's.

use std::sync::atomic::Ordering::Relaxed;

use super::{ThreadSlot, get};

/// The ticket of `slot`, whose place is `index`, for as long as its thread has it.
pub(crate) fn of(index: usize, slot: &ThreadSlot) -> usize {
    ((slot.nonce.load(Relaxed) as usize) << 16) | index
}

/// The slot that a ticket is for; nothing if it is for a former use, or is none.
pub(crate) fn slot(ticket: usize) -> Option<&'static ThreadSlot> {
    let index = ticket & 0xffff;
    get(index).filter(|slot| of(index, slot) == ticket)
}
