//! Where V8 was entered: the frame that its stub for calls from C++ makes, and whether JavaScript already ran beneath it.
//!
//! The stub (builtins-x64.cc, `Generate_JSEntryVariant`, in V8 11.3 to 14.6) saves registers and words of the isolate's, which became two more in between, then pushes a
//! Smi, 1 if the isolate ran no JavaScript before and 0 otherwise, then an exception handler of two words, and calls. So the Smi lies at a known place
//! from both ends of the frame. One where these disagree is some other version's, and says nothing.

use super::{IsolateView, Registers};
use crate::memory::Memory;

/// Bytes from the frame pointer down to where the stub's callee returns: with five registers and one word of the isolate's saved, and with three.
const SIZES: [u64; 2] = [88, 104];
/// The Smi 1, as the stub pushes it.
const OUTERMOST: u64 = 1 << 1;

/// Whether the frame at `registers` with the marker `marker`, which is no leaf, is the first that V8 was entered by: below are no frames of its isolate.
pub(super) fn is_outermost<M: Memory>(
    memory: &M,
    view: &IsolateView,
    registers: Registers,
    marker: u64,
) -> bool {
    let Registers { sp, fp, .. } = registers;
    view.layout.frame_types.is_entry(marker)
        && SIZES.contains(&fp.wrapping_sub(sp))
        // The handler's second word, unused since V8 5.
        && memory.u64(sp.wrapping_add(8)) == Some(0)
        && memory.u64(sp.wrapping_add(16)) == Some(OUTERMOST)
}
