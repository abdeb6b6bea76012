//! The walk: from the registers of an interrupted JavaScript thread to the raw frames of its stack, leaf first.
//!
//! Runs in the signal handler, and at safe points on the caller's own registers. Async-signal-safe: no lock, no
//! allocation, no panic; every load is checked, every loop bounded, and each step must move up the stack.
//!
//! It ends where the isolate was first entered: native frames below the outermost JavaScript frame are in no profile. A stack
//! without JavaScript, and one whose entry is not told (`v8/frame/entry.rs`), is walked to the thread's outermost frame.
//!
//! Two kinds of steps alternate. In V8's code (the code range and the embedded builtins) frames are read by frame pointer,
//! by `pronghorn_v8`, which also knows the moments at which there is none. Everywhere else the unwind tables of the
//! image say where the caller is (`pronghorn_native`); where an image has none, the frame pointer is followed if it
//! points up the stack. Code in no image that is not V8's (WebAssembly, other compilers') keeps frame pointers too.

use pronghorn_native::ImageList;
use pronghorn_native::unwind::{self, Registers, UnwindCache, UnwindError};
use pronghorn_v8::{Entries, Kind, LeafRegisters, Live, Memory, RawFrame, classify};

use crate::buffer::{RecordKind, RecordWriter};
use crate::slot::WalkContext;

/// Physical frames beyond the depth limit that are still walked: where the first entry is not told, native frames below the outermost
/// JavaScript frame are dropped later, so a stack a little deeper than the limit may still fit.
const ROOT_SLACK: usize = 64;

/// What a walk reads by.
pub struct Place<'a> {
    /// The thread's isolate and stack.
    pub context: &'a WalkContext,
    /// The images of the process.
    pub images: &'a ImageList,
    /// The thread's own cache of unwind rules.
    pub cache: &'a UnwindCache,
}

/// What became of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The stack is whole, or was cut off at the depth limit.
    Done(RecordKind),
    /// The buffer is full; there is no record.
    NoRoom,
}

/// What a walk came across.
#[derive(Clone, Copy, Debug, Default)]
pub struct Findings {
    /// Whether there was a frame of V8's.
    pub has_v8_frames: bool,
    /// Frames that claimed to be JavaScript and were not readable as such.
    pub bad_frames: u32,
}

/// Walks from `registers` to where V8 was first entered, or to the thread's outermost frame, into `writer`. `leaf` has the interrupted thread's registers that
/// V8's code at the edge of a frame needs; `None` if the walk starts in a native function of our own.
pub fn walk(
    place: &Place<'_>,
    mut registers: Registers,
    leaf: Option<&LeafRegisters>,
    max_depth: usize,
    writer: &mut RecordWriter<'_>,
    findings: &mut Findings,
) -> Outcome {
    let view = &place.context.view;
    let memory = |address: u64| Live.u64(address);
    let limit = max_depth + ROOT_SLACK;
    let (mut leaf, mut entries, mut has_script) = (leaf, Entries::default(), false);
    // Stub frames of V8 leave no trace in the record, so steps are bounded on their own.
    for _ in 0..limit * 4 {
        if writer.frames() >= limit {
            return Outcome::Done(RecordKind::Truncated);
        }
        let from = registers.sp;
        let native = !view.ranges.contains_v8(registers.pc)
            && place.images.find(registers.lookup_pc()).is_some();
        if native {
            if !writer.push(RawFrame::native(registers.pc, registers.exact)) {
                return Outcome::NoRoom;
            }
            let stepped =
                unwind::step(place.images, place.cache, &memory, &mut registers).or_else(|error| {
                    match error {
                        UnwindError::EndOfStack => Err(error),
                        _ => unwind::step_by_frame_pointer(
                            &memory,
                            &mut registers,
                            place.context.stack_high,
                        ),
                    }
                });
            match stepped {
                Ok(()) => {}
                Err(UnwindError::EndOfStack) => return Outcome::Done(RecordKind::Stack),
                Err(_) => return Outcome::Done(RecordKind::Broken),
            }
        } else {
            let at = pronghorn_v8::Registers {
                pc: registers.pc,
                sp: registers.sp,
                fp: registers.fp,
            };
            let Ok(classified) = classify(view, at, leaf) else {
                return Outcome::Done(RecordKind::Broken);
            };
            findings.has_v8_frames = true;
            if let Some(frame) = classified.frame {
                findings.bad_frames += u32::from(frame.kind() == Kind::Unknown);
                has_script = true;
                if !writer.push(frame) {
                    return Outcome::NoRoom;
                }
            }
            let is_last = classified.entry.is_some_and(|entry| entries.is_last(entry));
            if is_last && has_script {
                return Outcome::Done(RecordKind::Stack);
            }
            let caller = classified.caller;
            registers = Registers::new(caller.pc, caller.sp, caller.fp, false);
        }
        leaf = None;
        if registers.sp <= from || registers.sp > place.context.stack_high {
            return Outcome::Done(RecordKind::Broken);
        }
    }
    Outcome::Done(RecordKind::Truncated)
}
