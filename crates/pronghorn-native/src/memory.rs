//! How the unwinder reads memory that may not be there.

/// Checked reads of this process's memory (or, in tests, of a file that stands for it).
///
/// The unwinder follows pointers out of interrupted code and out of images that another thread may be unloading, so
/// every one of its reads goes through this trait. It is monomorphised: the sampler's loads, which turn a fault into
/// `None`, are called directly from the signal handler.
pub trait Memory {
    /// The eight bytes at `address`, little endian, or `None` when they cannot be read. `address` may be unaligned, and it
    /// may be any value at all. The unwinder rounds its reads of unwind tables down to multiples of eight, so it can ask
    /// for up to seven bytes in front of and behind a table, but never for bytes on another page.
    fn u64(&self, address: u64) -> Option<u64>;
}

impl<F: Fn(u64) -> Option<u64>> Memory for F {
    #[inline]
    fn u64(&self, address: u64) -> Option<u64> {
        self(address)
    }
}
