//! ScopeInfo: a function's name and where its source starts and ends.
//!
//! Slots of 8 bytes behind the map: flags, parameter count, context local count, on 13.6 and later start and end position,
//! a count for modules, then local names and their properties, the class variable, the function's name, the inferred name,
//! and up to 12.4 start and end position.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, has_type, smi};
use crate::text;

/// What a ScopeInfo tells about its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// A tagged String.
    pub(crate) name: Option<u64>,
    /// A tagged String that V8 guessed from the assignment around the function.
    pub(crate) inferred_name: Option<u64>,
    /// Script offset of the function's start, behind its token and name.
    pub(crate) start: u32,
    /// Script offset behind its end.
    pub(crate) end: u32,
}

const HAS_CLASS_VARIABLE: u32 = 1 << 10;
const FUNCTION_VARIABLE: u32 = 3 << 12;
const HAS_INFERRED_NAME: u32 = 1 << 14;
/// From this many context locals on their names live in a table of their own.
const LOCALS_IN_TABLE: u64 = 75;
const MOST_LOCALS: u64 = 1 << 20;

/// Reads the ScopeInfo at `tagged`.
pub(crate) fn read<M: Memory>(memory: &M, layout: &Layout, tagged: u64) -> Option<Scope> {
    if !has_type(memory, layout, tagged, layout.types.scope_info) {
        return None;
    }
    // Modules keep a count in front of the names; where the first reading makes no sense, that count is there.
    (0..2)
        .find_map(|skipped| read_behind(memory, layout, tagged, layout.scope_first_vars + skipped))
}

fn read_behind<M: Memory>(memory: &M, layout: &Layout, tagged: u64, first: u64) -> Option<Scope> {
    let slot = |index: u64| field(memory, tagged, 8 + index * 8);
    let text_at =
        |index: u64| slot(index).filter(|&word| text::length(memory, layout, word).is_some());
    let flags = slot(0)?;
    // A Smi on the older versions, a bare word on the newer.
    let flags = smi(flags).map_or(flags as u32, i32::cast_unsigned);
    let locals = u64::try_from(smi(slot(layout.scope_local_count)?)?)
        .ok()
        .filter(|&count| count < MOST_LOCALS)?;
    let mut index = first;
    if locals >= LOCALS_IN_TABLE {
        // The table, then one word of properties per local.
        if smi(slot(index)?).is_some() {
            return None;
        }
        index += 1 + locals;
    } else if locals > 0 {
        text_at(index)?;
        index += 2 * locals;
    }
    if flags & HAS_CLASS_VARIABLE != 0 {
        smi(slot(index)?)?;
        index += 1;
    }
    let mut name = None;
    if flags & FUNCTION_VARIABLE != 0 {
        name = text_at(index);
        if name.is_none() && slot(index)? != 0 {
            return None;
        }
        index += 2;
    }
    let mut inferred_name = None;
    if flags & HAS_INFERRED_NAME != 0 {
        inferred_name = text_at(index);
        // Undefined otherwise, never a number.
        if smi(slot(index)?).is_some() {
            return None;
        }
        index += 1;
    }
    // 13.6 and later have the positions in front of the variables.
    let positions = if layout.scope_first_vars >= 5 {
        3
    } else {
        index
    };
    let start = u32::try_from(smi(slot(positions)?)?).ok()?;
    let end = u32::try_from(smi(slot(positions + 1)?)?).ok()?;
    (start <= end).then_some(Scope {
        name,
        inferred_name,
        start,
        end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Heap, VERSIONS};

    #[test]
    fn names_and_places_on_every_version() {
        for version in VERSIONS {
            for locals in [0, 1, 3, 74, 75, 80] {
                let mut heap = Heap::new(version);
                let (name, inferred) = (heap.text("name"), heap.text("Guess.name"));
                let scope = heap.scope(locals, Some(name), Some(inferred), (12, 340));
                assert_eq!(
                    read(&heap.image, &heap.layout, scope),
                    Some(Scope {
                        name: Some(name),
                        inferred_name: Some(inferred),
                        start: 12,
                        end: 340
                    }),
                    "{version}, {locals} locals"
                );
                let scope = heap.scope(locals, None, None, (0, 5));
                assert_eq!(
                    read(&heap.image, &heap.layout, scope),
                    Some(Scope {
                        name: None,
                        inferred_name: None,
                        start: 0,
                        end: 5
                    }),
                    "{version}, {locals} locals, nameless"
                );
            }
        }
    }

    #[test]
    fn other_objects_are_no_scope() {
        let mut heap = Heap::new(VERSIONS[0]);
        let text = heap.text("text");
        assert_eq!(read(&heap.image, &heap.layout, text), None);
        assert_eq!(read(&heap.image, &heap.layout, 0), None);
        let many = heap.scope(0, None, None, (0, 5));
        heap.set_smi(many, 8 + 16, i32::MAX);
        assert_eq!(read(&heap.image, &heap.layout, many), None);
    }
}
