//! Frame translations: what the deoptimizer would rebuild at one of its points.
//!
//! A translation is a run of operations, one byte each, with variable-length operands. It begins with the number of its
//! frames, then come the frames from the outermost function to the innermost one, each followed by its values. Operations
//! may be left out where they equal those at the same places of an earlier translation, the basis.
//!
//! The numbers of operands were read from the tables inside the official Node binaries.

use crate::position_table::Reader;
use crate::version::Version;

/// The operations of one V8 version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operations {
    /// One digit per operation: its operands. Frames come first: functions, JavaScript builtins, others.
    operands: &'static [u8],
    /// Operations below this begin a frame.
    frames_end: u8,
    /// The first of the two operations that begin a translation.
    begin: u8,
}

/// A function of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A function with bytecode: indices of its SharedFunctionInfo among the literals and of its BytecodeArray among the
    /// protected literals, and the bytecode offset it was at.
    Function {
        literal: u64,
        bytecode: u64,
        offset: u64,
    },
    /// A builtin function of JavaScript that was inlined.
    Builtin { literal: u64 },
}

/// Operands an operation has at most.
const MOST_OPERANDS: usize = 6;
/// A translation longer than this is not believed.
const MOST_STEPS: usize = 1 << 16;
/// Nor one with more frames.
const MOST_FRAMES: u64 = 128;

struct Operation {
    code: u8,
    operands: [u64; MOST_OPERANDS],
}

impl Operations {
    /// The operations of a version; nothing for those whose official binaries have no Maglev.
    pub(crate) const fn for_version(version: Version) -> Option<Self> {
        match version.major {
            13 | 14 => Some(Self {
                operands: b"643321343331003311101111111111111111101111121",
                frames_end: 11,
                begin: 14,
            }),
            _ => None,
        }
    }

    const fn is_begin(&self, code: u8) -> bool {
        code == self.begin || code == self.begin + 1
    }

    /// The operation that stands for a number of those of the basis is the last one.
    const fn repeat(&self) -> u8 {
        (self.operands.len() - 1) as u8
    }

    fn next(&self, reader: &mut Reader<'_>) -> Option<Operation> {
        let code = reader.byte()?;
        let mut operands = [0; MOST_OPERANDS];
        let Some(count) = self.operands.get(usize::from(code)) else {
            // Bytes behind the last operation are short forms of it.
            operands[0] = u64::from(code) - self.operands.len() as u64;
            return Some(Operation {
                code: self.repeat(),
                operands,
            });
        };
        for operand in operands.iter_mut().take(usize::from(count - b'0')) {
            *operand = reader.unsigned()?;
        }
        Some(Operation { code, operands })
    }

    /// The functions of the translation at `start`, the outermost first. Nothing if it makes no sense.
    pub(crate) fn frames(&self, bytes: &[u8], start: usize) -> Option<Vec<Frame>> {
        let mut own = Reader::new(bytes.get(start..)?);
        let begin = self.next(&mut own)?;
        let count = signed(begin.operands[1]).filter(|&count| count <= MOST_FRAMES)?;
        if !self.is_begin(begin.code) {
            return None;
        }
        let mut basis = match usize::try_from(begin.operands[0]).ok()? {
            0 => Reader::new(&[]),
            distance => {
                let mut basis = Reader::new(bytes.get(start.checked_sub(distance)?..)?);
                let begin = self.next(&mut basis)?;
                if !self.is_begin(begin.code) || begin.operands[0] != 0 {
                    return None;
                }
                basis
            }
        };
        let mut found = Vec::new();
        let (mut seen, mut step, mut basis_step, mut repeated) = (0, 0usize, 0usize, 0u64);
        while seen < count {
            if step > MOST_STEPS {
                return None;
            }
            let operation = if repeated > 0 {
                repeated -= 1;
                basis_step += 1;
                self.next(&mut basis)?
            } else {
                let operation = self.next(&mut own)?;
                if operation.code == self.repeat() {
                    repeated = operation.operands[0];
                    if repeated == 0 {
                        return None;
                    }
                    while basis_step < step {
                        self.next(&mut basis)?;
                        basis_step += 1;
                    }
                    continue;
                }
                operation
            };
            step += 1;
            if self.is_begin(operation.code) || operation.code == self.repeat() {
                return None;
            }
            if operation.code < self.frames_end {
                seen += 1;
                found.extend(self.frame(&operation)?);
            }
        }
        Some(found)
    }

    /// The function of a frame; an empty answer for frames that no function has, such as those of constructor calls.
    fn frame(&self, operation: &Operation) -> Option<Option<Frame>> {
        let [offset, literal, bytecode, ..] = operation.operands;
        Some(match operation.code {
            0 | 1 => Some(Frame::Function {
                literal: signed(literal)?,
                bytecode: signed(bytecode)?,
                // Negative: in front of the first bytecode.
                offset: signed(offset).unwrap_or(0),
            }),
            2 | 3 => Some(Frame::Builtin {
                literal: signed(literal)?,
            }),
            _ => None,
        })
    }
}

/// A signed quantity that is not negative; the sign is the lowest bit.
const fn signed(value: u64) -> Option<u64> {
    if value & 1 == 0 {
        Some(value >> 1)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::Random;

    fn frames(bytes: &[u8], start: usize) -> Option<Vec<Frame>> {
        Operations::for_version(Version::new(13, 6))
            .unwrap()
            .frames(bytes, start)
    }

    fn function(literal: u64, bytecode: u64, offset: u64) -> Frame {
        Frame::Function {
            literal,
            bytecode,
            offset,
        }
    }

    // Two functions with values between them: begin (basis 0, 2 frames, 2 of them JavaScript), outer (offset 20,
    // literals 1 and 2), a register, a literal, inner (offset 200, literals 3 and 4), a register.
    const BASIS: [u8; 21] = [
        14, 0, 4, 4, 1, 40, 2, 4, 0, 39, 3, 38, 2, 1, 0x90, 3, 6, 8, 0, 39, 1,
    ];

    #[test]
    fn functions_come_from_the_outermost_to_the_innermost() {
        assert_eq!(
            frames(&BASIS, 0),
            Some(vec![function(1, 2, 20), function(3, 4, 200)])
        );
        assert!(Operations::for_version(Version::new(12, 4)).is_none());
    }

    #[test]
    fn repeated_operations_come_from_the_basis() {
        // The same outer function and its two values by the short form (45 + 3), then another inner one.
        let mut bytes = BASIS.to_vec();
        bytes.extend_from_slice(&[15, 21, 4, 4, 48, 1, 60, 6, 8, 0]);
        assert_eq!(
            frames(&bytes, 21),
            Some(vec![function(1, 2, 20), function(3, 4, 30)])
        );
        // The long form, with an operation of its own in front: the basis goes on at the same place.
        let mut bytes = BASIS.to_vec();
        bytes.extend_from_slice(&[14, 21, 4, 4, 1, 42, 2, 4, 0, 44, 3]);
        assert_eq!(
            frames(&bytes, 21),
            Some(vec![function(1, 2, 21), function(3, 4, 200)])
        );
    }

    #[test]
    fn builtins_show_and_stubs_do_not() {
        let bytes = [14, 0, 8, 4, 1, 40, 2, 4, 0, 5, 2, 2, 0, 10, 2, 10, 2, 2, 2];
        assert_eq!(
            frames(&bytes, 0),
            Some(vec![function(1, 2, 20), Frame::Builtin { literal: 5 },])
        );
    }

    #[test]
    fn damage_is_seen() {
        assert_eq!(frames(&BASIS, 1), None);
        assert_eq!(frames(&BASIS, 99), None);
        assert_eq!(frames(&BASIS[..15], 0), None);
        // A basis in front of the start, one that is no beginning, and a repetition without a basis.
        assert_eq!(frames(&[14, 9, 2, 2, 48], 0), None);
        assert_eq!(frames(&[0, 14, 1, 2, 2, 48], 1), None);
        assert_eq!(frames(&[14, 0, 2, 2, 48], 0), None);
    }

    #[test]
    fn random_bytes_end_and_never_panic() {
        let mut random = Random(5);
        for round in 0..4000 {
            let mut bytes = BASIS.to_vec();
            bytes.extend(random.bytes(round % 50));
            let at = random.next() as usize % bytes.len();
            bytes[at] = random.next() as u8;
            let _ = frames(&bytes, 0);
            let _ = frames(&bytes, random.next() as usize % bytes.len());
        }
    }
}
