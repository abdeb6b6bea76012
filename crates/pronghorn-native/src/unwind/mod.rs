//! One step from a frame to its caller by the call frame information of the image that the frame's code lies in.
//!
//! # What it may be called from
//!
//! A signal handler on any thread. It takes no lock, allocates nothing, touches no thread_local and needs about 1.5 KiB of
//! stack when optimized (a test measures it). Every read goes through [`Memory`], every count in the tables is bounded, and no arithmetic can
//! panic: what is damaged or unknown ends in an [`UnwindError`], after which the caller may try
//! [`step_by_frame_pointer`].
//!
//! # Protocol of the cache
//!
//! An [`UnwindCache`] belongs to one thread: its handler reads and writes it, and so does the thread itself where it walks its own stack, with the
//! handler kept out meanwhile. Entries carry the generation of the [`ImageList`] they came from, so a newly published
//! list empties the cache without touching it. In a child it has to be cleared ([`UnwindCache::clear`]): the fork may have come in the middle of a write.
//!
//! # What it cannot see
//!
//! Tables can be wrong. Known: glibc's `__mpn_addmul_1` and its relatives (number formatting) push registers that their
//! tables do not mention, and GCC does not describe the last two instructions of a function that realigns its stack:
//! there rbp alone is wrong. Such a step ends in [`UnwindError::Implausible`] or in a frame that does not exist.
//!
//! Format: the x86-64 psABI's DWARF register numbers, the Linux Standard Base's `.eh_frame` and `.eh_frame_hdr`, and
//! DWARF 4, section 6.4 and 2.5.

mod cache;
mod cursor;
mod error;
mod expression;
mod frame_entry;
mod frame_pointer;
mod plt;
mod program;
mod registers;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub use cache::UnwindCache;
pub use error::UnwindError;
pub use frame_pointer::step_by_frame_pointer;
pub use registers::Registers;
pub use table::UnwindTable;

use crate::images::ImageList;
use crate::memory::Memory;

/// Replaces `registers` by those of the caller.
///
/// `registers.exact` says how to look the code up, and is set for the next step, so a walk is just this call repeated.
/// The stack pointer strictly rises with every step except over a signal frame: the caller bounds the number of frames.
///
/// # Errors
///
/// `registers` is left as it was. [`UnwindError::EndOfStack`] is the good end of a walk.
#[inline]
pub fn step<M: Memory>(
    images: &ImageList,
    cache: &UnwindCache,
    memory: &M,
    registers: &mut Registers,
) -> Result<(), UnwindError> {
    let lookup = registers.lookup_pc();
    match cache.get(lookup, images.generation()) {
        Some(rule) => rule.apply(memory, registers),
        None => step_by_table(images, cache, memory, registers, lookup),
    }
}

#[inline(never)]
fn step_by_table<M: Memory>(
    images: &ImageList,
    cache: &UnwindCache,
    memory: &M,
    registers: &mut Registers,
    lookup: u64,
) -> Result<(), UnwindError> {
    let image = images.find(lookup).ok_or(UnwindError::NoImage)?;
    let found = image
        .unwind_table()
        .ok_or(UnwindError::NoRule)
        .and_then(|table| table.find(memory, lookup));
    let entry = match found {
        Ok(entry) => entry,
        // Some linkers describe no procedure linkage table: its stubs are told by their instructions.
        Err(UnwindError::NoRule) if registers.exact => return plt::step(memory, registers),
        Err(error) => return Err(error),
    };
    let row = program::run(memory, &entry, lookup)?;
    cache.put(lookup, images.generation(), &row);
    row.apply(memory, registers)
}

/// For [`crate::fuzz`]: every reader of tables in `tables`, then a step without one.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_step<M: Memory>(
    memory: &M,
    tables: (u64, u64),
    entry: u64,
    pc: u64,
    (kind, exact): (u64, bool),
) {
    let mut registers = Registers::new(pc, 0x7000_0000, 0x7000_0100, exact);
    let entry = match kind {
        0 => {
            UnwindTable::parse(memory, tables.0, tables.1).and_then(|table| table.find(memory, pc))
        }
        1 => frame_entry::FrameEntry::parse(memory, entry),
        2 => {
            let _ = plt::step(memory, &mut registers);
            return;
        }
        _ => {
            let _ = step_by_frame_pointer(memory, &mut registers, entry);
            return;
        }
    };
    if let Ok(entry) = entry {
        // In the middle of the code that the entry says it describes, where its program runs.
        let inside = if entry.covers(pc) {
            pc
        } else {
            entry.begin.wrapping_add(pc & 0xff)
        };
        if let Ok(row) = program::run(memory, &entry, inside) {
            let _ = row.apply(memory, &mut registers);
            let cache = UnwindCache::new();
            cache.put(inside, 1, &row);
            if let Some(rule) = cache.get(inside, 1) {
                let _ = rule.apply(memory, &mut registers);
            }
        }
    }
}
