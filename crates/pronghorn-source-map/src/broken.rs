//! Why a map cannot be used.

use std::fmt;

/// The reason, as a sentence without a full stop, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The map: a path, a URL, or `inline`.
    pub map: String,
    /// Why not.
    pub reason: String,
}

impl Broken {
    pub(crate) fn new(map: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            map: map.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.map, self.reason)
    }
}

impl std::error::Error for Broken {}
