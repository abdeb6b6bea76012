//! V8's version, as the running binary states it.

use core::fmt;

/// A V8 version: `13.6` is major 13, minor 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl Version {
    /// A version from its two numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// True if this crate has a table for this V8 major.
    ///
    /// Node 20 has V8 11.3, Node 22 12.4, Node 24 13.6, Node 25 14.1 and Node 26 14.6. A neighbour in the same V8 major
    /// is taken for known too: whatever differs shows when layouts are proved.
    #[must_use]
    pub const fn is_known(self) -> bool {
        matches!(self.major, 11..=14)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
