//! The record of a stack that was named in the signal handler: memory mapped beforehand, which the handler fills.
//!
//! Threads: see stall.rs for who may write and read it when. Zeroed memory is an empty record.

use pronghorn_v8::{Mark, Origin, Span};

/// Frames that are kept, the innermost ones.
pub(super) const MOST_FRAMES: usize = 256;
/// Bytes of names.
const TEXT: usize = 64 << 10;
/// Room for tables of V8's and pieces of sources.
const SCRATCH: usize = 256 << 10;
/// Marks in the source that is looked through for lines: one for each piece of it.
const MARKS: usize = 512;

/// What came of an attempt to name a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// The thread has not answered.
    #[default]
    NoAnswer = 0,
    /// The stack is there.
    Stack = 1,
    /// The thread was in a garbage collection, in which nothing of V8's can be read.
    Collection = 2,
    /// V8's memory is not to be read in this process.
    Refused = 3,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum FrameKind {
    /// Native code: an address, whose name is looked up later.
    #[default]
    Native = 0,
    /// A function of a script.
    Script = 1,
    /// A function of V8's own, such as `Array.prototype.map`.
    Builtin = 2,
    /// WebAssembly.
    Wasm = 3,
    /// A compiled regular expression.
    Regexp = 4,
}

impl From<Origin> for FrameKind {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Script => Self::Script,
            Origin::Builtin => Self::Builtin,
            Origin::Wasm => Self::Wasm,
            Origin::Regexp => Self::Regexp,
        }
    }
}

/// One frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Entry {
    pub(super) kind: FrameKind,
    /// From 1; 0 if it is unknown.
    pub(super) line: u32,
    /// From 1; 0 if it is unknown.
    pub(super) column: u32,
    /// The script offset plus one; 0 if it is unknown.
    pub(super) offset: u32,
    /// Of native code, inside of the call.
    pub(super) address: u64,
    pub(super) name: Span,
    pub(super) file: Span,
}

/// See the module's description.
#[repr(C)]
pub(super) struct Record {
    pub(super) outcome: Outcome,
    /// Entries in use.
    pub(super) used: u32,
    /// Frames further out than those.
    pub(super) left_out: u32,
    pub(super) entries: [Entry; MOST_FRAMES],
    pub(super) text: [u8; TEXT],
    pub(super) scratch: [u8; SCRATCH],
    pub(super) marks: [Mark; MARKS],
}

impl Record {
    /// The entries in use, innermost first.
    pub(super) fn entries(&self) -> &[Entry] {
        self.entries.get(..self.used as usize).unwrap_or_default()
    }

    /// A part of the text; what is no UTF-8 (a name that was cut) is replaced.
    pub(super) fn text(&self, span: Span) -> String {
        let start = span.start as usize;
        let bytes = self.text.get(start..start + span.length as usize);
        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
    }
}

/// Appends frames to a record's entries. Async-signal-safe.
pub(super) struct Frames<'a> {
    pub(super) entries: &'a mut [Entry; MOST_FRAMES],
    pub(super) used: &'a mut u32,
    pub(super) left_out: &'a mut u32,
}

impl Frames<'_> {
    pub(super) fn is_full(&self) -> bool {
        *self.used as usize >= MOST_FRAMES
    }

    pub(super) fn push(&mut self, entry: Entry) {
        match self.entries.get_mut(*self.used as usize) {
            Some(place) => {
                *place = entry;
                *self.used += 1;
            }
            None => *self.left_out += 1,
        }
    }
}
