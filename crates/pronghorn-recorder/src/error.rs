//! What can go wrong, as values.

use std::error::Error;
use std::fmt;

/// Why [`Recorder::record`](crate::Recorder::record) stopped before the last sample.
///
/// The first `recorded` samples of the call are in a slot. The others are not, in no part: they are the caller's to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// Both slots were taken, twice. Come back at the next safe point.
    NoSlotFree {
        /// How many samples, from the first, were recorded.
        recorded: usize,
    },
    /// The active slot holds as much as a slot may; only a rotation makes room.
    SlotFull {
        /// How many samples, from the first, were recorded.
        recorded: usize,
    },
}

impl RecordError {
    /// How many samples of the call, from the first, were recorded.
    #[must_use]
    pub const fn recorded(self) -> usize {
        match self {
            Self::NoSlotFree { recorded } | Self::SlotFull { recorded } => recorded,
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlotFree { .. } => formatter.write_str("no slot was free"),
            Self::SlotFull { .. } => formatter.write_str("the slot is full; rotate the profile"),
        }
    }
}

impl Error for RecordError {}

/// Another rotation has flipped and is not finished yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationInProgress;

impl fmt::Display for RotationInProgress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a rotation is in progress")
    }
}

impl Error for RotationInProgress {}

/// Why a finished period did not become a profile. The period is lost; the recorder and the next period are not.
#[derive(Debug)]
pub enum SerializeError {
    /// The symbolizer failed, for the reason it gave.
    Symbolizer(Box<dyn Error + Send + Sync>),
    /// The symbolizer answered for another number of addresses than it was asked for.
    AnswerCount {
        /// How many addresses it was asked for.
        asked: usize,
        /// How many locations it gave.
        answered: usize,
    },
    /// The symbolizer put an address into a mapping that it does not list.
    UnknownMapping {
        /// The mapping's index.
        index: usize,
    },
    /// The period belongs to a process that this one was forked off from.
    Forked,
    /// The compressor failed.
    Compress(std::io::Error),
}

impl fmt::Display for SerializeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbolizer(cause) => write!(formatter, "symbolizing failed: {cause}"),
            Self::Forked => formatter.write_str("the period is the parent process's"),
            Self::AnswerCount { asked, answered } => write!(
                formatter,
                "the symbolizer was asked for {asked} addresses and answered {answered}"
            ),
            Self::UnknownMapping { index } => {
                write!(
                    formatter,
                    "the symbolizer named mapping {index}, which it does not list"
                )
            }
            Self::Compress(cause) => write!(formatter, "compressing the profile failed: {cause}"),
        }
    }
}

impl Error for SerializeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Symbolizer(cause) => Some(&**cause),
            Self::Compress(cause) => Some(cause),
            Self::AnswerCount { .. } | Self::UnknownMapping { .. } | Self::Forked => None,
        }
    }
}
