//! Where reads go: the live process, or a byte image in tests.

use crate::load;

/// Memory that may not be there. Addresses and values are 64-bit, little-endian, of any alignment.
pub trait Memory {
    /// 8 bytes at `address`, if they can be read.
    fn u64(&self, address: u64) -> Option<u64>;
    /// 4 bytes at `address`, if they can be read.
    fn u32(&self, address: u64) -> Option<u32>;
    /// 2 bytes at `address`, if they can be read.
    fn u16(&self, address: u64) -> Option<u16>;
    /// 1 byte at `address`, if it can be read.
    fn u8(&self, address: u64) -> Option<u8>;
    /// Fills `into` from `address`; false if any byte cannot be read.
    fn copy(&self, address: u64, into: &mut [u8]) -> bool;
    /// The caller will read at `address`, or not: a hint, for any address whatever.
    fn prefetch(&self, _address: u64) {}
}

/// The memory of this process, through checked loads. Usable in a signal handler.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live;

impl Memory for Live {
    #[inline]
    fn u64(&self, address: u64) -> Option<u64> {
        load::u64(address)
    }
    #[inline]
    fn u32(&self, address: u64) -> Option<u32> {
        load::u32(address)
    }
    #[inline]
    fn u16(&self, address: u64) -> Option<u16> {
        load::u16(address)
    }
    #[inline]
    fn u8(&self, address: u64) -> Option<u8> {
        load::u8(address)
    }
    #[inline]
    fn copy(&self, address: u64, into: &mut [u8]) -> bool {
        load::copy(address, into)
    }
    #[inline]
    fn prefetch(&self, address: u64) {
        pronghorn_sync::prefetch(address);
    }
}

/// A byte image at a base address, for tests.
#[cfg(any(test, fuzzing))]
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) base: u64,
    pub(crate) bytes: Vec<u8>,
}

#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used, reason = "it is for tests")]
impl Image {
    pub(crate) fn new(base: u64, length: usize) -> Self {
        Self {
            base,
            bytes: vec![0; length],
        }
    }
    fn slice<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let start = usize::try_from(address.checked_sub(self.base)?).ok()?;
        self.bytes
            .get(start..start.checked_add(N)?)?
            .try_into()
            .ok()
    }
    pub(crate) fn put(&mut self, address: u64, bytes: &[u8]) {
        let start = usize::try_from(address - self.base).unwrap();
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }
    pub(crate) fn put_u64(&mut self, address: u64, value: u64) {
        self.put(address, &value.to_le_bytes());
    }
    pub(crate) fn put_u32(&mut self, address: u64, value: u32) {
        self.put(address, &value.to_le_bytes());
    }
    pub(crate) fn put_u16(&mut self, address: u64, value: u16) {
        self.put(address, &value.to_le_bytes());
    }
}

#[cfg(any(test, fuzzing))]
impl Memory for Image {
    fn u64(&self, address: u64) -> Option<u64> {
        self.slice(address).map(u64::from_le_bytes)
    }
    fn u32(&self, address: u64) -> Option<u32> {
        self.slice(address).map(u32::from_le_bytes)
    }
    fn u16(&self, address: u64) -> Option<u16> {
        self.slice(address).map(u16::from_le_bytes)
    }
    fn u8(&self, address: u64) -> Option<u8> {
        self.slice(address).map(u8::from_le_bytes)
    }
    fn copy(&self, address: u64, into: &mut [u8]) -> bool {
        let Some(start) = address
            .checked_sub(self.base)
            .and_then(|s| usize::try_from(s).ok())
        else {
            return false;
        };
        let Some(end) = start.checked_add(into.len()) else {
            return false;
        };
        match self.bytes.get(start..end) {
            Some(bytes) => {
                into.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }
}
