//! Return addresses that V8 has moved.
//!
//! When optimized code is given up while it is on the stack, V8 changes the return addresses into it: each then leads to the
//! exit that replaces the frame once the callee returns. The safepoint table knows both addresses of each call.

use crate::code::Code;
use crate::memory::Memory;
use crate::safepoints::Table;
use crate::scratch::sized;
use crate::version::Version;

/// The pc offset that a call in `code` would return to, if `returns_to` is the offset of its exit instead. `place` is for the table.
pub(crate) fn original_return<M: Memory>(
    memory: &M,
    version: Version,
    code: &Code,
    is_maglev: bool,
    returns_to: u64,
    place: &mut Vec<u8>,
) -> Option<u64> {
    let table = table_with_exits(memory, version, code, is_maglev, returns_to)?;
    search(&table, memory, returns_to, sized(place, table.bytes()))
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
    let table = table_with_exits(memory, version, code, is_maglev, returns_to)?;
    search(&table, memory, returns_to, place.get_mut(..table.bytes())?)
}

/// The table, if `offset` can be that of an exit: all of them lie behind the last call.
fn table_with_exits<M: Memory>(
    memory: &M,
    version: Version,
    code: &Code,
    is_maglev: bool,
    offset: u64,
) -> Option<Table> {
    let table = Table::of(memory, version, code, is_maglev)?;
    (offset > table.last_return(memory)?).then_some(table)
}

fn search<M: Memory>(table: &Table, memory: &M, returns_to: u64, bytes: &mut [u8]) -> Option<u64> {
    if !table.copy(memory, bytes) {
        return None;
    }
    let call = table
        .calls(bytes)
        .find(|call| call.exit == Some(returns_to))?;
    Some(call.returns_to)
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
            let found = |offset| {
                original_return(&image, version, &code(), is_maglev, offset, &mut Vec::new())
            };
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
        let found =
            |offset| original_return(&image, version, &code, false, offset, &mut Vec::new());
        assert_eq!(found(0x1f1), Some(0x16c));
        assert_eq!(found(0x1f5), Some(0x19c));
        assert_eq!(found(0x19c), None);
    }

    #[test]
    fn damaged_tables_give_nothing() {
        let found =
            |image: &Image| original_return(image, NEW, &code(), false, 0x1f0, &mut Vec::new());
        let mut image = image(4, 12, 0);
        image.put_u32(0x1104, u32::MAX);
        assert_eq!(found(&image), None);
        image.put_u32(0x1104, 60_000);
        assert_eq!(found(&image), None);
        image.put_u32(0x1104, 0);
        assert_eq!(found(&image), None);
    }
}
