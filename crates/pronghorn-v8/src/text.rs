//! V8 strings: flat, cons, sliced, thin and external ones, one- and two-byte.
//!
//! A string is walked as a sequence of flat pieces, with an explicit stack and a budget, so that a damaged one ends.
//! [`pieces_in_handler`] allocates nothing: the signal handler may use it.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, instance_type, smi_field, u32_field};

/// A flat piece of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Address of the first character.
    pub(crate) address: u64,
    /// Characters.
    pub(crate) length: u32,
    /// Bytes per character: 1 or 2.
    pub(crate) width: u64,
}

/// Nodes visited per string, and the greatest depth of what is still to do.
const MOST_NODES: usize = 100_000;
const MOST_PENDING: usize = 10_000;
/// What is still to do lies on the stack up to here, and in a signal handler all of it.
const PENDING_ON_STACK: usize = 24;
const MOST_NODES_IN_HANDLER: usize = 4_096;
/// Uncached external strings keep no pointer to their characters.
const UNCACHED_EXTERNAL: u16 = 1 << 4;

/// The length of a string in characters, if `tagged` is one.
pub(crate) fn length<M: Memory>(memory: &M, layout: &Layout, tagged: u64) -> Option<u32> {
    let kind = instance_type(memory, layout, tagged)?;
    if kind >= layout.types.first_nonstring {
        return None;
    }
    u32_field(memory, tagged, layout.string.length).filter(|&length| length < 1 << 30)
}

/// Gives the flat pieces of the first `limit` characters to `visit`, in order, until it returns false. Nothing if the
/// string cannot be read to that length.
pub(crate) fn pieces<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    limit: u32,
    visit: &mut dyn FnMut(Piece) -> bool,
) -> Option<()> {
    let all = length(memory, layout, tagged)?.min(limit);
    pieces_of(memory, layout, (tagged, 0, all), visit)
}

/// The same of everything from character `from` on.
pub(crate) fn pieces_from<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    from: u32,
    visit: &mut dyn FnMut(Piece) -> bool,
) -> Option<()> {
    let count = length(memory, layout, tagged)?.checked_sub(from)?;
    pieces_of(memory, layout, (tagged, from, count), visit)
}

/// The same from character `from` to `to` or the end, without an allocation, for the signal handler. Strings that were put together of many in
/// an unusual order are not read.
pub(crate) fn pieces_in_handler<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    (from, to): (u32, u32),
    visit: &mut dyn FnMut(Piece) -> bool,
) -> Option<()> {
    let count = length(memory, layout, tagged)?.min(to).saturating_sub(from);
    let mut pending = FewParts::new(MOST_NODES_IN_HANDLER);
    walk(memory, layout, (tagged, from, count), &mut pending, visit)
}

/// A part of a string: (string, first character, characters).
type Part = (u64, u32, u32);

/// The parts of a string that are still to do, and the budget.
trait Pending {
    /// False if that is too much.
    fn push(&mut self, part: Part) -> bool;
    /// Nothing if all is done, or if it takes too long.
    fn pop(&mut self) -> Option<Part>;
    /// Whether the budget is used up.
    fn is_over(&self) -> bool;
}

/// Nearly every string is one piece or two: those need no allocation.
struct ManyParts {
    few: FewParts,
    /// Those that `few` has no room for, which come before what is in there.
    more: Vec<Part>,
}

impl Pending for ManyParts {
    fn push(&mut self, part: Part) -> bool {
        if !self.more.is_empty() || !self.few.push(part) {
            self.more.push(part);
        }
        self.more.len() <= MOST_PENDING
    }
    fn pop(&mut self) -> Option<Part> {
        match self.more.pop() {
            None => self.few.pop(),
            part => {
                self.few.nodes = self.few.nodes.checked_sub(1)?;
                part
            }
        }
    }
    fn is_over(&self) -> bool {
        self.few.is_over()
    }
}

struct FewParts {
    parts: [Part; PENDING_ON_STACK],
    used: usize,
    nodes: usize,
}

impl FewParts {
    fn new(nodes: usize) -> Self {
        Self {
            parts: [(0, 0, 0); PENDING_ON_STACK],
            used: 0,
            nodes,
        }
    }
}

impl Pending for FewParts {
    fn push(&mut self, part: Part) -> bool {
        let Some(place) = self.parts.get_mut(self.used) else {
            return false;
        };
        *place = part;
        self.used += 1;
        true
    }
    fn pop(&mut self) -> Option<Part> {
        self.nodes = self.nodes.checked_sub(1)?;
        self.used = self.used.checked_sub(1)?;
        self.parts.get(self.used).copied()
    }
    fn is_over(&self) -> bool {
        self.nodes == 0
    }
}

/// [`pieces`] of a part.
fn pieces_of<M: Memory>(
    memory: &M,
    layout: &Layout,
    part: Part,
    visit: &mut dyn FnMut(Piece) -> bool,
) -> Option<()> {
    let mut pending = ManyParts {
        few: FewParts::new(MOST_NODES),
        more: Vec::new(),
    };
    walk(memory, layout, part, &mut pending, visit)
}

fn walk<M: Memory>(
    memory: &M,
    layout: &Layout,
    part: Part,
    pending: &mut impl Pending,
    visit: &mut dyn FnMut(Piece) -> bool,
) -> Option<()> {
    let mut fits = pending.push(part);
    let string = &layout.string;
    while let Some((tagged, from, count)) = pending.pop() {
        if count == 0 {
            continue;
        }
        if !fits {
            return None;
        }
        let kind = instance_type(memory, layout, tagged)?;
        let own = length(memory, layout, tagged)?;
        if from.checked_add(count)? > own {
            return None;
        }
        let one_byte = kind & string.encoding_mask == string.one_byte;
        let width = if one_byte { 1 } else { 2 };
        let representation = kind & string.representation_mask;
        if representation == string.cons {
            let first = field(memory, tagged, string.cons_first)?;
            let second = field(memory, tagged, string.cons_second)?;
            let split = length(memory, layout, first)?.min(own);
            if from + count > split {
                let start = from.max(split);
                fits &= pending.push((second, start - split, from + count - start));
            }
            if from < split {
                fits &= pending.push((first, from, count.min(split - from)));
            }
        } else if representation == string.thin {
            fits &= pending.push((field(memory, tagged, string.thin_actual)?, from, count));
        } else if representation == string.sliced {
            let parent = field(memory, tagged, string.sliced_parent)?;
            let offset = u32::try_from(smi_field(memory, tagged, string.sliced_offset)?).ok()?;
            fits &= pending.push((parent, from.checked_add(offset)?, count));
        } else {
            let start = if representation == string.external {
                if kind & UNCACHED_EXTERNAL != 0 {
                    return None;
                }
                // The resource, and behind it the cached pointer to its characters.
                field(memory, tagged, string.external_resource + 8)?
            } else if representation == 0 {
                tagged - 1
                    + if one_byte {
                        string.one_byte_chars
                    } else {
                        string.two_byte_chars
                    }
            } else {
                return None;
            };
            let address = start.checked_add(u64::from(from) * width)?;
            if !visit(Piece {
                address,
                length: count,
                width,
            }) {
                return Some(());
            }
        }
    }
    (fits && !pending.is_over()).then_some(())
}

/// The first `limit` characters as text; lone surrogates become the replacement character.
pub(crate) fn read<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    limit: u32,
) -> Option<String> {
    let bytes = bytes(memory, layout, tagged, limit)?;
    if bytes.is_ascii() {
        return String::from_utf8(bytes).ok();
    }
    let mut units: Vec<u16> = Vec::new();
    let mut whole = true;
    pieces(memory, layout, tagged, limit, &mut |piece| {
        whole = add_units(memory, piece, &mut units);
        whole
    })?;
    whole.then(|| String::from_utf16_lossy(&units))
}

/// Adds the characters of a piece. False if they cannot be read.
fn add_units<M: Memory>(memory: &M, piece: Piece, units: &mut Vec<u16>) -> bool {
    each_part(memory, piece, &mut |bytes| {
        if piece.width == 1 {
            units.extend(bytes.iter().map(|&byte| u16::from(byte)));
        } else {
            let pairs = bytes.as_chunks::<2>().0;
            units.extend(pairs.iter().map(|pair| u16::from_le_bytes(*pair)));
        }
    })
}

/// Gives the bytes of a piece to `visit`, part by part, whole characters each. False if they cannot be read. By a place on the stack: memory that is to be zeroed glibc does not take
/// from what a thread has at hand, and it may sort then what the program has freed, for a millisecond (docs/measurements.md, "Slices").
fn each_part<M: Memory>(memory: &M, piece: Piece, visit: &mut dyn FnMut(&[u8])) -> bool {
    let mut place = [0u8; 512];
    let mut address = piece.address;
    let mut left = piece.length as usize * piece.width as usize;
    while left > 0 {
        let size = left.min(place.len());
        let Some(bytes) = place.get_mut(..size) else {
            return false;
        };
        if !memory.copy(address, bytes) {
            return false;
        }
        visit(bytes);
        address = address.wrapping_add(size as u64);
        left -= size;
    }
    true
}

/// The characters from `from` to `to`, which both lie inside.
pub(crate) fn part<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    from: u32,
    to: u32,
) -> Option<Vec<u16>> {
    let count = to.checked_sub(from)?;
    let mut units: Vec<u16> = Vec::with_capacity(count as usize);
    let mut whole = true;
    pieces_of(memory, layout, (tagged, from, count), &mut |piece| {
        whole = add_units(memory, piece, &mut units);
        whole
    })?;
    whole.then_some(units)
}

/// The first `limit` characters of a text in ASCII; nothing if there are others. Copies only: megabytes in well under a
/// millisecond.
pub(crate) fn read_ascii<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    limit: u32,
) -> Option<String> {
    let bytes = bytes(memory, layout, tagged, limit)?;
    bytes.is_ascii().then_some(())?;
    String::from_utf8(bytes).ok()
}

/// The first `limit` characters, a byte each: those of ASCII as they are, and others as some byte that is none of it.
fn bytes<M: Memory>(memory: &M, layout: &Layout, tagged: u64, limit: u32) -> Option<Vec<u8>> {
    let mut text: Vec<u8> = Vec::new();
    let mut whole = true;
    pieces(memory, layout, tagged, limit, &mut |piece| {
        let begin = text.len();
        if piece.width == 1 {
            text.resize(begin + piece.length as usize, 0);
            whole = text
                .get_mut(begin..)
                .is_some_and(|place| memory.copy(piece.address, place));
        } else {
            // What is no ASCII becomes a byte that is none either.
            let byte = |pair: &[u8; 2]| if pair[1] == 0 { pair[0] } else { 0xff };
            whole = each_part(memory, piece, &mut |bytes| {
                text.extend(bytes.as_chunks::<2>().0.iter().map(byte));
            });
        }
        whole
    })?;
    whole.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Heap, VERSIONS};

    fn heap() -> Heap {
        Heap::new(VERSIONS[2])
    }

    fn text_of(heap: &Heap, string: u64, limit: u32) -> Option<String> {
        read(&heap.image, &heap.layout, string, limit)
    }

    #[test]
    fn flat_strings() {
        let mut heap = heap();
        let narrow = heap.text("hello");
        let wide = heap.wide("wörld π");
        assert_eq!(text_of(&heap, narrow, 100).unwrap(), "hello");
        assert_eq!(text_of(&heap, narrow, 3).unwrap(), "hel");
        assert_eq!(text_of(&heap, wide, 100).unwrap(), "wörld π");
    }

    #[test]
    fn cons_sliced_and_thin_strings() {
        let mut heap = heap();
        let (first, second) = (heap.text("abc"), heap.wide("dé"));
        let whole = heap.cons(first, second, 5);
        assert_eq!(text_of(&heap, whole, 100).unwrap(), "abcdé");
        assert_eq!(text_of(&heap, whole, 4).unwrap(), "abcd");
        let thin = heap.object(5, 32);
        heap.image.put_u32(thin - 1 + 12, 5);
        heap.set(thin, 16, whole);
        assert_eq!(text_of(&heap, thin, 100).unwrap(), "abcdé");
        let sliced = heap.object(3, 40);
        heap.image.put_u32(sliced - 1 + 12, 3);
        heap.set(sliced, 16, thin);
        heap.set_smi(sliced, 24, 1);
        assert_eq!(text_of(&heap, sliced, 100).unwrap(), "bcd");
    }

    #[test]
    fn parts() {
        let mut heap = heap();
        let (first, second) = (heap.text("abc"), heap.wide("dé"));
        let whole = heap.cons(first, second, 5);
        let part_of = |from, to| {
            part(&heap.image, &heap.layout, whole, from, to)
                .map(|units| String::from_utf16(&units).unwrap())
        };
        assert_eq!(part_of(1, 4).as_deref(), Some("bcd"));
        assert_eq!(part_of(2, 2).as_deref(), Some(""));
        assert_eq!(part_of(3, 6), None);
        assert_eq!(part_of(3, 2), None);
    }

    #[test]
    fn ascii() {
        let mut heap = heap();
        let (narrow, wide, other) = (heap.text("data:x"), heap.wide("url"), heap.wide("é"));
        let ascii = |string, limit| read_ascii(&heap.image, &heap.layout, string, limit);
        assert_eq!(ascii(narrow, 4).as_deref(), Some("data"));
        assert_eq!(ascii(wide, 100).as_deref(), Some("url"));
        assert_eq!(ascii(other, 100), None);
        assert_eq!(ascii(0, 100), None);
    }

    #[test]
    fn external_strings() {
        let mut heap = heap();
        let external = heap.object(8 | 2, 40);
        let place = heap.room(16) - 1;
        heap.image.put(place, b"outside");
        heap.image.put_u32(external - 1 + 12, 7);
        heap.set(external, 24, place);
        assert_eq!(text_of(&heap, external, 100).unwrap(), "outside");
        let uncached = heap.object(8 | 2 | 16, 40);
        heap.image.put_u32(uncached - 1 + 12, 7);
        heap.set(uncached, 24, place);
        assert_eq!(text_of(&heap, uncached, 100), None);
    }

    #[test]
    fn damaged_strings_end() {
        let mut heap = heap();
        let thin = heap.object(5, 32);
        heap.image.put_u32(thin - 1 + 12, 5);
        heap.set(thin, 16, thin);
        assert_eq!(text_of(&heap, thin, 100), None);
        let nest = heap.object(1, 40);
        heap.image.put_u32(nest - 1 + 12, 9);
        heap.set(nest, 16, nest);
        heap.set(nest, 24, nest);
        assert_eq!(text_of(&heap, nest, 100), None);
        let number = heap.object(200, 16);
        assert_eq!(text_of(&heap, number, 100), None);
        assert_eq!(text_of(&heap, 0, 100), None);
        assert_eq!(text_of(&heap, 0x3038 | 1, 100), None);
    }
}
