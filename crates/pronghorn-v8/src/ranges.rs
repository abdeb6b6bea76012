//! Where an isolate's generated code lies.

use crate::memory::{Live, Memory};
use crate::symbols::{Isolate, JsEntryStubs, MemoryRange, Symbols};

/// Half-open range of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address behind.
    pub end: u64,
}

impl Range {
    /// True if `pc` lies inside.
    #[inline]
    #[must_use]
    pub const fn contains(&self, pc: u64) -> bool {
        pc >= self.start && pc < self.end
    }

    fn from_v8(range: MemoryRange) -> Self {
        Self {
            start: range.start,
            end: range.start.saturating_add(range.length),
        }
    }
}

/// The code ranges of one isolate. Plain values: the signal handler reads them. A fork changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeRanges {
    /// Compiled JavaScript (baseline, maglev, turbofan), regular expressions; may hold a copy of the builtins.
    pub code_range: Range,
    /// The builtins inside the Node binary.
    pub embedded_blob: Range,
    /// The isolate's copy of the builtins inside its code range, if V8 made one.
    pub copied_blob: Option<Range>,
}

/// Why the ranges of an isolate could not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangesError {
    /// A function is not exported ([`Symbols::missing`] names it).
    MissingSymbol,
    /// V8 reports no code range: it runs with `--jitless` or allocates code elsewhere.
    NoCodeRange,
    /// None of the code pages holds the builtins.
    NoBuiltins,
}

impl core::fmt::Display for RangesError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::MissingSymbol => "this runtime does not export V8's code ranges",
            Self::NoCodeRange => "V8 reports no code range",
            Self::NoBuiltins => "V8 reports no range for its builtins",
        })
    }
}

impl std::error::Error for RangesError {}

const MOST_PAGES: usize = 4096;

/// True if `copy` lies in the code range and holds the bytes of `blob`, as samples from its start, middle and end say.
fn is_copy<M: Memory>(memory: &M, code: Range, blob: Range, copy: Range) -> bool {
    const SAMPLE: u64 = 1024;
    let length = blob.end.saturating_sub(blob.start);
    if copy.start < code.start || copy.end > code.end || copy.start == blob.start || length < SAMPLE
    {
        return false;
    }
    let mut own = [0u8; SAMPLE as usize];
    let mut other = [0u8; SAMPLE as usize];
    [0, length / 3, length / 2, length - SAMPLE]
        .iter()
        .all(|offset| {
            memory.copy(blob.start + offset, &mut own)
                && memory.copy(copy.start + offset, &mut other)
                && own == other
        })
}

/// Bytes that [`find_in`] copies at a time.
const WINDOW: usize = 16 << 10;

/// How far behind the start of `within` the first `pattern` lies. A window at a time: what is looked for, V8's entry stubs, lies in the first 50 KB of
/// builtins, and to copy all 2 MB took a third of a start.
fn find_in<M: Memory>(memory: &M, within: Range, pattern: &[u8]) -> Option<u64> {
    let mut window = vec![0u8; WINDOW.max(2 * pattern.len())];
    let beyond = (pattern.len() as u64).checked_sub(1)?;
    let mut start = within.start;
    while within.end.saturating_sub(start) > beyond {
        let length = (within.end - start).min(window.len() as u64);
        let bytes = window.get_mut(..usize::try_from(length).ok()?)?;
        if !memory.copy(start, bytes) {
            return None;
        }
        if let Some(at) = memchr::memmem::find(bytes, pattern) {
            return Some(start - within.start + at as u64);
        }
        // The next one may begin in this window.
        start += length - beyond;
    }
    None
}

impl CodeRanges {
    /// Asks V8 for the ranges of `isolate`.
    ///
    /// # Errors
    /// [`RangesError`].
    ///
    /// # Safety
    /// `isolate` must be a live isolate, entered on the calling thread, outside a signal handler and outside GC.
    pub unsafe fn of(symbols: &Symbols, isolate: Isolate) -> Result<Self, RangesError> {
        let (Some(code_range), Some(pages), Some(stubs)) = (
            symbols.get_code_range,
            symbols.copy_code_pages,
            symbols.get_js_entry_stubs,
        ) else {
            return Err(RangesError::MissingSymbol);
        };
        let mut start = core::ptr::null_mut();
        let mut length = 0usize;
        // SAFETY: as this function's.
        unsafe { code_range(isolate, &raw mut start, &raw mut length) };
        let code_range = Range {
            start: start as u64,
            end: (start as u64).saturating_add(length as u64),
        };
        let mut list = vec![
            MemoryRange {
                start: 0,
                length: 0
            };
            MOST_PAGES
        ];
        // SAFETY: the list has room for that many.
        let count = unsafe { pages(isolate, list.len(), list.as_mut_ptr()) };
        list.truncate(count);
        // SAFETY: as this function's.
        let stubs = unsafe { stubs(isolate) };
        Self::from_parts(&Live, code_range, &list, &stubs)
    }

    fn from_parts<M: Memory>(
        memory: &M,
        code_range: Range,
        pages: &[MemoryRange],
        stubs: &JsEntryStubs,
    ) -> Result<Self, RangesError> {
        let embedded_blob = pages
            .iter()
            .map(|page| Range::from_v8(*page))
            .filter(|page| page.end > page.start && !code_range.contains(page.start))
            .max_by_key(|page| page.end - page.start)
            .ok_or(RangesError::NoBuiltins)?;
        let copied_blob = Self::find_copy(memory, code_range, embedded_blob, stubs);
        if code_range.end <= code_range.start {
            // --jitless: builtins only, and nothing is compiled.
            return Ok(Self {
                code_range: Range::default(),
                embedded_blob,
                copied_blob: None,
            });
        }
        Ok(Self {
            code_range,
            embedded_blob,
            copied_blob,
        })
    }

    /// V8 puts the copy at the upper end of the code range. Where its entry stubs lie in the copy (12.4 and later), their
    /// distance to the same bytes in the original tells too.
    fn find_copy<M: Memory>(
        memory: &M,
        code: Range,
        blob: Range,
        stubs: &JsEntryStubs,
    ) -> Option<Range> {
        let length = blob.end - blob.start;
        let at_end = (12..=21).find_map(|shift| {
            let mask = (1u64 << shift) - 1;
            let start = code.end.checked_sub(length.checked_add(mask)? & !mask)?;
            let copy = Range {
                start,
                end: start.checked_add(length)?,
            };
            is_copy(memory, code, blob, copy).then_some(copy)
        });
        at_end.or_else(|| Self::copy_around_stub(memory, code, blob, stubs))
    }

    fn copy_around_stub<M: Memory>(
        memory: &M,
        code: Range,
        blob: Range,
        stubs: &JsEntryStubs,
    ) -> Option<Range> {
        let entry = Range::from_v8(stubs.entry);
        if !code.contains(entry.start) || entry.end <= entry.start {
            return None;
        }
        let mut pattern = vec![0u8; usize::try_from(entry.end - entry.start).ok()?.min(4096)];
        if !memory.copy(entry.start, &mut pattern) {
            return None;
        }
        let at = find_in(memory, blob, &pattern)?;
        let start = entry.start.checked_sub(at)?;
        let copy = Range {
            start,
            end: start.checked_add(blob.end - blob.start)?,
        };
        is_copy(memory, code, blob, copy).then_some(copy)
    }

    /// True if `pc` lies in V8's builtins, original or copied.
    #[inline]
    #[must_use]
    pub fn is_builtin(&self, pc: u64) -> bool {
        self.embedded_blob.contains(pc) || self.copied_blob.is_some_and(|copy| copy.contains(pc))
    }

    /// True if `pc` lies in compiled code of this isolate (and not in a copy of the builtins).
    #[inline]
    #[must_use]
    pub fn is_compiled(&self, pc: u64) -> bool {
        self.code_range.contains(pc) && !self.copied_blob.is_some_and(|copy| copy.contains(pc))
    }

    /// True if `pc` lies in code that V8 generated for this isolate, builtins included; WebAssembly code is not.
    #[inline]
    #[must_use]
    pub fn contains_v8(&self, pc: u64) -> bool {
        self.embedded_blob.contains(pc) || self.code_range.contains(pc)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "these are tests")]
mod tests {
    use super::*;
    use crate::memory::Image;

    const BASE: u64 = 0x10_0000;

    fn found(at: usize, pattern: &[u8], length: usize) -> Option<u64> {
        let mut image = Image::new(BASE, length);
        image.put(BASE + at as u64, pattern);
        let within = Range {
            start: BASE,
            end: BASE + length as u64,
        };
        find_in(&image, within, pattern)
    }

    #[test]
    fn a_pattern_is_found_wherever_it_lies_across_two_windows_as_well() {
        let pattern: Vec<u8> = (1..=200).collect();
        let length = 3 * WINDOW + 77;
        for at in (WINDOW - 250..WINDOW + 50)
            .chain(2 * WINDOW - 450..2 * WINDOW)
            .chain([0, 1, length - 201, length - 200])
        {
            assert_eq!(found(at, &pattern, length), Some(at as u64), "at {at}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found_nor_is_anything_behind_what_cannot_be_read() {
        let image = Image::new(BASE, 2 * WINDOW);
        let within = |length: usize| Range {
            start: BASE,
            end: BASE + length as u64,
        };
        assert_eq!(find_in(&image, within(2 * WINDOW), &[1, 2]), None);
        assert_eq!(find_in(&image, within(1), &[0, 0]), None);
        assert_eq!(find_in(&image, within(0), &[0]), None);
        assert_eq!(find_in(&image, within(8), &[]), None);
        let mut written = image;
        written.put(BASE + 5, &[9]);
        assert_eq!(find_in(&written, within(3 * WINDOW), &[9]), Some(5));
        assert_eq!(find_in(&written, within(3 * WINDOW), &[8]), None);
    }
}
