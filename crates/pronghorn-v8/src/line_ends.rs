//! Where `\n` and `\r` stand in a piece of text of one byte a character: counting the lines of a source of 10 MB is mostly this.
//!
//! A library's search begins anew behind each hit, and a line of code is short; here a comparison of 64 bytes gives all of theirs.

/// Bytes that are compared at a time.
const BLOCK: usize = 64;

/// Gives the index of each `\n` and `\r` to `found`, rising.
pub(crate) fn each(text: &[u8], mut found: impl FnMut(usize)) {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut hits = |mut mask: u64, from: usize| {
        while mask != 0 {
            found(from + mask.trailing_zeros() as usize);
            mask &= mask - 1;
        }
    };
    for (index, block) in blocks.iter().enumerate() {
        hits(mask_of(block), index * BLOCK);
    }
    let mut last = [0; BLOCK];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    hits(mask_of(&last), blocks.len() * BLOCK);
}

/// A bit for each byte that ends a line.
#[cfg(target_arch = "x86_64")]
fn mask_of(block: &[u8; BLOCK]) -> u64 {
    use core::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    let parts = block.as_chunks::<16>().0.iter().rev();
    parts.fold(0, |mask, part| {
        // SAFETY: SSE2 is part of every x86-64; the part has 16 bytes, and the load asks for no alignment.
        let ends = unsafe {
            let bytes = _mm_loadu_si128(part.as_ptr().cast::<__m128i>());
            let newline = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x0a));
            let carriage_return = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x0d));
            _mm_movemask_epi8(_mm_or_si128(newline, carriage_return))
        };
        mask << 16 | u64::from(ends.cast_unsigned())
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn mask_of(block: &[u8; BLOCK]) -> u64 {
    let bits = block.iter().rev();
    bits.fold(0, |mask, byte| {
        mask << 1 | u64::from(matches!(byte, b'\n' | b'\r'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::Random;

    #[test]
    fn every_end_is_found_wherever_it_stands() {
        let mut random = Random(11);
        for length in (0..300).chain([1000, 4096]) {
            let mut text = random.bytes(length);
            for byte in &mut text {
                // Neighbours of both, and many of each.
                *byte = [0x0a, 0x0d, 0x09, 0x0b, 0x0c, 0x0e, 0x8a, b'x'][usize::from(*byte) % 8];
            }
            let mut found = Vec::new();
            each(&text, |index| found.push(index));
            let ends = text.iter().enumerate();
            let ends = ends.filter(|(_, byte)| matches!(byte, b'\n' | b'\r'));
            assert_eq!(found, ends.map(|(index, _)| index).collect::<Vec<_>>());
        }
    }
}
