//! The safepoint table behind the instructions of optimized code.
//!
//! It has an entry for each call (`SafepointTable` and `MaglevSafepointTable` in V8's codegen): the pc offset that the call returns to, the deoptimization point
//! that it would go on at, and the offset of the exit that its return address is changed into when the code is given up. The same on 11.3 to 14.6
//! but for the header: turbofan's begins with the number of calls up to 12.4, and with the stack slots from 13.6 on. Maglev's has a word more at the end, and its
//! entries a byte.

use crate::code::Code;
use crate::memory::Memory;
use crate::version::Version;

const MOST_CALLS: u32 = 1 << 16;

/// Where the entries of a table are, and how they are laid out.
pub(crate) struct Table {
    entries: u64,
    bytes: usize,
    entry: usize,
    pc_size: usize,
    point_size: usize,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Pc offset it returns to.
    pub(crate) returns_to: u64,
    /// Number of its deoptimization point, if it has one.
    pub(crate) point: Option<u64>,
    /// Pc offset of its exit, if it has one.
    pub(crate) exit: Option<u64>,
}

impl Table {
    /// The table of turbofan's `code`, or of Maglev's; nothing if its calls have no deoptimization points, or it is none.
    pub(crate) fn of<M: Memory>(
        memory: &M,
        version: Version,
        code: &Code,
        is_maglev: bool,
    ) -> Option<Self> {
        if is_maglev {
            return Self::of_maglev(memory, code);
        }
        let count_at = if version.major >= 13 { 4 } else { 0 };
        Self::read(memory, code, count_at, count_at + 8, 0)
    }

    /// That of Maglev's `code`.
    pub(crate) fn of_maglev<M: Memory>(memory: &M, code: &Code) -> Option<Self> {
        Self::read(memory, code, 4, 16, 1)
    }

    /// `count_at`: where the number of calls stands; `header`: bytes in front of the entries; `extra`: bytes of an entry beside the numbers and the registers.
    fn read<M: Memory>(
        memory: &M,
        code: &Code,
        count_at: u64,
        header: u64,
        extra: usize,
    ) -> Option<Self> {
        let table = code.start + u64::from(code.size);
        let count = memory.u32(table + count_at)?;
        let sizes = memory.u32(table + count_at + 4)?;
        // Bit 0: calls have points and exits; then three bits each for the sizes of registers, pcs and point numbers.
        let size = |shift: u32| ((sizes >> shift) & 7) as usize;
        let (registers, pc_size, point_size) = (size(1), size(4), size(7));
        if sizes & 1 == 0 || count > MOST_CALLS || !(1..=4).contains(&pc_size) || point_size > 4 {
            return None;
        }
        let entry = 2 * pc_size + point_size + extra + registers;
        Some(Self {
            entries: table + header,
            bytes: entry * count as usize,
            entry,
            pc_size,
            point_size,
        })
    }

    /// Bytes of all entries.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies the entries into `bytes`, which is as long as they are.
    pub(crate) fn copy<M: Memory>(&self, memory: &M, bytes: &mut [u8]) -> bool {
        memory.copy(self.entries, bytes)
    }

    /// The pc offset that the last call returns to; exits lie behind it.
    pub(crate) fn last_return<M: Memory>(&self, memory: &M) -> Option<u64> {
        let mut last = [0; 4];
        let at = self.bytes.checked_sub(self.entry)? as u64;
        memory
            .copy(self.entries + at, last.get_mut(..self.pc_size)?)
            .then(|| u64::from(u32::from_le_bytes(last)))
    }

    /// The calls that `bytes` (of [`copy`](Self::copy)) has, by rising pc.
    pub(crate) fn calls(&self, bytes: &[u8]) -> impl Iterator<Item = Entry> {
        let (pc, point) = (self.pc_size, self.point_size);
        bytes.chunks_exact(self.entry).filter_map(move |entry| {
            Some(Entry {
                returns_to: number(entry.get(..pc)?),
                // Both are stored plus one; 0 is none.
                point: number(entry.get(pc..pc + point)?).checked_sub(1),
                exit: number(entry.get(pc + point..2 * pc + point)?).checked_sub(1),
            })
        })
    }
}

/// A little-endian number of a few bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}
