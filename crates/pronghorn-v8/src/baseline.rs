//! Baseline code: from a pc to the bytecode it was made from.
//!
//! The code's table holds one unsigned quantity for its prologue and one per bytecode: how many bytes of machine code it
//! became. Bytecodes are counted along the BytecodeArray.

use crate::bytecode_sizes::BytecodeSizes;
use crate::position_table::Reader;

/// The bytecode offset of a pc offset; 0 for the prologue. Nothing if table and bytecodes do not fit together.
///
/// `pc_offset` is that of the instruction itself: for a return address, one less.
pub(crate) fn bytecode_offset(
    table: &[u8],
    bytecodes: &[u8],
    sizes: BytecodeSizes,
    pc_offset: u64,
) -> Option<u32> {
    let mut reader = Reader::new(table);
    let mut end = reader.unsigned()?;
    let mut offset = 0usize;
    let mut current = 0usize;
    while end <= pc_offset {
        if reader.is_empty() {
            // Behind the last bytecode lie out-of-line parts, which belong to it.
            break;
        }
        end = end.checked_add(reader.unsigned()?)?;
        current = offset;
        offset += sizes.length(bytecodes.get(offset..)?)?;
        if offset > bytecodes.len() {
            return None;
        }
    }
    u32::try_from(current).ok()
}

/// True if table and bytecodes fit together to the last byte.
pub(crate) fn fits(table: &[u8], bytecodes: &[u8], sizes: BytecodeSizes, code_size: u32) -> bool {
    let mut reader = Reader::new(table);
    let Some(mut end) = reader.unsigned() else {
        return false;
    };
    let mut offset = 0usize;
    while !reader.is_empty() {
        let Some(delta) = reader.unsigned() else {
            return false;
        };
        end = end.saturating_add(delta);
        let Some(length) = bytecodes.get(offset..).and_then(|rest| sizes.length(rest)) else {
            return false;
        };
        offset += length;
        if offset > bytecodes.len() || end > u64::from(code_size) {
            return false;
        }
    }
    offset == bytecodes.len()
}
