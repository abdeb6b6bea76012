//! V8 strings: flat, cons, sliced, thin and external ones, one- and two-byte.
//!
//! A string is walked as a sequence of flat pieces, with an explicit stack and a budget, so that a damaged one ends.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, instance_type, smi_field, u32_field};

/// A flat piece of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Address of the first character.
    pub(crate) address: u64,
    /// Characters.
    pub(crate) length: u32,
    /// Bytes per character: 1 or 2.
    pub(crate) width: u64,
}

/// Nodes visited per string, and the greatest depth of what is still to do.
const MOST_NODES: usize = 100_000;
const MOST_PENDING: usize = 10_000;
/// Uncached external strings keep no pointer to their characters.
const UNCACHED_EXTERNAL: u16 = 1 << 4;

/// The length of a string in characters, if `tagged` is one.
pub(crate) fn length<M: Memory>(memory: &M, layout: &Layout, tagged: u64) -> Option<u32> {
    let kind = instance_type(memory, layout, tagged)?;
    if kind >= layout.types.first_nonstring {
        return None;
    }
    u32_field(memory, tagged, layout.string.length).filter(|&length| length < 1 << 30)
}

/// Gives the flat pieces of the first `limit` characters to `visit`, in order, until it returns false. Nothing if the
/// string cannot be read to that length.
pub(crate) fn pieces<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    limit: u32,
    visit: &mut dyn FnMut(Piece) -> bool,
) -> Option<()> {
    let all = length(memory, layout, tagged)?.min(limit);
    // (string, first character, characters)
    let mut pending = vec![(tagged, 0u32, all)];
    let mut nodes = 0;
    let string = &layout.string;
    while let Some((tagged, from, count)) = pending.pop() {
        if count == 0 {
            continue;
        }
        nodes += 1;
        if nodes > MOST_NODES || pending.len() > MOST_PENDING {
            return None;
        }
        let kind = instance_type(memory, layout, tagged)?;
        let own = length(memory, layout, tagged)?;
        if from.checked_add(count)? > own {
            return None;
        }
        let one_byte = kind & string.encoding_mask == string.one_byte;
        let width = if one_byte { 1 } else { 2 };
        let representation = kind & string.representation_mask;
        if representation == string.cons {
            let first = field(memory, tagged, string.cons_first)?;
            let second = field(memory, tagged, string.cons_second)?;
            let split = length(memory, layout, first)?.min(own);
            if from + count > split {
                let start = from.max(split);
                pending.push((second, start - split, from + count - start));
            }
            if from < split {
                pending.push((first, from, count.min(split - from)));
            }
        } else if representation == string.thin {
            pending.push((field(memory, tagged, string.thin_actual)?, from, count));
        } else if representation == string.sliced {
            let parent = field(memory, tagged, string.sliced_parent)?;
            let offset = u32::try_from(smi_field(memory, tagged, string.sliced_offset)?).ok()?;
            pending.push((parent, from.checked_add(offset)?, count));
        } else {
            let start = if representation == string.external {
                if kind & UNCACHED_EXTERNAL != 0 {
                    return None;
                }
                // The resource, and behind it the cached pointer to its characters.
                field(memory, tagged, string.external_resource + 8)?
            } else if representation == 0 {
                tagged - 1
                    + if one_byte {
                        string.one_byte_chars
                    } else {
                        string.two_byte_chars
                    }
            } else {
                return None;
            };
            let address = start.checked_add(u64::from(from) * width)?;
            if !visit(Piece {
                address,
                length: count,
                width,
            }) {
                return Some(());
            }
        }
    }
    Some(())
}

/// The first `limit` characters as text; lone surrogates become the replacement character.
pub(crate) fn read<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    limit: u32,
) -> Option<String> {
    let mut units: Vec<u16> = Vec::new();
    let mut whole = true;
    pieces(memory, layout, tagged, limit, &mut |piece| {
        let mut bytes = vec![0u8; piece.length as usize * piece.width as usize];
        if !memory.copy(piece.address, &mut bytes) {
            whole = false;
            return false;
        }
        if piece.width == 1 {
            units.extend(bytes.iter().map(|&byte| u16::from(byte)));
        } else {
            units.extend(
                bytes
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|pair| u16::from_le_bytes(*pair)),
            );
        }
        true
    })?;
    whole.then(|| String::from_utf16_lossy(&units))
}
