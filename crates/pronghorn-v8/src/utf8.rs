//! A V8 string as UTF-8 in a place that may be too short, for the signal handler: nothing is allocated.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::text;

/// Writes the first `limit` characters into `into`, as UTF-8, as many whole ones as fit; returns the bytes. Lone surrogates become the
/// replacement character. Allocates nothing.
pub(crate) fn write<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    limit: u32,
    into: &mut [u8],
) -> Option<usize> {
    let mut writer = Utf8 {
        into,
        used: 0,
        full: false,
        high: None,
    };
    let mut whole = true;
    text::pieces_in_handler(memory, layout, tagged, (0, limit), &mut |piece| {
        for index in 0..u64::from(piece.length) {
            let address = piece.address + index * piece.width;
            let unit = if piece.width == 1 {
                memory.u8(address).map(u16::from)
            } else {
                memory.u16(address)
            };
            let Some(unit) = unit else {
                whole = false;
                return false;
            };
            writer.unit(unit);
            if writer.full {
                return false;
            }
        }
        true
    })?;
    if writer.high.take().is_some() {
        writer.character(char::REPLACEMENT_CHARACTER);
    }
    whole.then_some(writer.used)
}

/// Writes UTF-16 as UTF-8 into a place that may be too short.
struct Utf8<'a> {
    into: &'a mut [u8],
    used: usize,
    full: bool,
    /// The first half of a pair.
    high: Option<u16>,
}

impl Utf8<'_> {
    fn unit(&mut self, unit: u16) {
        let pair = self.high.take();
        match (pair, unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let code = 0x1_0000 + ((u32::from(high) - 0xd800) << 10) + u32::from(unit) - 0xdc00;
                self.character(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                return;
            }
            (Some(_), _) => self.character(char::REPLACEMENT_CHARACTER),
            (None, _) => {}
        }
        match unit {
            0xd800..=0xdbff => self.high = Some(unit),
            _ => self
                .character(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn character(&mut self, character: char) {
        let end = self.used + character.len_utf8();
        match self.into.get_mut(self.used..end) {
            Some(place) if !self.full => {
                character.encode_utf8(place);
                self.used = end;
            }
            _ => self.full = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Heap, VERSIONS};

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut heap = Heap::new(VERSIONS[2]);
        let (narrow, wide) = (heap.text("h\u{e9}llo"), heap.wide("w\u{f6}rld \u{1f600}!"));
        let both = heap.cons(narrow, wide, 14);
        let utf8_of = |string, limit, room: usize| {
            let mut into = vec![0; room];
            let used = write(&heap.image, &heap.layout, string, limit, &mut into)?;
            String::from_utf8(into[..used].to_vec()).ok()
        };
        for string in [narrow, wide, both] {
            assert_eq!(
                utf8_of(string, 100, 100),
                text::read(&heap.image, &heap.layout, string, 100)
            );
            assert_eq!(
                utf8_of(string, 4, 100),
                text::read(&heap.image, &heap.layout, string, 4)
            );
        }
        // A pair that is cut in the middle, and one that does not fit.
        assert_eq!(
            utf8_of(wide, 7, 100).as_deref(),
            Some("w\u{f6}rld \u{fffd}")
        );
        assert_eq!(utf8_of(wide, 100, 9).as_deref(), Some("w\u{f6}rld "));
        assert_eq!(utf8_of(narrow, 100, 2).as_deref(), Some("h"));
        assert_eq!(utf8_of(0, 100, 2), None);
    }

    #[test]
    fn damaged_and_deep_strings_end() {
        let mut heap = Heap::new(VERSIONS[2]);
        let nest = heap.object(1, 40);
        heap.image.put_u32(nest - 1 + 12, 9);
        heap.set(nest, 16, nest);
        heap.set(nest, 24, nest);
        let mut into = [0; 100];
        assert_eq!(write(&heap.image, &heap.layout, nest, 9, &mut into), None);
        let thin = heap.object(5, 32);
        heap.image.put_u32(thin - 1 + 12, 5);
        heap.set(thin, 16, thin);
        assert_eq!(write(&heap.image, &heap.layout, thin, 9, &mut into), None);
        // As deep as it gets on the left: each level leaves one part.
        let leaf = heap.text("x");
        let mut deep = leaf;
        for length in 2..40 {
            deep = heap.cons(deep, leaf, length);
        }
        assert_eq!(
            write(&heap.image, &heap.layout, deep, 20, &mut into),
            Some(20)
        );
        assert_eq!(write(&heap.image, &heap.layout, deep, 39, &mut into), None);
    }
}
