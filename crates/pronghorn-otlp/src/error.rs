//! What can be wrong with a profile.

use std::fmt;

/// Why a profile could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There are no bytes.
    Empty,
    /// The bytes end in the middle of something.
    Truncated,
    /// The gzip stream is damaged.
    Gzip(String),
    /// It is larger than what is read.
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is read.
        most: usize,
    },
    /// The bytes break the rules of protocol buffers.
    Wire(&'static str),
    /// The message breaks the rules of pprof.
    Pprof(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("it is empty"),
            Self::Truncated => formatter.write_str("it is truncated"),
            Self::Gzip(reason) => write!(formatter, "its gzip data is damaged ({reason})"),
            Self::TooLarge { what, most } => {
                write!(formatter, "it has more than {most} {what}")
            }
            Self::Wire(reason) => formatter.write_str(reason),
            Self::Pprof(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}
