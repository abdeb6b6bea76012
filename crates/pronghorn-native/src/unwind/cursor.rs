//! Reading unwind tables byte by byte within bounds.

use super::error::UnwindError;
use crate::memory::Memory;

/// DW_EH_PE_absptr as a value format: eight bytes here.
const FORMAT_ABSOLUTE: u8 = 0x00;
const FORMAT_UDATA2: u8 = 0x02;
const FORMAT_UDATA4: u8 = 0x03;
const FORMAT_UDATA8: u8 = 0x04;
const FORMAT_SDATA2: u8 = 0x0a;
const FORMAT_SDATA4: u8 = 0x0b;
const FORMAT_SDATA8: u8 = 0x0c;
const APPLICATION_ABSOLUTE: u8 = 0x00;
const APPLICATION_PC_RELATIVE: u8 = 0x10;

/// A position in a table that ends at a known address.
///
/// It keeps the aligned eight bytes around the position: instructions are mostly one or two bytes long, and an aligned
/// read never touches a page that the wanted byte is not on.
pub(super) struct Cursor<'memory, M> {
    memory: &'memory M,
    position: u64,
    end: u64,
    window_address: u64,
    window: u64,
}

impl<'memory, M: Memory> Cursor<'memory, M> {
    /// A cursor over `start..end`.
    pub(super) fn new(memory: &'memory M, start: u64, end: u64) -> Self {
        // No multiple of eight: nothing is in the window yet.
        Self {
            memory,
            position: start,
            end,
            window_address: 1,
            window: 0,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn at_end(&self) -> bool {
        self.position >= self.end
    }

    /// Moves the end to `length` bytes behind the position.
    pub(super) fn limit(&mut self, length: u64) -> Result<(), UnwindError> {
        self.end = self
            .position
            .checked_add(length)
            .ok_or(UnwindError::Malformed)?;
        Ok(())
    }

    /// Moves on by `length` bytes; a jump behind the end is found at the next read.
    pub(super) fn skip(&mut self, length: u64) -> Result<(), UnwindError> {
        self.position = self
            .position
            .checked_add(length)
            .ok_or(UnwindError::Malformed)?;
        Ok(())
    }

    /// Moves by a signed distance; positions before the start only read other bytes, never none.
    pub(super) fn jump(&mut self, distance: i16) {
        self.position = self.position.wrapping_add_signed(distance.into());
    }

    pub(super) fn u8(&mut self) -> Result<u8, UnwindError> {
        if self.position >= self.end {
            return Err(UnwindError::Malformed);
        }
        let address = self.position & !7;
        if address != self.window_address {
            self.window = self.memory.u64(address).ok_or(UnwindError::Unreadable)?;
            self.window_address = address;
        }
        let [byte, ..] = self
            .window
            .wrapping_shr(((self.position & 7) as u32) << 3)
            .to_le_bytes();
        self.position = self.position.wrapping_add(1);
        Ok(byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, UnwindError> {
        Ok(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, UnwindError> {
        Ok(u32::from_le_bytes([
            self.u8()?,
            self.u8()?,
            self.u8()?,
            self.u8()?,
        ]))
    }

    pub(super) fn u64(&mut self) -> Result<u64, UnwindError> {
        let low = u64::from(self.u32()?);
        Ok(u64::from(self.u32()?) << 32 | low)
    }

    /// An unsigned LEB128 number of at most 64 bits.
    pub(super) fn uleb(&mut self) -> Result<u64, UnwindError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(UnwindError::Malformed)
    }

    /// A signed LEB128 number of at most 64 bits.
    pub(super) fn sleb(&mut self) -> Result<i64, UnwindError> {
        let mut value = 0_u64;
        for shift in (0_u32..70).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                if byte & 0x40 != 0 {
                    value |= u64::MAX.checked_shl(shift.wrapping_add(7)).unwrap_or(0);
                }
                return Ok(value.cast_signed());
            }
        }
        Err(UnwindError::Malformed)
    }

    /// A register number. Numbers above 255 do not exist here.
    pub(super) fn register(&mut self) -> Result<u8, UnwindError> {
        u8::try_from(self.uleb()?).map_err(|_| UnwindError::Malformed)
    }

    /// A pointer in one of the DW_EH_PE encodings that toolchains emit for code addresses.
    pub(super) fn pointer(&mut self, encoding: u8) -> Result<u64, UnwindError> {
        let base = match encoding & 0xf0 {
            APPLICATION_ABSOLUTE => 0,
            APPLICATION_PC_RELATIVE => self.position,
            _ => return Err(UnwindError::Unsupported(encoding)),
        };
        Ok(base.wrapping_add(self.value(encoding)?))
    }

    /// The value of a pointer without what it is relative to, sign extended.
    pub(super) fn value(&mut self, encoding: u8) -> Result<u64, UnwindError> {
        match encoding & 0x0f {
            FORMAT_ABSOLUTE | FORMAT_UDATA8 | FORMAT_SDATA8 => self.u64(),
            FORMAT_UDATA2 => Ok(self.u16()?.into()),
            FORMAT_UDATA4 => Ok(self.u32()?.into()),
            FORMAT_SDATA2 => Ok(i64::from(self.u16()?.cast_signed()).cast_unsigned()),
            FORMAT_SDATA4 => Ok(i64::from(self.u32()?.cast_signed()).cast_unsigned()),
            _ => Err(UnwindError::Unsupported(encoding)),
        }
    }
}
