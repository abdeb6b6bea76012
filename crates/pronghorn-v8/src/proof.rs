//! Which kinds of frames have shown that the layout fits them.
//!
//! The first real frames of a kind decide: the first that meets every invariant proves the kind. Until then such frames show
//! their physical function at its start line, and if several fail and none holds, the kind is refused for good: one alone may
//! have been caught while V8 replaced it. A failure on a proved kind costs that frame its detail only.

/// Frames of a kind that may fail before one has held.
const DOUBTS: u8 = 8;

/// Whether a kind of frame has been checked against real frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// None has met every invariant yet.
    Unproved {
        /// How many did not.
        failures: u8,
    },
    /// A real frame met every invariant.
    Proved,
    /// Several real frames did not, and none did: such frames show their physical function at its start line.
    Refused,
}

impl Default for Proof {
    fn default() -> Self {
        Self::Unproved { failures: 0 }
    }
}

impl Proof {
    /// Records the outcome of one frame's invariants; true if the frame's details may be used.
    pub(crate) fn record(&mut self, holds: bool, failures: &mut u64) -> bool {
        match (*self, holds) {
            (Self::Refused, _) => false,
            (Self::Proved, true) => true,
            (Self::Unproved { .. }, true) => {
                *self = Self::Proved;
                true
            }
            (Self::Unproved { failures }, false) => {
                *self = match failures + 1 {
                    DOUBTS => Self::Refused,
                    failures => Self::Unproved { failures },
                };
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
    fn several_failures_and_no_success_refuse() {
        let mut failures = 0;
        let mut proof = Proof::default();
        for _ in 0..DOUBTS {
            assert!(!proof.record(false, &mut failures));
        }
        assert_eq!(proof, Proof::Refused);
        assert!(!proof.record(true, &mut failures));
        assert_eq!((proof, failures), (Proof::Refused, 0));
    }

    #[test]
    fn one_success_proves_after_a_failure_too() {
        let mut failures = 0;
        let mut proof = Proof::default();
        assert!(!proof.record(false, &mut failures));
        assert!(proof.record(true, &mut failures));
        assert_eq!(proof, Proof::Proved);
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
