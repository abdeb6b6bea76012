//! The sorted index of an image's frame descriptions, `.eh_frame_hdr`.

use super::cursor::Cursor;
use super::error::UnwindError;
use super::frame_entry::FrameEntry;
use crate::memory::Memory;

/// DW_EH_PE_udata4.
const COUNT_ENCODING: u8 = 0x03;
/// DW_EH_PE_datarel | DW_EH_PE_sdata4: pairs of 32-bit offsets from the header.
const TABLE_ENCODING: u8 = 0x3b;
/// Bytes of one pair.
const PAIR: u64 = 8;

/// Where an image's index of frame descriptions lies and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnwindTable {
    header: u64,
    pairs: u64,
    count: u32,
}

impl UnwindTable {
    /// Reads the header of the index at `start..end` (the image's PT_GNU_EH_FRAME segment in memory).
    ///
    /// # Errors
    ///
    /// [`UnwindError::Unsupported`] for a table that is not in the one encoding that GNU ld, gold, lld and mold write, and
    /// [`UnwindError::Malformed`] for one that does not fit into the segment.
    pub fn parse<M: Memory>(memory: &M, start: u64, end: u64) -> Result<Self, UnwindError> {
        let mut cursor = Cursor::new(memory, start, end);
        let version = cursor.u8()?;
        if version != 1 {
            return Err(UnwindError::Unsupported(version));
        }
        let frame_encoding = cursor.u8()?;
        let count_encoding = cursor.u8()?;
        let table_encoding = cursor.u8()?;
        if count_encoding != COUNT_ENCODING {
            return Err(UnwindError::Unsupported(count_encoding));
        }
        if table_encoding != TABLE_ENCODING {
            return Err(UnwindError::Unsupported(table_encoding));
        }
        // Where .eh_frame starts does not matter: the pairs name their entries.
        cursor.value(frame_encoding)?;
        let count = cursor.u32()?;
        let pairs = cursor.position();
        let length = u64::from(count)
            .checked_mul(PAIR)
            .ok_or(UnwindError::Malformed)?;
        match pairs.checked_add(length) {
            Some(table_end) if table_end <= end => Ok(Self {
                header: start,
                pairs,
                count,
            }),
            _ => Err(UnwindError::Malformed),
        }
    }

    /// How many functions the table describes.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether the table describes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where the index begins.
    #[cfg(test)]
    pub(super) fn header(&self) -> u64 {
        self.header
    }

    /// The description of the code at `pc`; [`UnwindError::NoRule`] when there is none.
    #[inline(never)]
    pub(super) fn find<M: Memory>(&self, memory: &M, pc: u64) -> Result<FrameEntry, UnwindError> {
        // The last pair whose code starts at or below pc.
        let (mut low, mut high) = (0_u32, self.count);
        let mut frame = None;
        while low < high {
            let middle = low.midpoint(high);
            let (code, entry) = self.pair(memory, middle)?;
            if code <= pc {
                frame = Some(entry);
                low = middle.wrapping_add(1);
            } else {
                high = middle;
            }
        }
        let entry = FrameEntry::parse(memory, frame.ok_or(UnwindError::NoRule)?)?;
        if entry.covers(pc) {
            Ok(entry)
        } else {
            Err(UnwindError::NoRule)
        }
    }

    /// First code address and address of the entry of pair `index`.
    fn pair<M: Memory>(&self, memory: &M, index: u32) -> Result<(u64, u64), UnwindError> {
        let address = self.pairs.wrapping_add(u64::from(index).wrapping_mul(PAIR));
        let pair = memory.u64(address).ok_or(UnwindError::Unreadable)?;
        let absolute = |offset: u32| self.header.wrapping_add_signed(offset.cast_signed().into());
        Ok((
            absolute(pair as u32),
            absolute(pair.wrapping_shr(32) as u32),
        ))
    }
}
