//! The handler's part: the interrupted stack, with names and places, into the record.
//!
//! Async-signal-safe and bounded: no lock, no allocation, no panic; every load of V8's memory is checked. It takes up to some milliseconds,
//! once per report, on a thread that has been blocked for longer; the frames of its walk lie in a buffer, not on the stack.
//!
//! Threads: the main JavaScript thread's handler, which holds its slot's `busy`. Never in a collection: objects move there.
//! Fork: see stall.rs.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use pronghorn_v8::{Kind, Named, Namer, Room};

use super::record::{Entry, FrameKind, Frames, Outcome, Record};
use super::{ASKED, STATE, TAKEN, TAKING};
use crate::buffer::{RecordHeader, RecordKind};
use crate::handler::{self, Start};
use crate::session;
use crate::slot::{ThreadSlot, WalkContext};
use crate::walk::{self, Findings, walk};

/// Characters of sources that are looked through for lines, where V8 does not keep its own: some milliseconds.
const MOST_CHARACTERS: u32 = 32 << 20;

/// Names the stack that starts at `start`, if the slot's thread, the calling one, is asked to. Not part of the handler's ordinary way, nor of
/// its frame.
#[cold]
#[inline(never)]
pub(crate) fn capture(slot: &ThreadSlot, context: &WalkContext, start: &Start, may_walk: bool) {
    let state = STATE.get();
    if !session::is_main(slot)
        || state
            .phase
            .compare_exchange(ASKED, TAKING, Acquire, Relaxed)
            .is_err()
    {
        return;
    }
    // SAFETY: null or mapped for good; at TAKING nobody else reads or writes it (stall.rs), and any content is valid: zeroes, or what an earlier
    // run of this function left.
    if let Some(record) = unsafe { state.record.load(Relaxed).as_mut() } {
        (record.used, record.left_out) = (0, 0);
        record.outcome = if slot.gc_depth.load(Relaxed) != 0 {
            Outcome::Collection
        } else if may_walk && name_stack(slot, context, start, record) {
            Outcome::Stack
        } else {
            Outcome::Refused
        };
    }
    state.phase.store(TAKEN, Release);
}

/// False if there is nothing to walk by.
fn name_stack(
    slot: &ThreadSlot,
    context: &WalkContext,
    start: &Start,
    record: &mut Record,
) -> bool {
    let raw = &STATE.get().raw;
    raw.clear();
    let (Some(place), Some(mut writer)) = (handler::place(slot, context), raw.begin()) else {
        return false;
    };
    let mut findings = Findings::default();
    let depth = session::max_depth();
    let walked = walk(
        &place,
        start.registers,
        start.leaf.as_ref(),
        depth,
        &mut writer,
        &mut findings,
    );
    if walked == walk::Outcome::NoRoom {
        return false;
    }
    writer.commit(RecordHeader {
        kind: RecordKind::Stack,
        ..RecordHeader::default()
    });
    let Some((_, frames)) = raw.peek() else {
        return false;
    };
    let room = Room {
        text: &mut record.text,
        scratch: &mut record.scratch,
        marks: &mut record.marks,
        characters: MOST_CHARACTERS,
    };
    let mut namer = Namer::new(&context.view.layout, &context.view.ranges, room);
    let mut out = Frames {
        entries: &mut record.entries,
        used: &mut record.used,
        left_out: &mut record.left_out,
    };
    for frame in frames {
        if out.is_full() {
            *out.left_out += 1;
        } else if frame.kind() == Kind::Native {
            out.push(Entry {
                kind: FrameKind::Native,
                address: frame.pc() - u64::from(!frame.is_exact()),
                ..Entry::default()
            });
        } else {
            namer.name(frame, &mut |named| out.push(entry(named)));
        }
    }
    true
}

fn entry(named: Named) -> Entry {
    Entry {
        kind: FrameKind::from(named.origin),
        line: named.line,
        column: named.column,
        offset: named.offset.map_or(0, |offset| offset.saturating_add(1)),
        address: 0,
        name: named.name,
        file: named.file,
    }
}
