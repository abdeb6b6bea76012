//! What no version of V8 exports, per version.
//!
//! Measured on the official linux-x64 binaries of Node 20 (V8 11.3), 22 (12.4), 24 (13.6), 25 (14.1) and 26 (14.6).
//! Every value is checked against live objects before a frame relies on it ([`crate::proof`]).

use crate::version::Version;

/// How a source position table is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PositionEncoding {
    /// Signed pc delta, whose sign tells statements from expressions, then signed position delta.
    ZigZag,
    /// Unsigned word with the pc delta above two flag bits, then signed position delta.
    Packed,
}

/// Offsets and encodings that are not exported, or not by every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unexported {
    pub(crate) code_deopt: u64,
    pub(crate) code_positions: u64,
    pub(crate) code_start: u64,
    pub(crate) code_flags: u64,
    pub(crate) code_size: u64,
    /// Bytes from an InstructionStream to its first instruction.
    pub(crate) stream_header: u64,
    /// The stream's Code.
    pub(crate) stream_code: u64,
    pub(crate) bytecode_positions: u64,
    pub(crate) deopt_literals: u64,
    pub(crate) encoding: PositionEncoding,
}

const V11: Unexported = Unexported {
    code_deopt: 16,
    code_positions: 24,
    code_start: 40,
    code_flags: 48,
    code_size: 56,
    stream_header: 16,
    stream_code: 8,
    bytecode_positions: 32,
    deopt_literals: 2,
    encoding: PositionEncoding::ZigZag,
};

const V12: Unexported = Unexported {
    code_deopt: 8,
    code_positions: 16,
    code_start: 40,
    code_flags: 48,
    code_size: 52,
    stream_header: 32,
    stream_code: 8,
    bytecode_positions: 24,
    deopt_literals: 2,
    encoding: PositionEncoding::ZigZag,
};

const V13: Unexported = Unexported {
    code_flags: 52,
    code_size: 56,
    deopt_literals: 3,
    ..V12
};

const V14: Unexported = Unexported {
    encoding: PositionEncoding::Packed,
    ..V13
};

/// Stands in for an unknown version, whose frames never get far enough to use it.
pub(crate) const NEWEST: Unexported = V14;

/// The table of a known V8 major.
pub(crate) const fn for_version(version: Version) -> Option<Unexported> {
    match version.major {
        11 => Some(V11),
        12 => Some(V12),
        13 => Some(V13),
        14 => Some(V14),
        _ => None,
    }
}
