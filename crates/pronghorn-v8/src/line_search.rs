//! From a script offset to a line without a table, for the signal handler: in V8's own line ends, else by looking through the source.
//!
//! Nothing is allocated; what is needed is the caller's. How far it may look is a budget, and nothing is looked through twice: where it has
//! counted to is marked. [`crate::lines`] is the way of a safe point, which keeps a table for each script.

use crate::layout::Layout;
use crate::lines::{Ends, MOST_LINES, Scan};
use crate::memory::Memory;
use crate::object::{field, has_type, smi_field};
use crate::text;

/// Bytes of a source that are looked through at a time; there is a mark behind each.
const PIECE: usize = 64 << 10;

/// Where in a source lines have been counted to: several functions of one script often stand on a stack, and none is looked through twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// Characters.
    at: u32,
    /// The line of that character, from 0, and where it begins.
    line: u32,
    begin: u32,
}

/// What a search for lines may use and use up; of the caller's, since nothing is allocated.
pub(crate) struct Search<'a> {
    /// Characters that may still be looked through.
    pub(crate) characters: u32,
    /// Pieces of a source are copied here.
    pub(crate) scratch: &'a mut [u8],
    /// Of the script that was looked through last, rising.
    pub(crate) marks: &'a mut [Mark],
    /// Marks in use.
    pub(crate) marked: usize,
    /// That script, tagged.
    pub(crate) script: u64,
}

/// The line of a script offset and the characters in front of it on that line, both from 0, found without an allocation: in V8's own
/// line ends, else by looking through the source up to there, if that is not too far.
pub(crate) fn place<M: Memory>(
    memory: &M,
    layout: &Layout,
    script: u64,
    offset: u32,
    search: &mut Search<'_>,
) -> Option<(u32, u32)> {
    let kept = field(memory, script, layout.script.line_ends)?;
    if let Some(place) = in_v8s_table(memory, layout, kept, offset) {
        return Some(place);
    }
    if search.script != script {
        (search.script, search.marked) = (script, 0);
    }
    let known = search.marks.get(..search.marked)?;
    let before = known.partition_point(|mark| mark.at <= offset);
    let from = before
        .checked_sub(1)
        .and_then(|index| known.get(index))
        .copied()
        .unwrap_or_default();
    search.characters = search.characters.checked_sub(offset - from.at)?;
    let source = field(memory, script, layout.script.source)?;
    let mut scan = Scan {
        ends: LinesUpTo {
            offset,
            line: from.line,
            begin: from.begin,
        },
        at: from.at,
        pending_return: false,
    };
    // Whole characters of either width.
    let chunk = search.scratch.len().min(PIECE) & !1;
    if chunk == 0 {
        return None;
    }
    let mut whole = true;
    text::pieces_in_handler(memory, layout, source, (from.at, offset), &mut |piece| {
        let mut address = piece.address;
        let mut left = piece.length as usize * piece.width as usize;
        while left > 0 {
            let size = left.min(chunk);
            let Some(part) = search.scratch.get_mut(..size) else {
                return false;
            };
            whole = memory.copy(address, part);
            if !whole {
                return false;
            }
            if piece.width == 1 {
                scan.one_byte(part);
            } else {
                scan.two_byte(part);
            }
            address += size as u64;
            left -= size;
            let last = search
                .marked
                .checked_sub(1)
                .and_then(|last| search.marks.get(last));
            if size == chunk
                && !scan.pending_return
                && last.is_none_or(|last| last.at < scan.at)
                && let Some(place) = search.marks.get_mut(search.marked)
            {
                *place = Mark {
                    at: scan.at,
                    line: scan.ends.line,
                    begin: scan.ends.begin,
                };
                search.marked += 1;
            }
        }
        true
    })?;
    // The position is no `\n`: nothing executes there.
    scan.settle(false);
    let LinesUpTo { line, begin, .. } = scan.ends;
    whole.then_some((line, offset.saturating_sub(begin)))
}

/// Looks an offset up in V8's own line ends, which `array` is, if V8 has counted them. Line and characters as in [`place`].
pub(crate) fn in_v8s_table<M: Memory>(
    memory: &M,
    layout: &Layout,
    array: u64,
    offset: u32,
) -> Option<(u32, u32)> {
    if !has_type(memory, layout, array, layout.types.fixed_array) {
        return None;
    }
    let length = smi_field(memory, array, layout.array_length)?;
    if !(1..MOST_LINES).contains(&length) {
        return None;
    }
    let end_of = |line: u32| {
        let end = smi_field(memory, array, layout.array_data + u64::from(line) * 8)?;
        u32::try_from(end).ok()
    };
    let (mut low, mut high) = (0, u32::try_from(length).ok()?);
    while low < high {
        let middle = u32::midpoint(low, high);
        if end_of(middle)? < offset {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let begin = match low.checked_sub(1) {
        Some(before) => end_of(before)? + 1,
        None => 0,
    };
    Some((low, offset.checked_sub(begin)?))
}

/// Keeps of line ends only what the line of one offset needs.
struct LinesUpTo {
    offset: u32,
    line: u32,
    /// Of that line.
    begin: u32,
}

impl Ends for LinesUpTo {
    fn push(&mut self, end: u32) {
        if end < self.offset {
            self.line += 1;
            self.begin = end + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Lines;
    use crate::test_support::{Heap, VERSIONS};

    #[test]
    fn it_finds_the_places_of_the_whole_table() {
        for wide in [false, true] {
            let text = "a\nb\r\nc\rd\n\ne\rfgh\nlast";
            let mut heap = Heap::new(VERSIONS[3]);
            let source = if wide {
                heap.wide(text)
            } else {
                heap.text(text)
            };
            let name = heap.text("/a.js");
            let script = heap.script(1, name, source);
            let mut lines = Lines::default();
            let (image, layout) = (&heap.image, &heap.layout);
            lines.count_to(image, layout, source, u32::MAX, &mut [0; 64], &|| false);
            let mut offsets: Vec<u32> = (0..text.len() as u32)
                .filter(|&offset| text.as_bytes()[offset as usize] != b'\n')
                .collect();
            // Forwards each is counted from the one before, backwards from a mark.
            for room in [2, 6, 100] {
                for marks in [0, 1, 3, 64] {
                    offsets.reverse();
                    let (mut scratch, mut marks) = (vec![0; room], vec![Mark::default(); marks]);
                    let mut search = search(1_000, &mut scratch, &mut marks);
                    for &offset in &offsets {
                        let image = &heap.image;
                        let found = super::place(image, &heap.layout, script, offset, &mut search);
                        assert_eq!(found, Some(lines.place(offset)), "{wide} {room} {offset}");
                    }
                }
            }
            let place = |offset, characters| {
                let (mut scratch, mut marks) = ([0; 64], []);
                let mut search = search(characters, &mut scratch, &mut marks);
                super::place(&heap.image, &heap.layout, script, offset, &mut search)
            };
            assert_eq!(place(20, 19), None, "too far");
            assert_eq!(place(900, 1_000), Some((7, 884)), "behind the end");
        }
    }

    fn search<'a>(characters: u32, scratch: &'a mut [u8], marks: &'a mut [Mark]) -> Search<'a> {
        Search {
            characters,
            scratch,
            marks,
            marked: 0,
            script: 0,
        }
    }

    #[test]
    fn nothing_is_looked_through_twice() {
        let mut heap = Heap::new(VERSIONS[0]);
        let source = heap.text(&"line\n".repeat(200));
        let name = heap.text("/a.js");
        let script = heap.script(1, name, source);
        let (mut scratch, mut marks) = (vec![0; 100], vec![Mark::default(); 16]);
        let mut search = search(10_000, &mut scratch, &mut marks);
        let mut cost = |offset: u32| {
            let before = search.characters;
            let place = super::place(&heap.image, &heap.layout, script, offset, &mut search);
            assert_eq!(place, Some((offset / 5, offset % 5)));
            before - search.characters
        };
        assert_eq!(cost(950), 950);
        assert_eq!(cost(951), 51);
        assert_eq!(cost(130), 30);
        assert_eq!(cost(999), 99);
    }

    #[test]
    fn v8s_own_line_ends_are_taken() {
        let mut heap = Heap::new(VERSIONS[2]);
        let (name, source) = (heap.text("a.js"), heap.text("x"));
        let script = heap.script(1, name, source);
        let ends = heap.object(heap.layout.types.fixed_array, 64);
        heap.set_smi(ends, 8, 3);
        for (index, end) in [10, 20, 35].into_iter().enumerate() {
            heap.set_smi(ends, 16 + index as u64 * 8, end);
        }
        heap.set(script, heap.layout.script.line_ends, ends);
        let place = |offset| {
            let (mut scratch, mut marks) = ([], []);
            let mut search = search(0, &mut scratch, &mut marks);
            super::place(&heap.image, &heap.layout, script, offset, &mut search)
        };
        assert_eq!(place(0), Some((0, 0)));
        assert_eq!(place(10), Some((0, 10)));
        assert_eq!(place(11), Some((1, 0)));
        assert_eq!(place(34), Some((2, 13)));
        assert_eq!(place(40), Some((3, 4)));
    }
}
