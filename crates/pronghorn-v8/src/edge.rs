//! Is the leaf's frame set up? At a function's first and last instructions it is not, and only its code tells.
//!
//! V8's code on x64 enters with `push rbp; mov rbp, rsp` and leaves with `mov rsp, rbp; pop rbp` or `leave`, then `ret`,
//! or drops a variable number of arguments through r10. Stubs and bytecode handlers may have no frame at all: for those
//! rbp is the caller's, which [`crate::frame`] deals with.

use crate::frame::{IsolateView, LeafRegisters, Registers};
use crate::memory::Memory;
use crate::object::{has_type, is_pointer};

/// Where the leaf stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// rbp is a frame of this function, or this code has none.
    Framed,
    /// Entering; rbp is still the caller's.
    Unlinked { return_slot: u64 },
    /// Entering; rbp is linked but the slots below it are not written.
    Linked,
    /// Leaving; the frame is gone.
    Leaving {
        return_address: u64,
        caller_sp: u64,
        caller_fp: u64,
    },
}

const BEFORE: usize = 24;
const AFTER: usize = 56;
const PROLOGUE: [u8; 4] = [0x55, 0x48, 0x89, 0xe5];

pub(crate) fn find<M: Memory>(
    memory: &M,
    view: &IsolateView,
    registers: Registers,
    leaf: &LeafRegisters,
) -> Edge {
    let Registers { pc, sp, fp } = registers;
    let mut before = [0u8; BEFORE];
    if !memory.copy(pc.wrapping_sub(BEFORE as u64), &mut before) {
        before = [0; BEFORE];
    }
    let mut after = [0u8; AFTER];
    if !memory.copy(pc, &mut after) {
        // The end of a mapping: what is there is still in front.
        return Edge::Framed;
    }
    if after.starts_with(&PROLOGUE) {
        return Edge::Unlinked { return_slot: sp };
    }
    if after.starts_with(&PROLOGUE[1..]) && before.ends_with(&PROLOGUE[..1]) {
        return Edge::Unlinked {
            return_slot: sp.wrapping_add(8),
        };
    }
    let leaving = |slot: u64, caller_fp: u64| match memory.u64(slot) {
        Some(return_address) => Edge::Leaving {
            return_address,
            caller_sp: slot.wrapping_add(8),
            caller_fp,
        },
        None => Edge::Framed,
    };
    match after {
        // ret, ret n
        [0xc3 | 0xc2, ..] => return leaving(sp, fp),
        // pop rbp; leave; both work as a frame, since rbp is still this function's.
        [0x5d | 0xc9, ..] => return Edge::Framed,
        // push r10; ret
        [0x41, 0x52, 0xc3, ..] => {
            return Edge::Leaving {
                return_address: leaf.r10,
                caller_sp: sp,
                caller_fp: fp,
            };
        }
        _ => {}
    }
    if before.ends_with(&[0x41, 0x5a]) && behind_frame(&before[..BEFORE - 2]) {
        return Edge::Leaving {
            return_address: leaf.r10,
            caller_sp: sp,
            caller_fp: fp,
        };
    }
    if behind_frame(&before) && returns_soon(&after) {
        return leaving(sp, fp);
    }
    if view.ranges.is_compiled(pc) && before_prologue(memory, view, pc, &after) {
        return Edge::Unlinked { return_slot: sp };
    }
    // Linked, but neither the marker nor the function is pushed yet.
    if fp >= sp && fp - sp < 16 && fp & 7 == 0 {
        return Edge::Linked;
    }
    Edge::Framed
}

/// True if the code in front has taken the frame down: `mov rsp, rbp; pop rbp` or `leave`, and at most the test of the
/// argument count since.
fn behind_frame(before: &[u8]) -> bool {
    for back in 0..=14.min(before.len().saturating_sub(4)) {
        let end = before.len() - back;
        let head = &before[..end];
        if head.ends_with(&[0x48, 0x8b, 0xe5, 0x5d]) || head.ends_with(&[0x48, 0x89, 0xec, 0x5d]) {
            // A return in between belongs to the path that was taken: only its conditional skip leads behind it.
            return true;
        }
    }
    false
}

/// `cmp`, `jcc` and the returns behind them, as argument dropping has them.
fn returns_soon(after: &[u8]) -> bool {
    let head = &after[..20];
    // pop r10 follows, or a plain return after the comparison.
    head.starts_with(&[0x41, 0x5a])
        || ((head.starts_with(&[0x48, 0x83, 0xf9])
            || head.starts_with(&[0x48, 0x3b])
            || head.starts_with(&[0x48, 0x39]))
            && head.windows(2).any(|pair| pair == [0x41, 0x5a]))
        || (matches!(head, [0x7f | 0x7e | 0x0f, ..])
            && head.windows(2).any(|pair| pair == [0x41, 0x5a]))
}

/// True if `pc` lies between the start of its code and the prologue (checks that V8 puts in front of it).
fn before_prologue<M: Memory>(memory: &M, view: &IsolateView, pc: u64, after: &[u8]) -> bool {
    let Some(distance) = after[..48].windows(4).position(|bytes| bytes == PROLOGUE) else {
        return false;
    };
    let unexported = &view.layout.unexported;
    for step in 0..4u64 {
        let start = (pc & !15).wrapping_sub(step * 16);
        let map = memory.u64(start.wrapping_sub(unexported.stream_header));
        if !map.is_some_and(is_pointer) {
            continue;
        }
        // has_type wants an object: the stream itself, tagged.
        let stream = start.wrapping_sub(unexported.stream_header).wrapping_add(1);
        if has_type(
            memory,
            &view.layout,
            stream,
            view.layout.types.instruction_stream,
        ) {
            return pc - start + (distance as u64) < 80;
        }
    }
    false
}

/// True if the instruction in front of `address` is a call.
pub(crate) fn behind_call<M: Memory>(memory: &M, address: u64) -> bool {
    let Some(word) = memory.u64(address.wrapping_sub(8)) else {
        return false;
    };
    let b = word.to_le_bytes();
    // call rel32
    if b[3] == 0xe8 {
        return true;
    }
    // The ModRM byte's middle bits are 2 for a call; how long the instruction is depends on its outer bits.
    let call = |opcode: usize, modrm: usize| b[opcode] == 0xff && (b[modrm] >> 3) & 7 == 2;
    (call(6, 7) && b[7] >> 6 == 3)
        || (call(6, 7) && b[7] >> 6 == 0 && b[7] & 7 != 4 && b[7] & 7 != 5)
        || (call(5, 6) && b[6] >> 6 == 1 && b[6] & 7 != 4)
        || (call(5, 6) && b[6] >> 6 == 0 && b[6] & 7 == 4)
        || (call(4, 5) && b[5] >> 6 == 1 && b[5] & 7 == 4)
        || (call(2, 3) && b[3] >> 6 == 2 && b[3] & 7 != 4)
        || (call(2, 3) && b[3] >> 6 == 0 && b[3] & 7 == 5)
        || (call(1, 2) && b[2] >> 6 == 2 && b[2] & 7 == 4)
}
