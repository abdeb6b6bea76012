//! From a script offset to a line.
//!
//! One table per script: the positions of its line ends, taken from V8 where V8 keeps them, else found by scanning the
//! source once. Line ends are `\n`, `\r` without `\n` behind it, U+2028 and U+2029, as in V8. [`place_in_handler`] finds one line
//! without a table, for the signal handler.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, has_type, smi, smi_field};
use crate::text;

/// Line ends of one script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    // Character offsets of line ends, rising.
    ends: Vec<u32>,
}

/// Characters scanned at most: V8 allows about 2^29.
const MOST_CHARACTERS: u32 = 1 << 29;
const MOST_LINES: i32 = 1 << 24;
const CHUNK: usize = 1 << 16;

impl Lines {
    /// The table of the script at `tagged`; nothing if its source cannot be read.
    pub(crate) fn of_script<M: Memory>(memory: &M, layout: &Layout, script: u64) -> Option<Self> {
        let kept = field(memory, script, layout.script.line_ends)?;
        if let Some(ends) = from_v8(memory, layout, kept) {
            return Some(Self { ends });
        }
        let source = field(memory, script, layout.script.source)?;
        Self::of_source(memory, layout, source)
    }

    /// Scans a source string.
    pub(crate) fn of_source<M: Memory>(memory: &M, layout: &Layout, source: u64) -> Option<Self> {
        let mut scan = Scan {
            ends: Vec::new(),
            at: 0,
            pending_return: false,
        };
        let mut buffer = vec![0u8; CHUNK];
        let mut whole = true;
        text::pieces(memory, layout, source, MOST_CHARACTERS, &mut |piece| {
            let mut address = piece.address;
            let mut left = piece.length as usize * piece.width as usize;
            while left > 0 {
                let size = left.min(CHUNK);
                let Some(chunk) = buffer.get_mut(..size) else {
                    return false;
                };
                if !memory.copy(address, chunk) {
                    whole = false;
                    return false;
                }
                if piece.width == 1 {
                    scan.one_byte(chunk)
                } else {
                    scan.two_byte(chunk)
                }
                address += size as u64;
                left -= size;
            }
            true
        })?;
        whole.then(|| scan.finish())
    }

    /// The line of a script offset, from 0.
    pub(crate) fn line(&self, offset: u32) -> u32 {
        u32::try_from(self.ends.partition_point(|&end| end < offset)).unwrap_or(u32::MAX)
    }

    /// The line of a script offset and the characters in front of it on that line, both from 0.
    pub(crate) fn place(&self, offset: u32) -> (u32, u32) {
        let line = self.line(offset);
        let before = (line as usize).checked_sub(1);
        let begin = before
            .and_then(|index| self.ends.get(index))
            .map_or(0, |end| end + 1);
        (line, offset.saturating_sub(begin))
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.ends.capacity() * 4
    }
}

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
pub(crate) fn place_in_handler<M: Memory>(
    memory: &M,
    layout: &Layout,
    script: u64,
    offset: u32,
    search: &mut Search<'_>,
) -> Option<(u32, u32)> {
    let kept = field(memory, script, layout.script.line_ends)?;
    if let Some(place) = search_v8(memory, layout, kept, offset) {
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
    let chunk = search.scratch.len() & !1;
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

/// Looks an offset up in V8's own line ends.
fn search_v8<M: Memory>(
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

/// V8's own line ends: a FixedArray of Smis, rising.
fn from_v8<M: Memory>(memory: &M, layout: &Layout, array: u64) -> Option<Vec<u32>> {
    if !has_type(memory, layout, array, layout.types.fixed_array) {
        return None;
    }
    let length = smi_field(memory, array, layout.array_length)?;
    if !(1..MOST_LINES).contains(&length) {
        return None;
    }
    let length = usize::try_from(length).ok()?;
    let mut bytes = vec![0u8; length * 8];
    if !memory.copy(array - 1 + layout.array_data, &mut bytes) {
        return None;
    }
    let mut ends = Vec::with_capacity(length);
    let mut last = None;
    for word in bytes.as_chunks::<8>().0 {
        let end = u32::try_from(smi(u64::from_le_bytes(*word))?).ok()?;
        if last.is_some_and(|last| end < last) {
            return None;
        }
        last = Some(end);
        ends.push(end);
    }
    Some(ends)
}

/// Takes line ends as they are found, rising.
trait Ends {
    fn push(&mut self, end: u32);
}

impl Ends for Vec<u32> {
    fn push(&mut self, end: u32) {
        Vec::push(self, end);
    }
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

/// A scan over chunks; a `\r` at the end of one waits for the next character.
struct Scan<E> {
    ends: E,
    at: u32,
    pending_return: bool,
}

impl<E: Ends> Scan<E> {
    fn settle(&mut self, next_is_newline: bool) {
        if core::mem::take(&mut self.pending_return) && !next_is_newline {
            self.ends.push(self.at - 1);
        }
    }

    fn one_byte(&mut self, chunk: &[u8]) {
        self.settle(chunk.first() == Some(&b'\n'));
        for index in memchr::memchr2_iter(b'\n', b'\r', chunk) {
            let is_return = chunk.get(index) == Some(&b'\r');
            match chunk.get(index + 1) {
                Some(b'\n') if is_return => {}
                None if is_return => self.pending_return = true,
                _ => self.ends.push(self.at + index as u32),
            }
        }
        self.at += chunk.len() as u32;
    }

    fn two_byte(&mut self, chunk: &[u8]) {
        let units = chunk.as_chunks::<2>().0;
        let unit = |index: usize| units.get(index).map(|pair| u16::from_le_bytes(*pair));
        self.settle(unit(0) == Some(0x0a));
        for (index, pair) in units.iter().enumerate() {
            match u16::from_le_bytes(*pair) {
                0x0a | 0x2028 | 0x2029 => self.ends.push(self.at + index as u32),
                0x0d => match unit(index + 1) {
                    Some(0x0a) => {}
                    None => self.pending_return = true,
                    Some(_) => self.ends.push(self.at + index as u32),
                },
                _ => {}
            }
        }
        self.at += units.len() as u32;
    }
}

impl Scan<Vec<u32>> {
    fn finish(mut self) -> Lines {
        self.settle(false);
        Lines { ends: self.ends }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Heap, VERSIONS};

    fn lines_of(source: &str, wide: bool) -> Lines {
        let mut heap = Heap::new(VERSIONS[1]);
        let source = if wide {
            heap.wide(source)
        } else {
            heap.text(source)
        };
        Lines::of_source(&heap.image, &heap.layout, source).unwrap()
    }

    #[test]
    fn line_ends_of_every_kind() {
        for wide in [false, true] {
            let lines = lines_of("a\nb\r\nc\rd\n\ne\r", wide);
            // Offsets of the ends: \n 1, \n 4 (of \r\n), \r 6, \n 8, \n 9, \r 11.
            assert_eq!(lines.ends, [1, 4, 6, 8, 9, 11], "wide {wide}");
            assert_eq!(lines.line(0), 0);
            assert_eq!(lines.line(1), 0);
            assert_eq!(lines.line(2), 1);
            assert_eq!(lines.line(5), 2);
            assert_eq!(lines.line(12), 6);
            assert_eq!(lines.place(0), (0, 0));
            assert_eq!(lines.place(1), (0, 1), "the end itself");
            assert_eq!(lines.place(5), (2, 0), "behind \\r\\n");
            assert_eq!(lines.place(12), (6, 0));
        }
        assert_eq!(lines_of("a\u{2028}b\u{2029}c", true).ends, [1, 3]);
    }

    #[test]
    fn the_handlers_way_finds_the_same_places() {
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
            let lines = lines_of(text, wide);
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
                        let found =
                            place_in_handler(image, &heap.layout, script, offset, &mut search);
                        assert_eq!(found, Some(lines.place(offset)), "{wide} {room} {offset}");
                    }
                }
            }
            let place = |offset, characters| {
                let (mut scratch, mut marks) = ([0; 64], []);
                let mut search = search(characters, &mut scratch, &mut marks);
                place_in_handler(&heap.image, &heap.layout, script, offset, &mut search)
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
    fn the_handlers_way_looks_through_nothing_twice() {
        let mut heap = Heap::new(VERSIONS[0]);
        let source = heap.text(&"line\n".repeat(200));
        let name = heap.text("/a.js");
        let script = heap.script(1, name, source);
        let (mut scratch, mut marks) = (vec![0; 100], vec![Mark::default(); 16]);
        let mut search = search(10_000, &mut scratch, &mut marks);
        let mut cost = |offset: u32| {
            let before = search.characters;
            let place = place_in_handler(&heap.image, &heap.layout, script, offset, &mut search);
            assert_eq!(place, Some((offset / 5, offset % 5)));
            before - search.characters
        };
        assert_eq!(cost(950), 950);
        assert_eq!(cost(951), 51);
        assert_eq!(cost(130), 30);
        assert_eq!(cost(999), 99);
    }

    #[test]
    fn the_handlers_way_takes_v8s_own_line_ends() {
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
            place_in_handler(&heap.image, &heap.layout, script, offset, &mut search)
        };
        assert_eq!(place(0), Some((0, 0)));
        assert_eq!(place(10), Some((0, 10)));
        assert_eq!(place(11), Some((1, 0)));
        assert_eq!(place(34), Some((2, 13)));
        assert_eq!(place(40), Some((3, 4)));
    }

    #[test]
    fn a_return_at_a_chunks_end_waits_for_the_next_character() {
        for wide in [false, true] {
            let per_chunk = if wide { CHUNK / 2 } else { CHUNK };
            for (behind, ends) in [
                ("\nx", vec![per_chunk as u32]),
                ("x", vec![per_chunk as u32 - 1]),
            ] {
                let mut source = "x".repeat(per_chunk - 1);
                source.push('\r');
                source.push_str(behind);
                assert_eq!(lines_of(&source, wide).ends, ends, "wide {wide}");
            }
        }
    }

    #[test]
    fn v8s_own_line_ends_are_taken() {
        let mut heap = Heap::new(VERSIONS[2]);
        let (name, source) = (heap.text("a.js"), heap.text("x"));
        let script = heap.script(1, name, source);
        let ends = heap.object(heap.layout.types.fixed_array, 64);
        heap.set_smi(ends, 8, 2);
        heap.set_smi(ends, 16, 10);
        heap.set_smi(ends, 24, 20);
        heap.set(script, heap.layout.script.line_ends, ends);
        assert_eq!(
            Lines::of_script(&heap.image, &heap.layout, script)
                .unwrap()
                .ends,
            [10, 20]
        );
        // One that does not rise is not believed: the source is scanned.
        heap.set_smi(ends, 24, 3);
        assert_eq!(
            Lines::of_script(&heap.image, &heap.layout, script)
                .unwrap()
                .ends,
            Vec::<u32>::new()
        );
    }
}
