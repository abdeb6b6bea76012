//! Where V8 was entered: the frame that its stub for calls from C++ makes, and whether JavaScript already ran beneath it.
//!
//! The stub (builtins-x64.cc, `Generate_JSEntryVariant`; read in the binaries of V8 11.3, 12.4, 13.6 and 14.6) saves registers and words of the isolate's, which became two more in between, then pushes a
//! Smi, 1 if the isolate ran no JavaScript before and 0 otherwise, then an exception handler of two words, of which the outer one leads to the handler of the entry before, and calls.
//! So the Smi lies at a known place from both ends of the frame. One where these disagree is some other version's, and says nothing.

use super::{IsolateView, Registers};
use crate::memory::Memory;

/// Bytes from the frame pointer down to where the stub's callee returns: with five registers and one word of the isolate's saved, and with three.
const SIZES: [u64; 2] = [88, 104];
/// The Smis 0 and 1, as the stub pushes them.
const INNER: u64 = 0;
const OUTERMOST: u64 = 1 << 1;

/// An entry into V8. Nobody says of which isolate, but what lies beneath it does: see [`Entries::is_last`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where its exception handler lies.
    handler: u64,
    /// Where that of the isolate's entry before lies; nothing if this is the isolate's first.
    before: Option<u64>,
}

/// The entries that a walk has come by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entries {
    /// Where the handler lies that the last of them leads to.
    owed: u64,
}

impl Entries {
    /// Whether no frames of the isolate that the walk began in lie beneath this entry. Another isolate's first entry may lie between two of its own: then the handler
    /// that the inner one leads to has not come yet.
    pub fn is_last(&mut self, entry: Entry) -> bool {
        match entry.before {
            None => entry.handler >= self.owed,
            Some(before) => {
                self.owed = self.owed.max(before);
                false
            }
        }
    }
}

/// The entry whose frame is at `registers`, with the marker `marker`; it is no leaf. Nothing if it is none, or not told.
pub(super) fn find<M: Memory>(
    memory: &M,
    view: &IsolateView,
    registers: Registers,
    marker: u64,
) -> Option<Entry> {
    let Registers { sp, fp, .. } = registers;
    if !view.layout.frame_types.is_entry(marker) || !SIZES.contains(&fp.wrapping_sub(sp)) {
        return None;
    }
    // The handler's second word is padding.
    if memory.u64(sp.wrapping_add(8)) != Some(0) {
        return None;
    }
    let before = match memory.u64(sp.wrapping_add(16))? {
        OUTERMOST => None,
        INNER => Some(memory.u64(sp)?),
        _ => return None,
    };
    Some(Entry {
        handler: sp,
        before,
    })
}
