//! V8's tables, from bytes that are all the input's.

use crate::baseline;
use crate::bytecode_sizes::BytecodeSizes;
use crate::position_table::{Position, Reader, entries, look_up};
use crate::table::PositionEncoding;
use crate::test_support::VERSIONS;
use crate::translation::Operations;

/// Position tables, baseline's offset tables, bytecodes and translations of the deoptimizer.
pub fn tables(data: &[u8]) {
    let mut reader = Reader::new(data);
    let (Some(version), Some(wanted)) = (reader.byte(), reader.unsigned()) else {
        return;
    };
    let version = VERSIONS[usize::from(version) % VERSIONS.len()];
    let wanted = wanted % 5_000;
    for encoding in [PositionEncoding::ZigZag, PositionEncoding::Packed] {
        let _ = look_up(data, encoding, wanted);
        let _ = look_up(data, encoding, u64::MAX);
        for entry in entries(data, encoding).flatten() {
            let _ = Position::from_word(entry.1);
        }
        assert!(entries(data, encoding).count() <= data.len() + 1);
    }
    let (table, bytecodes) = data.split_at(data.len() / 2);
    if let Some(sizes) = BytecodeSizes::for_version(version) {
        for at in 0..bytecodes.len() {
            let length = sizes.length(&bytecodes[at..]);
            assert!(length.is_none_or(|length| length > 0));
        }
        let _ = baseline::bytecode_offset(table, bytecodes, sizes, wanted);
        let _ = baseline::fits(table, bytecodes, sizes, wanted as u32);
    }
    if let Some(operations) = Operations::for_version(version) {
        for start in [0, wanted as usize, data.len() / 2] {
            let frames = operations.frames(data, start);
            assert!(frames.is_none_or(|frames| frames.len() <= 128));
        }
    }
}
