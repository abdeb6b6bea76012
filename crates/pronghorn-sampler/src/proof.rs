//! The proof at start: a walk of our own stack has to find a JavaScript function that we know.
//!
//! The binding calls a fresh JavaScript function, which calls back into [`look`]; fresh functions are interpreted. All of it
//! takes microseconds and waits for no compiler.
//!
//! Threads: the one that starts the profiler. Fork: the function may fork; `collector.rs` looks whether it did.

use crate::buffer::SampleBuffer;
use crate::handler::{Start, in_own_isolate};
use crate::slot::ThreadSlot;
use crate::walk::{Findings, Outcome, Place, walk};
use crate::{registers, session, thread};
use pronghorn_sync::Guarded;

/// The name of the function whose frame has to be found.
pub const PROBE_NAME: &str = "layoutProbe";

// Fork: kept; it is empty but between `look` and `run`, which are on one thread without a fork in between.
static RESULT: Guarded<Option<Result<(), String>>> = Guarded::new(None);

/// Calls `prove`, in which the probe function has to call [`look`], and returns what that found.
pub fn run(slot: &'static ThreadSlot, prove: &mut dyn FnMut()) -> Result<(), String> {
    RESULT.lock().with(|place| *place = None);
    // The context is readable only while the slot is armed; the gate is still closed, so no handler samples.
    slot.armed.store(true, std::sync::atomic::Ordering::Release);
    prove();
    slot.armed
        .store(false, std::sync::atomic::Ordering::Release);
    RESULT
        .lock()
        .with(Option::take)
        .unwrap_or_else(|| Err("the probe function was not called".to_owned()))
}

/// Called from within the probe function: walks the stack and checks the probe's frame.
pub fn look() {
    let found = thread::current()
        .ok_or_else(|| "the thread is not registered".to_owned())
        .and_then(|(_, slot)| check(slot));
    RESULT.lock().with(|place| *place = Some(found));
}

fn check(slot: &'static ThreadSlot) -> Result<(), String> {
    let _busy = slot.work().ok_or("the thread is busy")?;
    let context = slot.context().ok_or("the thread is not set up")?;
    if !in_own_isolate(slot) {
        return Err("the isolate changed".to_owned());
    }
    // SAFETY: null, or a list, and those are never freed.
    let images = unsafe { session::images().as_ref() };
    let (Some(cache), Some(images)) = (slot.unwind_cache(), images) else {
        return Err("the images of the process are not known".to_owned());
    };
    let buffer: &SampleBuffer = &slot.gc_stack;
    buffer.clear();
    let mut writer = buffer.begin().ok_or("no buffer")?;
    let place = Place {
        context,
        images,
        cache,
    };
    let start = Start {
        registers: registers::here(),
        leaf: None,
    };
    let mut findings = Findings::default();
    let outcome = walk(
        &place,
        start.registers,
        None,
        session::max_depth(),
        &mut writer,
        &mut findings,
    );
    let Outcome::Done(kind) = outcome else {
        return Err("the stack is too deep for the buffer".to_owned());
    };
    writer.commit(crate::buffer::RecordHeader {
        kind,
        ..Default::default()
    });
    let (_, raw) = buffer.peek().ok_or("no stack")?;
    let mut refusal = format!("no JavaScript frame among {} ({kind:?})", raw.len());
    // The native callback itself has a frame of its own on some versions; the probe's comes right behind it.
    let scripted = raw
        .iter()
        .filter(|frame| frame.kind() != pronghorn_v8::Kind::Native);
    for frame in scripted.take(3) {
        let proved = thread::with(slot, |thread| {
            thread
                .builder()
                .resolver
                .prove_interpreted(frame, PROBE_NAME)
        });
        match proved {
            Some(Ok(())) => return Ok(()),
            Some(Err(reason)) => refusal = reason,
            None => return Err("the thread is gone".to_owned()),
        }
    }
    Err(refusal)
}
