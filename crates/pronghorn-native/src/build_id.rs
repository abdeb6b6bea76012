//! The build id in an image's notes.

use crate::memory::Memory;

/// `n_type` of the build id among the notes of owner "GNU".
const NT_GNU_BUILD_ID: u32 = 3;
/// "GNU\0", little endian.
const OWNER: u32 = u32::from_le_bytes(*b"GNU\0");
/// Longest build id that is believed; SHA-1 has 20 bytes.
const MAX_LENGTH: u32 = 64;
/// Bytes of a note's header: lengths of name and description, type.
const HEADER: u64 = 12;

/// The build id in the notes at `start..end`.
pub(crate) fn find<M: Memory>(memory: &M, start: u64, end: u64) -> Option<Box<[u8]>> {
    let mut note = start;
    while note.checked_add(HEADER)? <= end {
        let lengths = memory.u64(note)?;
        let (name_length, length) = (lengths as u32, lengths.wrapping_shr(32) as u32);
        let owner_and_type = memory.u64(note.checked_add(8)?)?;
        let (kind, owner) = (
            owner_and_type as u32,
            owner_and_type.wrapping_shr(32) as u32,
        );
        let description = note.checked_add(HEADER)?.checked_add(padded(name_length))?;
        let next = description.checked_add(padded(length))?;
        if kind == NT_GNU_BUILD_ID && name_length == 4 && owner == OWNER {
            if length == 0 || length > MAX_LENGTH || next > end {
                return None;
            }
            return (0..u64::from(length))
                .map(|offset| byte(memory, description.wrapping_add(offset)))
                .collect();
        }
        note = next;
    }
    None
}

/// Names and descriptions are padded to four bytes.
fn padded(length: u32) -> u64 {
    u64::from(length).wrapping_add(3) & !3
}

/// One byte, read without touching a page that it is not on.
fn byte<M: Memory>(memory: &M, address: u64) -> Option<u8> {
    let word = memory.u64(address & !7)?;
    word.to_le_bytes().get((address & 7) as usize).copied()
}
