//! Memory that counts what is read of it, and stops a reader that does not end.

use std::cell::Cell;

use crate::memory::{Image, Memory};

/// An image; what lies outside of it cannot be read, or is the image again and again.
pub(super) struct Counted<'a> {
    image: &'a Image,
    endless: bool,
    reads: Cell<u64>,
    budget: Cell<u64>,
}

impl<'a> Counted<'a> {
    pub(super) const fn new(image: &'a Image, endless: bool) -> Self {
        Self {
            image,
            endless,
            reads: Cell::new(0),
            budget: Cell::new(u64::MAX),
        }
    }

    /// From here on so many reads are one reader's; a copy counts as one for each 4 KiB.
    pub(super) fn allow(&self, budget: u64) {
        self.reads.set(0);
        self.budget.set(budget);
    }

    fn place(&self, address: u64, length: usize) -> u64 {
        let reads = self.reads.get() + 1 + (length >> 12) as u64;
        self.reads.set(reads);
        let budget = self.budget.get();
        assert!(reads <= budget, "more than {budget} reads");
        if !self.endless || !(0x1_0000..=1 << 47).contains(&address) {
            return address;
        }
        let size = self.image.bytes.len() as u64;
        self.image.base + address.wrapping_sub(self.image.base) % size
    }
}

impl Memory for &Counted<'_> {
    fn u64(&self, address: u64) -> Option<u64> {
        self.image.u64(self.place(address, 8))
    }
    fn u32(&self, address: u64) -> Option<u32> {
        self.image.u32(self.place(address, 4))
    }
    fn u16(&self, address: u64) -> Option<u16> {
        self.image.u16(self.place(address, 2))
    }
    fn u8(&self, address: u64) -> Option<u8> {
        self.image.u8(self.place(address, 1))
    }
    fn copy(&self, address: u64, into: &mut [u8]) -> bool {
        self.image.copy(self.place(address, into.len()), into)
    }
}
