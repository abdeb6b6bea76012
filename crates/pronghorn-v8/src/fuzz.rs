//! What the fuzzers of `fuzz/` call, and what a test replays with damage from fixed seeds: every reader of V8's memory, over
//! memory that the input decides about. Only compiled for tests and with `--cfg fuzzing`.
//!
//! A reader that panics, or reads more than its budget, fails. What it says of damaged memory may be anything.

mod counted;
mod damage;
mod image;
mod tables;

pub use image::image;
pub use tables::tables;

#[cfg(test)]
mod tests {
    use crate::proof::Proof;
    use crate::test_support::Random;

    /// Inputs that damage little: most bytes of a table of commands are small numbers.
    fn input(random: &mut Random, most: u64) -> Vec<u8> {
        let length = 2 + (random.next() % most) as usize;
        let mut bytes = random.bytes(length);
        for byte in &mut bytes {
            if random.next().is_multiple_of(2) {
                *byte &= 0x1f;
            }
        }
        bytes
    }

    #[test]
    fn damaged_images_are_read_within_bounds() {
        let mut random = Random(0x5eed);
        for _ in 0..2_000 {
            super::image(&input(&mut random, 120));
        }
    }

    #[test]
    fn damaged_tables_are_read_within_bounds() {
        let mut random = Random(0x007a_b1e5);
        for _ in 0..20_000 {
            super::tables(&input(&mut random, 400));
        }
    }

    /// Damage to an image that no reader gets far in would find nothing.
    #[test]
    fn sound_images_lead_to_every_kind_of_frame() {
        for which in 0..15 {
            let proofs = super::image::proofs(which);
            assert_eq!(proofs.interpreted, Proof::Proved, "{which}");
            let (compiled, inlined) = match which % 3 {
                0 => (proofs.baseline, Proof::Proved),
                _ => (proofs.optimized, proofs.inlined),
            };
            assert_eq!(
                (compiled, inlined),
                (Proof::Proved, Proof::Proved),
                "{which}"
            );
        }
    }

    /// A budget that nothing exceeds would prove nothing.
    #[test]
    #[should_panic(expected = "more than 3 reads")]
    fn a_reader_that_reads_too_much_is_found() {
        super::image::with_budgets(&[0, 0], 3, 3);
    }
}
