//! Return addresses that V8 has moved.
//!
//! When optimized code is given up while it is on the stack, V8 changes the return addresses into it: each then leads to the
//! exit that replaces the frame once the callee returns. The safepoint table behind the instructions knows both addresses of
//! each call (`SafepointTable` and `MaglevSafepointTable` in V8's codegen; the same on 11.3 to 14.6 but for the header: turbofan's begins with
//! the number of calls up to 12.4, and with the stack slots from 13.6 on).

use crate::code::Code;
use crate::memory::Memory;
use crate::version::Version;

const MOST_CALLS: u32 = 1 << 16;

/// A safepoint table: where its entries are, and how they are laid out.
struct Table {
    entries: u64,
    bytes: usize,
    entry: usize,
    pc_size: usize,
    point_size: usize,
}

/// The pc offset that a call in `code` would return to, if `returns_to` is the offset of its exit instead.
pub(crate) fn original_return<M: Memory>(
    memory: &M,
    version: Version,
    code: &Code,
    is_maglev: bool,
    returns_to: u64,
) -> Option<u64> {
    let table = table_of(memory, version, code, is_maglev)?;
    if !table.may_be_exit(memory, returns_to)? {
        return None;
    }
    let mut bytes = vec![0; table.bytes];
    table.search(memory, returns_to, &mut bytes)
}

/// The same for the signal handler, in a place of the caller's; nothing if the table does not fit.
pub(crate) fn original_return_in<M: Memory>(
    memory: &M,
    version: Version,
    code: &Code,
    is_maglev: bool,
    returns_to: u64,
    place: &mut [u8],
) -> Option<u64> {
    let table = table_of(memory, version, code, is_maglev)?;
    if !table.may_be_exit(memory, returns_to)? {
        return None;
    }
    table.search(memory, returns_to, place.get_mut(..table.bytes)?)
}

fn table_of<M: Memory>(
    memory: &M,
    version: Version,
    code: &Code,
    is_maglev: bool,
) -> Option<Table> {
    let table = code.start + u64::from(code.size);
    let count_at = if is_maglev || version.major >= 13 {
        4
    } else {
        0
    };
    let count = memory.u32(table + count_at)?;
    let sizes = memory.u32(table + count_at + 4)?;
    // Bit 0: calls have exits; then three bits each for the sizes of registers, pcs and point numbers.
    let size = |shift: u32| ((sizes >> shift) & 7) as usize;
    let (registers, pc_size, point_size) = (size(1), size(4), size(7));
    if sizes & 1 == 0 || count > MOST_CALLS || !(1..=4).contains(&pc_size) || point_size > 4 {
        return None;
    }
    // Maglev's header has a word more, and its entries a byte.
    let (header, extra) = if is_maglev {
        (16, 1)
    } else {
        (count_at + 8, 0)
    };
    let entry = 2 * pc_size + point_size + extra + registers;
    Some(Table {
        entries: table + header,
        bytes: entry * count as usize,
        entry,
        pc_size,
        point_size,
    })
}

impl Table {
    /// Whether that can be the offset of an exit, since all of them lie behind the last call.
    fn may_be_exit<M: Memory>(&self, memory: &M, offset: u64) -> Option<bool> {
        let mut last = [0; 4];
        let at = self.bytes.checked_sub(self.entry)? as u64;
        let copied = memory.copy(self.entries + at, last.get_mut(..self.pc_size)?);
        copied.then(|| offset > u64::from(u32::from_le_bytes(last)))
    }

    /// `bytes` has the length of the table.
    fn search<M: Memory>(&self, memory: &M, returns_to: u64, bytes: &mut [u8]) -> Option<u64> {
        if !memory.copy(self.entries, bytes) {
            return None;
        }
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0u64, |value, &byte| value << 8 | u64::from(byte))
        };
        bytes.chunks_exact(self.entry).find_map(|call| {
            let exit_at = self.pc_size + self.point_size;
            // Stored plus one; 0 is none.
            let exit = number(call.get(exit_at..exit_at + self.pc_size)?).checked_sub(1)?;
            (exit == returns_to).then(|| number(call.get(..self.pc_size).unwrap_or_default()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    fn code() -> Code {
        Code {
            object: 1,
            start: 0x1000,
            size: 0x100,
            kind: 0,
        }
    }

    const NEW: Version = Version::new(14, 6);

    /// Two calls, returning to 0x20 and 0x140, the second with an exit at 0x1f0; pcs of two bytes, points of one.
    fn image(count_at: u64, header: u64, extra: usize) -> Image {
        let mut image = Image::new(0x1000, 0x400);
        image.put_u32(0x1100 + count_at, 2);
        image.put_u32(0x1104 + count_at, 1 | 2 << 4 | 1 << 7);
        let mut entries = vec![0x20, 0, 0, 0, 0];
        entries.resize(5 + extra, 0);
        entries.extend([0x40, 1, 1, 0xf1, 1]);
        entries.resize(2 * (5 + extra), 0);
        image.put(0x1100 + header, &entries);
        image
    }

    #[test]
    fn an_exit_leads_back_to_its_call() {
        let old = Version::new(12, 4);
        for (version, is_maglev, count_at, header, extra) in [
            (old, false, 0, 8, 0),
            (NEW, false, 4, 12, 0),
            (NEW, true, 4, 16, 1),
        ] {
            let image = image(count_at, header, extra);
            let found = |offset| original_return(&image, version, &code(), is_maglev, offset);
            assert_eq!(found(0x1f0), Some(0x140));
            assert_eq!(found(0x1f1), None);
            assert_eq!(found(0x140), None);
            assert_eq!(found(0), None);
        }
    }

    /// The table of a function that calls itself, by Node 22 (12.4).
    #[test]
    fn a_table_of_v8s_own() {
        let mut image = Image::new(0x1000, 0x400);
        let table = [
            4, 0, 0, 0, 0xa1, 4, 0, 0, 0x6c, 1, 4, 0xf2, 1, 0x9c, 1, 5, 0xf6, 1, 0xb4, 1, 6, 0xfa,
            1, 0xdf, 1, 7, 0xfe, 1, 1, 1, 1, 1,
        ];
        image.put(0x1204, &table);
        let code = Code {
            size: 0x204,
            ..code()
        };
        let version = Version::new(12, 4);
        let found = |offset| original_return(&image, version, &code, false, offset);
        assert_eq!(found(0x1f1), Some(0x16c));
        assert_eq!(found(0x1f5), Some(0x19c));
        assert_eq!(found(0x19c), None);
    }

    #[test]
    fn damaged_tables_give_nothing() {
        let found = |image: &Image| original_return(image, NEW, &code(), false, 0x1f0);
        let mut image = image(4, 12, 0);
        image.put_u32(0x1104, u32::MAX);
        assert_eq!(found(&image), None);
        image.put_u32(0x1104, 60_000);
        assert_eq!(found(&image), None);
        image.put_u32(0x1104, 0);
        assert_eq!(found(&image), None);
    }
}
