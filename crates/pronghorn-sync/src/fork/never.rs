//! The process of a loom model: it is never forked.

/// Never, in a model.
#[must_use]
pub fn forked() -> bool {
    false
}

/// The first, in a model.
#[must_use]
pub fn generation() -> u32 {
    0
}
