//! Changes to an image, out of an input's bytes. A damaged heap that differs in a few words from a sound one leads readers further
//! than random bytes would.

use crate::memory::{Image, Memory};
use crate::position_table::Reader;

/// Where changes go to.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) start: u64,
    pub(super) length: u64,
}

/// Most changes of one input.
const MOST: usize = 48;

/// Takes changes from `reader` until it is empty, and makes them in one of the four areas; gives what they replaced.
pub(super) fn apply(
    image: &mut Image,
    areas: [Area; 4],
    reader: &mut Reader<'_>,
) -> Vec<(u64, u64)> {
    let mut undo = Vec::new();
    while undo.len() < MOST {
        let Some((at, value)) = change(image, areas, reader) else {
            break;
        };
        let Some(before) = image.u64(at) else {
            continue;
        };
        undo.push((at, before));
        image.put_u64(at, value);
    }
    undo
}

/// The last first: two may be of the same word.
pub(super) fn undo(image: &mut Image, changes: Vec<(u64, u64)>) {
    for (at, before) in changes.into_iter().rev() {
        image.put_u64(at, before);
    }
}

/// A word's address and its new value.
fn change(image: &Image, areas: [Area; 4], reader: &mut Reader<'_>) -> Option<(u64, u64)> {
    let command = reader.byte()?;
    let area = areas[usize::from(command >> 6)];
    let at = area.start + (reader.unsigned()? % (area.length / 8)) * 8;
    let target = areas[usize::from(command >> 4 & 3)];
    let value = match command & 7 {
        // One byte of a word.
        0 | 1 => {
            let shift = reader.byte()?;
            let byte = u64::from(reader.byte()?) << (8 * (shift & 7));
            image.u64(at)? & !(0xff << (8 * (shift & 7))) | byte
        }
        // A pointer to another object, or into one.
        2 | 3 => target.start + (reader.unsigned()? % (target.length / 8)) * 8 + 1,
        // A small integer: positive, then any.
        4 => (reader.unsigned()? & 0x7fff_ffff) << 32,
        5 => reader.unsigned()? << 32,
        // What another word holds.
        6 => image.u64(target.start + (reader.unsigned()? % (target.length / 8)) * 8)?,
        _ => reader.signed()?.cast_unsigned(),
    };
    Some((at, value))
}
