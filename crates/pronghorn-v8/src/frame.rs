//! From registers to a V8 frame and its caller: the part of a walk that runs in the signal handler.
//!
//! No allocation, no panic, bounded work, checked loads only. A V8 frame is `[fp]` caller's fp, `[fp+8]` return address,
//! `[fp-8]` either a type marker (bit 0 clear) or the context of a JavaScript frame, whose `[fp-16]` is the JSFunction.
//! That holds only while the frame is set up: [`crate::edge`] looks at the leaf's code to tell.

mod entry;

pub use entry::{Entries, Entry};

use crate::edge::{self, Edge};
use crate::layout::Layout;
use crate::memory::{Live, Memory};
use crate::object::{
    field, has_type, instance_type, is_address, is_pointer, shared_of_function, smi, smi_field,
};
use crate::ranges::CodeRanges;
use crate::raw_frame::{Kind, RawFrame};

/// The registers that a walk follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Program counter.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer.
    pub fp: u64,
}

/// Registers of the interrupted thread that only the leaf frame needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeafRegisters {
    /// JavaScript calling convention: the function that is being entered.
    pub rdi: u64,
    /// The interpreter's bytecode offset.
    pub r9: u64,
    /// Holds the return address for a moment while arguments are dropped.
    pub r10: u64,
    /// The interpreter's BytecodeArray.
    pub r12: u64,
    /// The interpreter's dispatch table.
    pub r15: u64,
}

impl LeafRegisters {
    /// Takes them from a signal's machine context.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[must_use]
    pub fn from_context(context: &libc::mcontext_t) -> Self {
        let get = |index: i32| context.gregs[index as usize].cast_unsigned();
        Self {
            rdi: get(libc::REG_RDI),
            r9: get(libc::REG_R9),
            r10: get(libc::REG_R10),
            r12: get(libc::REG_R12),
            r15: get(libc::REG_R15),
        }
    }
}

/// What the handler needs to know about the isolate of a thread. Plain values: copy it where the handler finds it.
#[derive(Clone, Copy, Debug)]
pub struct IsolateView {
    /// The layout of V8's objects.
    pub layout: Layout,
    /// Where the isolate's code lies.
    pub ranges: CodeRanges,
    /// First address behind the thread's stack; 0 or the largest address if unknown.
    pub stack_end: u64,
}

/// A frame and where the walk goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The frame; nothing for V8's internal frames, which no profile shows.
    pub frame: Option<RawFrame>,
    /// The caller's registers; its pc is a return address.
    pub caller: Registers,
    /// If C++ has entered V8 by this frame. Of a leaf it is not told.
    pub entry: Option<Entry>,
}

/// Why a frame could not be told. The walk ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A load failed.
    BadLoad,
    /// The frame pointer is not aligned, below the stack pointer or beyond the stack.
    BadFramePointer,
}

/// How many words of the stack are looked at for a return address.
const SCAN_WORDS: u64 = 64;

/// Classifies the V8 frame at `registers`, whose pc is V8's ([`CodeRanges::contains_v8`]) or in code that belongs to no
/// image (WebAssembly). `leaf` is given for the interrupted frame only.
///
/// Async-signal-safe. Needs the fault handlers in place and SIGSEGV and SIGBUS unblocked.
///
/// # Errors
/// [`Broken`]: the stack cannot be followed further.
pub fn classify(
    view: &IsolateView,
    registers: Registers,
    leaf: Option<&LeafRegisters>,
) -> Result<Classified, Broken> {
    classify_in(&Live, view, registers, leaf)
}

pub(crate) fn classify_in<M: Memory>(
    memory: &M,
    view: &IsolateView,
    registers: Registers,
    leaf: Option<&LeafRegisters>,
) -> Result<Classified, Broken> {
    let Registers { pc, sp, fp } = registers;
    if let Some(leaf) = leaf {
        match edge::find(memory, view, registers, leaf) {
            Edge::Framed => {}
            Edge::Unlinked { return_slot } => {
                let caller = memory.u64(return_slot).ok_or(Broken::BadLoad)?;
                return Ok(Classified {
                    frame: entering(memory, view, pc, leaf),
                    caller: Registers {
                        pc: caller,
                        sp: return_slot + 8,
                        fp,
                    },
                    entry: None,
                });
            }
            Edge::Leaving {
                return_address,
                caller_sp,
                caller_fp,
            } => {
                let compiled = view.ranges.is_compiled(pc);
                return Ok(Classified {
                    frame: compiled.then(|| RawFrame::compiled(pc, true, 0)),
                    caller: Registers {
                        pc: return_address,
                        sp: caller_sp,
                        fp: caller_fp,
                    },
                    entry: None,
                });
            }
            Edge::Linked => {
                let caller = step(memory, view, registers)?;
                return Ok(Classified {
                    frame: entering(memory, view, pc, leaf),
                    caller,
                    entry: None,
                });
            }
        }
    }
    let caller = step(memory, view, registers)?;
    let exact = leaf.is_some();
    let marker = memory
        .u64(fp.wrapping_add_signed(view.layout.slots.context))
        .ok_or(Broken::BadLoad)?;
    let is_typed = marker & 1 == 0;
    let frame = if is_typed {
        if let Some(leaf) = leaf
            && let Some(classified) = bytecode_handler(memory, view, pc, caller, leaf)
        {
            return Ok(classified);
        }
        typed(memory, view, registers, marker, exact)
    } else {
        Some(javascript(memory, view, registers, sp, leaf))
    };
    let entry = (is_typed && leaf.is_none())
        .then(|| entry::find(memory, view, registers, marker))
        .flatten();
    Ok(Classified {
        frame,
        caller,
        entry,
    })
}

/// Follows a frame that is linked: `[fp]`, `[fp+8]`.
fn step<M: Memory>(
    memory: &M,
    view: &IsolateView,
    registers: Registers,
) -> Result<Registers, Broken> {
    let Registers { sp, fp, .. } = registers;
    if fp & 7 != 0 || fp < sp || (view.stack_end != 0 && fp.wrapping_add(16) > view.stack_end) {
        return Err(Broken::BadFramePointer);
    }
    let (Some(pc), Some(caller_fp)) = (memory.u64(fp.wrapping_add(8)), memory.u64(fp)) else {
        return Err(Broken::BadLoad);
    };
    look_ahead(memory, view, fp, caller_fp);
    Ok(Registers {
        pc,
        sp: fp.wrapping_add(16),
        fp: caller_fp,
    })
}

/// Has the function of the frame behind the caller's fetched, which most likely lies in no cache: a fifth of the handler was waiting for those (docs/measurements.md).
fn look_ahead<M: Memory>(memory: &M, view: &IsolateView, fp: u64, caller_fp: u64) {
    if view.stack_end == u64::MAX {
        // It is not known where the stack ends.
        return;
    }
    // Native code keeps anything in that register. What lies on the stack above can be read.
    let is_above =
        |at: u64, below: u64| at > below && at & 7 == 0 && at < view.stack_end.saturating_sub(16);
    if is_above(caller_fp, fp)
        && let Some(next) = memory.u64(caller_fp)
        && is_above(next, caller_fp)
        && let Some(function) = memory.u64(next.wrapping_add_signed(view.layout.slots.function))
    {
        memory.prefetch(function);
    }
}

/// A function that is being entered: the frame does not say which, the register does.
fn entering<M: Memory>(
    memory: &M,
    view: &IsolateView,
    pc: u64,
    leaf: &LeafRegisters,
) -> Option<RawFrame> {
    if !view.ranges.is_compiled(pc) {
        return None;
    }
    let shared = shared_of_function(memory, &view.layout, leaf.rdi).unwrap_or(0);
    Some(RawFrame::compiled(pc, true, shared))
}

/// A frame with a type marker: most are V8's own business.
fn typed<M: Memory>(
    memory: &M,
    view: &IsolateView,
    registers: Registers,
    marker: u64,
    exact: bool,
) -> Option<RawFrame> {
    let types = &view.layout.frame_types;
    let id = i32::try_from(marker >> 1).unwrap_or(-1);
    if id < 0 {
        return Some(RawFrame::marker(Kind::Unknown, registers.pc, exact));
    }
    if types.is_wasm(id) {
        return Some(RawFrame::marker(Kind::Wasm, registers.pc, exact));
    }
    if id == types.irregexp {
        return Some(RawFrame::marker(Kind::Regexp, registers.pc, exact));
    }
    if id == types.builtin_exit {
        // A builtin written in C++: new target at fp+16, the function itself behind it.
        let function = memory.u64(registers.fp.wrapping_add(24))?;
        let shared = shared_of_function(memory, &view.layout, function)?;
        return Some(RawFrame::builtin(registers.pc, exact, shared));
    }
    None
}

/// A frame whose slots name a JSFunction.
fn javascript<M: Memory>(
    memory: &M,
    view: &IsolateView,
    registers: Registers,
    sp: u64,
    leaf: Option<&LeafRegisters>,
) -> RawFrame {
    let Registers { pc, fp, .. } = registers;
    let layout = &view.layout;
    let exact = leaf.is_some();
    let slot = |offset: i64| memory.u64(fp.wrapping_add_signed(offset));
    let shared = slot(layout.slots.function)
        .and_then(|function| shared_of_function(memory, layout, function));
    let compiled = view.ranges.is_compiled(pc);
    let Some(shared) = shared else {
        return if compiled {
            RawFrame::compiled(pc, exact, 0)
        } else {
            RawFrame::marker(Kind::Unknown, pc, exact)
        };
    };
    if compiled {
        // No builtin: its script need not be looked at.
        return RawFrame::compiled(pc, exact, shared);
    }
    let Some(script) = field(memory, shared, layout.shared.script) else {
        return RawFrame::marker(Kind::Unknown, pc, exact);
    };
    if instance_type(memory, layout, script).is_none_or(|kind| kind == layout.types.oddball) {
        return RawFrame::builtin(pc, exact, shared);
    }
    // The pc lies in a builtin: the interpreter, or a stub without a frame that the function called. A slot of optimized code
    // can hold anything, so nothing is followed before something else speaks for it. Slots below the stack pointer are
    // not written yet.
    let written = leaf.is_none() || fp.wrapping_add_signed(layout.slots.bytecode_offset) >= sp;
    let array = slot(layout.slots.bytecode_array).filter(|&array| written && is_pointer(array));
    let stored = slot(layout.slots.bytecode_offset)
        .filter(|_| written)
        .and_then(smi)
        .and_then(|offset| bytecode_offset(layout, i64::from(offset)));
    if let (Some(leaf), Some(array)) = (leaf, array)
        && let Some(offset) = handler_offset(memory, view, pc, leaf, array)
    {
        return RawFrame::interpreted(shared, array, offset);
    }
    let interpreted = array.zip(stored);
    if (leaf.is_some() || interpreted.is_none())
        && let Some(address) = compiled_return(memory, view, sp, fp, interpreted.is_some())
    {
        return RawFrame::compiled(address, false, shared);
    }
    match interpreted {
        Some((array, offset)) if has_type(memory, layout, array, layout.types.bytecode_array) => {
            RawFrame::interpreted(shared, array, offset)
        }
        _ => RawFrame::function_only(shared),
    }
}

/// A leaf in a bytecode handler with a frame of its own: that frame and the interpreted function's become one, since only
/// the registers tell the bytecode.
fn bytecode_handler<M: Memory>(
    memory: &M,
    view: &IsolateView,
    pc: u64,
    function: Registers,
    leaf: &LeafRegisters,
) -> Option<Classified> {
    let layout = &view.layout;
    if !view.ranges.is_builtin(pc) || !view.ranges.is_builtin(function.pc) {
        return None;
    }
    let slot = |offset: i64| memory.u64(function.fp.wrapping_add_signed(offset));
    let array = slot(layout.slots.bytecode_array).filter(|&array| array == leaf.r12)?;
    let shared = slot(layout.slots.function)
        .and_then(|function| shared_of_function(memory, layout, function))?;
    let offset = handler_offset(memory, view, pc, leaf, array)?;
    let caller = step(memory, view, function).ok()?;
    Some(Classified {
        frame: Some(RawFrame::interpreted(shared, array, offset)),
        caller,
        entry: None,
    })
}

/// The interpreter counts from the tagged array's start; functions count from the first bytecode. Before the first
/// bytecode counts as the first.
fn bytecode_offset(layout: &Layout, raw: i64) -> Option<u32> {
    let first = i64::try_from(layout.bytecode_data).ok()? - 1;
    u32::try_from((raw - first).max(0))
        .ok()
        .filter(|&offset| offset < 1 << 28)
}

/// The bytecode that is being executed, out of the interpreter's registers. The frame's slot is written only before
/// calls and may be many bytecodes old. Registers may have been reused, so they count only if the handler around `pc` is
/// the handler of the bytecode they point at.
fn handler_offset<M: Memory>(
    memory: &M,
    view: &IsolateView,
    pc: u64,
    leaf: &LeafRegisters,
    bytecode_array: u64,
) -> Option<u32> {
    let layout = &view.layout;
    if leaf.r12 != bytecode_array || leaf.r9 > 1 << 28 || leaf.r15 & 7 != 0 || !is_address(leaf.r15)
    {
        return None;
    }
    if !has_type(memory, layout, bytecode_array, layout.types.bytecode_array) {
        return None;
    }
    let offset = leaf.r9.checked_sub(layout.bytecode_data - 1)?;
    let length = smi_field(memory, bytecode_array, layout.bytecode_length)?;
    if offset >= u64::try_from(length).ok()? {
        return None;
    }
    let bytecode = memory.u8(bytecode_array.wrapping_add(leaf.r9))?;
    if !view.ranges.is_builtin(memory.u64(leaf.r15)?) {
        return None;
    }
    let own = memory.u64(leaf.r15.wrapping_add(u64::from(bytecode) * 8))?;
    if own > pc || pc - own > 1 << 16 {
        return None;
    }
    for other in 0..256u64 {
        let entry = memory.u64(leaf.r15.wrapping_add(other * 8))?;
        if entry > own && entry <= pc {
            return None;
        }
    }
    u32::try_from(offset).ok()
}

/// The address in compiled code to which a stub without a frame will return. If the frame looks interpreted, an address
/// in the builtins comes first for a really interpreted one, and ends the search.
fn compiled_return<M: Memory>(
    memory: &M,
    view: &IsolateView,
    sp: u64,
    fp: u64,
    interpreted: bool,
) -> Option<u64> {
    let mut at = sp & !7;
    for _ in 0..SCAN_WORDS {
        if at >= fp {
            return None;
        }
        let word = memory.u64(at)?;
        if view.ranges.contains_v8(word) && edge::behind_call(memory, word) {
            if view.ranges.is_compiled(word) {
                return Some(word);
            }
            if interpreted {
                return None;
            }
        }
        at += 8;
    }
    None
}

#[cfg(test)]
mod tests;
