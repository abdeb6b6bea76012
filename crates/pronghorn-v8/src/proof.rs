//! Which kinds of frames have shown that the layout fits them.
//!
//! The first real frame of a kind decides: if it meets every invariant the kind is proved, else refused, and from then on
//! such frames show their physical function at its start line. A failure on a proved kind costs that frame its detail only.

/// Whether a kind of frame has been checked against real frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Proof {
    /// None seen yet.
    #[default]
    Unproved,
    /// A real frame met every invariant.
    Proved,
    /// The first real frame did not: such frames show their physical function at its start line.
    Refused,
}

impl Proof {
    /// Records the outcome of one frame's invariants; true if the frame's details may be used.
    pub(crate) fn record(&mut self, holds: bool, failures: &mut u64) -> bool {
        match (*self, holds) {
            (Self::Refused, _) => false,
            (Self::Proved, true) => true,
            (Self::Unproved, true) => {
                *self = Self::Proved;
                true
            }
            (Self::Unproved, false) => {
                *self = Self::Refused;
                false
            }
            (Self::Proved, false) => {
                *failures += 1;
                false
            }
        }
    }
}

/// The proofs of a resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Proofs {
    /// Interpreted frames.
    pub interpreted: Proof,
    /// Baseline frames.
    pub baseline: Proof,
    /// Maglev and turbofan frames.
    pub optimized: Proof,
    /// Inlined functions.
    pub inlined: Proof,
    /// Frames of a proved kind that did not meet an invariant.
    pub failures: u64,
    /// Frames whose function could not be told at all.
    pub unknown: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_decides() {
        let mut failures = 0;
        let mut proof = Proof::default();
        assert!(!proof.record(false, &mut failures));
        assert_eq!(proof, Proof::Refused);
        assert!(!proof.record(true, &mut failures));
        assert_eq!((proof, failures), (Proof::Refused, 0));
    }

    #[test]
    fn a_later_failure_is_counted_and_costs_one_frame() {
        let mut failures = 0;
        let mut proof = Proof::default();
        assert!(proof.record(true, &mut failures));
        assert!(!proof.record(false, &mut failures));
        assert!(proof.record(true, &mut failures));
        assert_eq!((proof, failures), (Proof::Proved, 1));
    }
}
