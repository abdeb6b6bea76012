//! Frame description entries (FDE) of `.eh_frame` and the common information (CIE) they share.

use super::cursor::Cursor;
use super::error::UnwindError;
use super::registers::RA;
use crate::memory::Memory;

/// Longer entries than this are taken for damage; the longest in the binaries of Node 20 and 26 has 5,796 bytes.
const MAX_ENTRY: u32 = 1 << 20;
/// A length field of this value announces a 64-bit length, which no linker writes into `.eh_frame`.
const LENGTH_64: u32 = u32::MAX;
/// DW_EH_PE_omit.
const OMITTED: u8 = 0xff;

/// A range of instruction bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instructions {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// What an FDE and its CIE say, decoded up to the instructions.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameEntry {
    /// Where the FDE lies: what expressions are remembered relative to.
    pub(super) address: u64,
    /// First code address.
    pub(super) begin: u64,
    /// Length of the code in bytes.
    length: u64,
    pub(super) code_alignment: u64,
    pub(super) data_alignment: i64,
    pub(super) pointer_encoding: u8,
    /// The caller of this frame was interrupted, not called.
    pub(super) is_signal_frame: bool,
    /// Instructions of the CIE, which set up the first row.
    pub(super) initial: Instructions,
    pub(super) instructions: Instructions,
}

/// The part of a CIE that matters.
struct Common {
    code_alignment: u64,
    data_alignment: i64,
    pointer_encoding: u8,
    has_augmentation_data: bool,
    is_signal_frame: bool,
    instructions: Instructions,
}

impl FrameEntry {
    /// Whether `pc` is in the described code.
    pub(super) fn covers(&self, pc: u64) -> bool {
        pc.wrapping_sub(self.begin) < self.length
    }

    /// Reads the FDE at `address` and its CIE.
    pub(super) fn parse<M: Memory>(memory: &M, address: u64) -> Result<Self, UnwindError> {
        let mut cursor = entry(memory, address)?;
        let pointer_field = cursor.position();
        let distance = cursor.u32()?;
        if distance == 0 {
            return Err(UnwindError::Malformed);
        }
        let common = Common::parse(memory, pointer_field.wrapping_sub(distance.into()))?;
        let begin = cursor.pointer(common.pointer_encoding)?;
        let length = cursor.value(common.pointer_encoding)?;
        if common.has_augmentation_data {
            let skipped = cursor.uleb()?;
            cursor.skip(skipped)?;
        }
        Ok(Self {
            address,
            begin,
            length,
            code_alignment: common.code_alignment,
            data_alignment: common.data_alignment,
            pointer_encoding: common.pointer_encoding,
            is_signal_frame: common.is_signal_frame,
            initial: common.instructions,
            instructions: Instructions {
                start: cursor.position(),
                end: cursor.end(),
            },
        })
    }
}

impl Common {
    fn parse<M: Memory>(memory: &M, address: u64) -> Result<Self, UnwindError> {
        let mut cursor = entry(memory, address)?;
        if cursor.u32()? != 0 {
            return Err(UnwindError::Malformed);
        }
        let version = cursor.u8()?;
        if version != 1 && version != 3 {
            return Err(UnwindError::Unsupported(version));
        }
        let augmentation = augmentation(&mut cursor)?;
        let code_alignment = cursor.uleb()?;
        let data_alignment = cursor.sleb()?;
        let return_register = if version == 1 {
            cursor.u8()?
        } else {
            cursor.register()?
        };
        if return_register != RA {
            return Err(UnwindError::Unsupported(return_register));
        }
        let mut common = Self {
            code_alignment,
            data_alignment,
            pointer_encoding: 0,
            has_augmentation_data: false,
            is_signal_frame: false,
            instructions: Instructions {
                start: 0,
                end: cursor.end(),
            },
        };
        let mut instructions = None;
        for letter in augmentation.to_le_bytes() {
            match letter {
                0 => break,
                b'z' => {
                    let length = cursor.uleb()?;
                    instructions = Some(
                        cursor
                            .position()
                            .checked_add(length)
                            .ok_or(UnwindError::Malformed)?,
                    );
                    common.has_augmentation_data = true;
                }
                b'R' => common.pointer_encoding = cursor.u8()?,
                b'L' => {
                    cursor.u8()?;
                }
                b'P' => {
                    let encoding = cursor.u8()?;
                    if encoding != OMITTED {
                        cursor.value(encoding)?;
                    }
                }
                b'S' => common.is_signal_frame = true,
                other => return Err(UnwindError::Unsupported(other)),
            }
        }
        common.instructions.start = instructions.unwrap_or_else(|| cursor.position());
        Ok(common)
    }
}

/// A cursor behind the length field of the entry at `address`, ending with the entry.
fn entry<M: Memory>(memory: &M, address: u64) -> Result<Cursor<'_, M>, UnwindError> {
    let mut cursor = Cursor::new(
        memory,
        address,
        address.checked_add(4).ok_or(UnwindError::Malformed)?,
    );
    let length = cursor.u32()?;
    if length == LENGTH_64 {
        return Err(UnwindError::Unsupported(OMITTED));
    }
    if length > MAX_ENTRY {
        return Err(UnwindError::Malformed);
    }
    cursor.limit(length.into())?;
    Ok(cursor)
}

/// The augmentation string, at most seven letters, first letter lowest.
fn augmentation<M: Memory>(cursor: &mut Cursor<'_, M>) -> Result<u64, UnwindError> {
    let mut letters = [0_u8; 8];
    for letter in &mut letters {
        *letter = cursor.u8()?;
        if *letter == 0 {
            return Ok(u64::from_le_bytes(letters));
        }
    }
    Err(UnwindError::Malformed)
}
