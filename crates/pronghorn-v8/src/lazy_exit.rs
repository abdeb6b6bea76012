//! Return addresses that V8 has moved.
//!
//! When optimized code is given up while it is on the stack, V8 changes the return addresses into it: each then leads to the
//! exit that replaces the frame once the callee returns. The safepoint table behind the instructions knows both addresses of
//! each call (`SafepointTable` and `MaglevSafepointTable` in V8's codegen; the same on 11.3 to 14.6 but for the header).

use crate::code::Code;
use crate::memory::Memory;

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
    code: &Code,
    is_maglev: bool,
    returns_to: u64,
) -> Option<u64> {
    let table = table_of(memory, code, is_maglev)?;
    let mut bytes = vec![0; table.bytes];
    table.search(memory, returns_to, &mut bytes)
}

/// The same for the signal handler, in a place of the caller's; nothing if the table does not fit.
pub(crate) fn original_return_in<M: Memory>(
    memory: &M,
    code: &Code,
    is_maglev: bool,
    returns_to: u64,
    place: &mut [u8],
) -> Option<u64> {
    let table = table_of(memory, code, is_maglev)?;
    table.search(memory, returns_to, place.get_mut(..table.bytes)?)
}

fn table_of<M: Memory>(memory: &M, code: &Code, is_maglev: bool) -> Option<Table> {
    let table = code.start + u64::from(code.size);
    let count = memory.u32(table + 4)?;
    let sizes = memory.u32(table + 8)?;
    // Bit 0: calls have exits; then three bits each for the sizes of registers, pcs and point numbers.
    let size = |shift: u32| ((sizes >> shift) & 7) as usize;
    let (registers, pc_size, point_size) = (size(1), size(4), size(7));
    if sizes & 1 == 0 || count > MOST_CALLS || !(1..=4).contains(&pc_size) || point_size > 4 {
        return None;
    }
    // Maglev's header has a word more, and its entries a byte.
    let (header, extra) = if is_maglev { (16, 1) } else { (12, 0) };
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

    /// Two calls, returning to 0x20 and 0x140, the second with an exit at 0x1f0; pcs of two bytes, points of one.
    fn image(header: u64, extra: usize) -> Image {
        let mut image = Image::new(0x1000, 0x400);
        image.put_u32(0x1104, 2);
        image.put_u32(0x1108, 1 | 2 << 4 | 1 << 7);
        let mut entries = vec![0x20, 0, 0, 0, 0];
        entries.resize(5 + extra, 0);
        entries.extend([0x40, 1, 1, 0xf1, 1]);
        entries.resize(2 * (5 + extra), 0);
        image.put(0x1100 + header, &entries);
        image
    }

    #[test]
    fn an_exit_leads_back_to_its_call() {
        for (is_maglev, header, extra) in [(false, 12, 0), (true, 16, 1)] {
            let image = image(header, extra);
            let found = |offset| original_return(&image, &code(), is_maglev, offset);
            assert_eq!(found(0x1f0), Some(0x140));
            assert_eq!(found(0x140), None);
            assert_eq!(found(0), None);
        }
    }

    #[test]
    fn damaged_tables_give_nothing() {
        let mut image = image(12, 0);
        image.put_u32(0x1104, u32::MAX);
        assert_eq!(original_return(&image, &code(), false, 0x1f0), None);
        image.put_u32(0x1104, 60_000);
        assert_eq!(original_return(&image, &code(), false, 0x1f0), None);
    }
}
