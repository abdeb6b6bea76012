//! Asking for memory before it is needed.
//!
//! What a sample is looked up in, the program has driven out of the processor's caches since the last one. Where it is known beforehand what will be read, the
//! waits for it can be had side by side.

/// Tells the processor that `address` is about to be read: a hint, for any address whatever, which neither faults nor counts as a read. Async-signal-safe.
#[inline]
pub fn prefetch(address: u64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction changes nothing that a program can see, and does nothing where nothing can be read.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(core::ptr::without_provenance(address as usize));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The same of a place.
#[inline]
pub fn prefetch_place<T>(place: &T) {
    prefetch(core::ptr::from_ref(place).addr() as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_will_do() {
        for address in [0, 8, 0x8000_0000_0000_0000, u64::MAX] {
            prefetch(address);
        }
        prefetch_place(&1u8);
    }
}
