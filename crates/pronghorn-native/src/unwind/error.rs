//! Why a step could not be taken.

/// Why [`step`](crate::unwind::step) did not reach the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnwindError {
    /// The tables say that this frame has no caller: the bottom of the thread's stack.
    EndOfStack,
    /// The code belongs to no image of the list: generated code, or an image loaded after the snapshot.
    NoImage,
    /// The image describes no frames, or none at this address.
    NoRule,
    /// A read failed: unmapped memory or a broken stack.
    Unreadable,
    /// The rule is based on a register whose value in this frame is not known.
    UnknownRegister(u8),
    /// The tables contradict themselves or a bound was exceeded.
    Malformed,
    /// An encoding or operation that no common toolchain emits; the code is the DWARF byte.
    Unsupported(u8),
    /// The step would not move towards the bottom of the stack, or ends in an address that cannot be code.
    Implausible,
}

impl std::fmt::Display for UnwindError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EndOfStack => formatter.write_str("the outermost frame"),
            Self::NoImage => formatter.write_str("code outside of all known images"),
            Self::NoRule => formatter.write_str("no unwind information for this address"),
            Self::Unreadable => formatter.write_str("memory that cannot be read"),
            Self::UnknownRegister(register) => write!(
                formatter,
                "the value of register {register} is not known here"
            ),
            Self::Malformed => formatter.write_str("damaged unwind information"),
            Self::Unsupported(code) => {
                write!(formatter, "unsupported unwind information (0x{code:02x})")
            }
            Self::Implausible => formatter.write_str("a frame that cannot be"),
        }
    }
}

impl std::error::Error for UnwindError {}
