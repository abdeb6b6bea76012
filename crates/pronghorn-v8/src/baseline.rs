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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Random, unsigned};
    use crate::version::Version;

    fn sizes() -> BytecodeSizes {
        BytecodeSizes::for_version(Version::new(13, 6)).unwrap()
    }

    // LdaZero, LdaSmi 1, Wide LdaSmi, LdaZero: 1, 2, 4 and 1 bytes.
    const BYTECODES: [u8; 8] = [0x0c, 0x0d, 1, 0x00, 0x0d, 0, 1, 0x0c];

    fn table() -> Vec<u8> {
        let mut table = Vec::new();
        for delta in [40u64, 10, 200, 30, 5] {
            unsigned(&mut table, delta);
        }
        table
    }

    #[test]
    fn pcs_lead_to_their_bytecodes() {
        let at = |pc| bytecode_offset(&table(), &BYTECODES, sizes(), pc);
        // Prologue, then 40..50, 50..250, 250..280, 280..285.
        assert_eq!(at(0), Some(0));
        assert_eq!(at(39), Some(0));
        assert_eq!(at(49), Some(0));
        assert_eq!(at(50), Some(1));
        assert_eq!(at(249), Some(1));
        assert_eq!(at(250), Some(3));
        assert_eq!(at(279), Some(3));
        assert_eq!(at(284), Some(7));
        assert_eq!(at(4000), Some(7));
    }

    #[test]
    fn a_table_fits_to_the_last_byte_only() {
        assert!(fits(&table(), &BYTECODES, sizes(), 285));
        assert!(!fits(&table(), &BYTECODES, sizes(), 284));
        assert!(!fits(&table(), &BYTECODES[..7], sizes(), 285));
        assert!(!fits(&table()[..4], &BYTECODES, sizes(), 285));
        assert!(!fits(&[], &BYTECODES, sizes(), 285));
    }

    #[test]
    fn random_bytes_end_and_never_panic() {
        let mut random = Random(3);
        for round in 0..2000 {
            let (table, code) = (random.bytes(round % 61), random.bytes(round % 83));
            let _ = bytecode_offset(&table, &code, sizes(), random.next() % 1000);
            let _ = fits(&table, &code, sizes(), 500);
        }
    }
}
