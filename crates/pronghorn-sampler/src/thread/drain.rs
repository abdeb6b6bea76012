//! From a thread's buffer to the recorder: what happens at its safe points.
//!
//! On the JavaScript thread itself, under the slot's `busy`. Nothing waits: what the recorder cannot take now stays in the
//! buffer, or resolved in the backlog if the isolate ends. Where nothing forces it to be whole it stops after 0.3
//! milliseconds, in the middle of a stack if need be: the first samples of a large program take milliseconds to resolve.
//!
//! What cannot stay raw, before a full collection and at a stop, and was not resolved by then is kept: functions and script offsets, read from the
//! heap, whose lines later slices count. Until then V8 keeps the scripts of kept stacks alive (`thread/handles.rs`), so that no line is lost to a collection.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use pronghorn_recorder::{Frame, LabelSet, Marker, RecordError, Recorder, Sample, Values};

use super::JsThread;
use super::stacks::{KeptSample, Stacks};
use crate::buffer::{RecordHeader, RecordKind};
use crate::slot::{Busy, ThreadSlot};
use crate::stack::{KeptStack, as_garbage_collection};
use crate::statistics::SlotCounters;
use crate::{buffer, clock, labels, session, statistics};

/// Resolved samples that are kept while no slot of the recorder is free; beyond it they are counted as dropped.
const BACKLOG: usize = 8192;
/// After this time a slice ends; what it does last may take a little longer. Now and then two come in one turn of the event loop, one before its poll and one that
/// the ticker has asked for, which are to stay below a millisecond together.
pub const SLICE: Duration = Duration::from_micros(300);
/// The same at the beginning of a rotation or a stop: more follows in the same turn of the event loop.
pub const FIRST_SLICE: Duration = Duration::from_micros(100);
/// How long a thread that ends waits for a free slot of the recorder. Another holds it for microseconds, unless the kernel takes the processor
/// from it meanwhile.
const HAND_OVER_NS: u64 = 50_000_000;

/// How much of the buffer is to be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// As much as this time allows; the ticker asks again if something is left. All if the buffer is half full: what it has no
    /// room for is lost.
    Slice(Duration),
    /// All, unless the recorder has no slot free.
    Whole,
    /// All: the isolate ends, so what cannot be recorded now waits resolved.
    Emptied,
    /// As much as this time allows, and the buffer is empty all the same, since its pointers are about to die: the rest is kept
    /// without its lines.
    Kept(Duration),
}

/// What comes next of what waits.
enum Next {
    /// A sample, whose stack is in `stacks.frames`, with its labels.
    Sample(RecordHeader, Option<Arc<LabelSet>>),
    /// One that could not be resolved in time.
    Unfinished,
    Nothing,
}

impl JsThread {
    /// A full collection comes: nothing stays raw, its own stack neither.
    pub fn before_full_collection(&mut self) {
        timed_inside(|| self.keep_all());
    }

    fn keep_all(&mut self) {
        self.stacks.collection = Some(match self.slot.gc_stack.peek() {
            Some((header, raw)) => self.builder.keep(raw, header.kind),
            None => KeptStack::default(),
        });
        self.drain(Extent::Kept(SLICE));
        self.forget_pointers();
    }

    /// It is over. `sampled`: samples were taken meanwhile.
    pub fn after_full_collection(&mut self, sampled: bool) {
        if sampled {
            timed_inside(|| self.drain(Extent::Kept(SLICE)));
        }
        self.stacks.collection = None;
        self.let_go_if_complete();
    }

    /// Resolves and records what is in the buffer, then the idle time. False if something is left that there was no time for.
    pub fn drain(&mut self, extent: Extent) -> bool {
        let Some(recorder) = self.recorder() else {
            return true;
        };
        // A bad pointer would end the process: so it did, after a stop, once in millions of samples. Tests see it at once.
        #[cfg(feature = "failpoints")]
        assert!(
            pronghorn_v8::fault::is_ours(),
            "samples are resolved without the handlers of faults"
        );
        if session::is_main(self.slot) {
            // Other threads leave it to the ticker: see `refresh_images`.
            session::refresh_images();
        }
        let time = match extent {
            Extent::Slice(time) => (self.slot.buffer.used() < buffer::CAPACITY / 2).then_some(time),
            Extent::Kept(time) => Some(time),
            Extent::Whole | Extent::Emptied => None,
        };
        let deadline = time.map(|time| Instant::now() + time);
        let mut free = self.flush_backlog(&recorder);
        let mut unfinished = false;
        while free || matches!(extent, Extent::Emptied | Extent::Kept(_)) {
            let (header, set) = match self.next(deadline) {
                Next::Sample(header, set) => (header, set),
                Next::Unfinished => {
                    unfinished = true;
                    break;
                }
                Next::Nothing => break,
            };
            let mut values = Values {
                count: 1,
                cpu_ns: header.cpu_ns,
                wall_ns: header.wall_ns,
            };
            if self.stacks.last.is_empty() {
                // No stack before it: the time goes to this one.
                values.wall_ns += header.still_ns;
            } else if header.still_ns > 0 {
                let still = Values {
                    count: 0,
                    cpu_ns: 0,
                    wall_ns: header.still_ns,
                };
                free = self.put_last(&recorder, free, still);
            }
            std::mem::swap(&mut self.stacks.last, &mut self.stacks.frames);
            self.stacks.last_labels = set;
            free = self.put_last(&recorder, free, values);
        }
        if matches!(extent, Extent::Kept(_)) {
            self.keep_rest(&recorder);
        }
        unfinished |= !self.stacks.kept.is_empty();
        self.let_go_if_complete();
        self.slot.unfinished.store(unfinished, Relaxed);
        let idle = self.slot.account.take_idle();
        if idle > 0 {
            let values = Values {
                count: 1,
                cpu_ns: 0,
                wall_ns: idle,
            };
            let recorded = free
                && recorder
                    .record([Sample {
                        thread: &self.label,
                        frames: &[Frame::Marker(Marker::Idle)],
                        labels: None,
                        values,
                    }])
                    .is_ok();
            if recorded {
                SlotCounters::add(&self.slot.counters.idle);
            } else {
                self.slot.account.return_idle(idle);
            }
        }
        self.slot
            .backlog
            .store(self.stacks.backlog.len() as u32, Relaxed);
        self.slot.kept.store(self.stacks.kept.len() as u32, Relaxed);
        if unfinished {
            let count = &statistics::shared().unfinished_resolves;
            count.fetch_add(1, Relaxed);
        } else {
            self.slot.drains.fetch_add(1, Release);
        }
        !unfinished
    }

    /// What is in the buffer leaves it for the kept ones, without lines.
    fn keep_rest(&mut self, recorder: &Recorder) {
        let slot = self.slot;
        while let Some((header, raw)) = slot.buffer.peek() {
            if self.stacks.kept.len() < BACKLOG {
                let stack = if header.kind == RecordKind::FullCollection {
                    self.stacks.collection.clone().unwrap_or_default()
                } else {
                    self.builder.keep(raw, stack_kind(&header))
                };
                let labels = self.label_set(header.labels);
                self.stacks.kept.push_back(KeptSample {
                    header,
                    stack,
                    labels,
                });
            } else {
                recorder.note_dropped(1);
            }
            slot.buffer.consume();
        }
    }

    /// Lets go of what V8 holds for kept stacks, if there are none.
    fn let_go_if_complete(&mut self) {
        if self.stacks.kept.is_empty() && self.stacks.collection.is_none() {
            self.let_go_of_scripts();
        }
    }

    /// The thread ends: everything it has goes to the recorder. If no slot is free it waits a little, at its own cost and for the
    /// only time; what is still left then is counted.
    pub(super) fn hand_over(&mut self) {
        let until = clock::monotonic_ns() + HAND_OVER_NS;
        timed_inside(|| self.drain(Extent::Emptied));
        while !self.stacks.backlog.is_empty() || self.slot.account.idle_ns() > 0 {
            if clock::monotonic_ns() > until {
                break;
            }
            std::thread::sleep(std::time::Duration::from_micros(50));
            timed_inside(|| self.drain(Extent::Emptied));
        }
        if let Some(recorder) = self.recorder() {
            recorder.note_dropped(self.stacks.backlog.len() as u64);
        }
        self.stacks.backlog.clear();
        self.slot.backlog.store(0, Relaxed);
    }

    /// Resolves what comes next into `stacks.frames`, if that is done by `deadline`, and takes it out of where it waited.
    fn next(&mut self, deadline: Option<Instant>) -> Next {
        let (native, max_depth) = (session::native_frames(), session::max_depth());
        let Stacks {
            frames,
            collection,
            kept,
            ..
        } = &mut self.stacks;
        if let Some(sample) = kept.front() {
            let stack = &sample.stack;
            let builder = &mut self.builder;
            if !builder.complete(stack, native, max_depth, deadline, frames) {
                return Next::Unfinished;
            }
            let Some(KeptSample { header, labels, .. }) = kept.pop_front() else {
                return Next::Nothing;
            };
            show_collection(&header, frames);
            return Next::Sample(header, labels);
        }
        let slot = self.slot;
        let Some((header, raw)) = slot.buffer.peek() else {
            return Next::Nothing;
        };
        let done = if header.kind == RecordKind::FullCollection {
            let none = KeptStack::default();
            let stack = collection.as_ref().unwrap_or(&none);
            self.builder
                .complete(stack, native, max_depth, deadline, frames)
        } else {
            let kind = stack_kind(&header);
            self.builder
                .build(raw, kind, native, max_depth, deadline, frames)
        };
        if !done {
            return Next::Unfinished;
        }
        show_collection(&header, frames);
        slot.buffer.consume();
        Next::Sample(header, self.label_set(header.labels))
    }

    /// The set with this number, as it was when the sample was taken: that is two tenths of a second ago at most, unless the thread was blocked.
    fn label_set(&mut self, number: u32) -> Option<Arc<LabelSet>> {
        if number == 0 {
            return None;
        }
        let (known, set) = &mut self.stacks.known_labels;
        if *known != number {
            *known = number;
            *set = labels::table::resolve(number);
        }
        if set.is_none() {
            statistics::shared().lost_labels.fetch_add(1, Relaxed);
        }
        set.clone()
    }

    /// Records the stack of the last sample, or keeps it in the backlog. Returns whether the recorder is still free.
    fn put_last(&mut self, recorder: &Recorder, free: bool, values: Values) -> bool {
        let Stacks {
            last,
            last_labels,
            backlog,
            ..
        } = &mut self.stacks;
        if free {
            let sample = Sample {
                thread: &self.label,
                frames: last,
                labels: last_labels.as_ref(),
                values,
            };
            match recorder.record([sample]) {
                Ok(()) => return true,
                Err(RecordError::SlotFull { .. }) => {
                    recorder.note_dropped(1);
                    return true;
                }
                Err(RecordError::NoSlotFree { .. }) => {}
            }
        }
        if backlog.len() < BACKLOG {
            backlog.push((values, last.clone(), last_labels.clone()));
        } else {
            recorder.note_dropped(1);
        }
        false
    }

    /// Records what waits resolved. Returns whether the recorder is free for more.
    fn flush_backlog(&mut self, recorder: &Recorder) -> bool {
        if self.stacks.backlog.is_empty() {
            return true;
        }
        let backlog = self.stacks.backlog.iter();
        let samples = backlog.map(|(values, frames, labels)| Sample {
            thread: &self.label,
            frames,
            labels: labels.as_ref(),
            values: *values,
        });
        let recorded = match recorder.record(samples) {
            Ok(()) => self.stacks.backlog.len(),
            Err(error) => error.recorded(),
        };
        self.stacks.backlog.drain(..recorded);
        self.stacks.backlog.is_empty()
    }

    /// The recorder of the session under way.
    fn recorder(&mut self) -> Option<Arc<Recorder>> {
        let session = session::session();
        if !matches!(&self.stacks.recorder, Some((known, _)) if *known == session) {
            self.stacks.recorder = session::recorder().map(|recorder| (session, recorder));
        }
        self.stacks
            .recorder
            .as_ref()
            .map(|(_, recorder)| Arc::clone(recorder))
    }
}

/// The kind of the stack that a record's frames are.
fn stack_kind(header: &RecordHeader) -> RecordKind {
    if header.kind == RecordKind::GarbageCollection {
        header.cause
    } else {
        header.kind
    }
}

/// A sample taken during a collection shows that.
fn show_collection(header: &RecordHeader, frames: &mut Vec<Frame>) {
    use RecordKind::{FullCollection, GarbageCollection};
    if matches!(header.kind, GarbageCollection | FullCollection) {
        as_garbage_collection(frames);
    }
}

/// Counts what the calling thread takes for `work` as resolving: work on its slot, which `keep_out` makes busy. Nothing where that is refused. The clock is read
/// outside of that: see `gc.rs`.
pub fn timed<R>(
    slot: &ThreadSlot,
    keep_out: impl FnOnce(&ThreadSlot) -> Option<Busy<'_>>,
    work: impl FnOnce() -> R,
) -> Option<R> {
    let before = clock::own_cpu_ns();
    let (began, result) = {
        let _busy = keep_out(slot)?;
        (slot.kept_out_at(before), work())
    };
    note_time_since(began);
    Some(result)
}

/// The same where the handler is kept out anyway, which is to be rare.
fn timed_inside<R>(work: impl FnOnce() -> R) -> R {
    let began = clock::own_cpu_ns();
    let result = work();
    note_time_since(began);
    result
}

fn note_time_since(began: u64) {
    let passed = clock::own_cpu_ns().saturating_sub(began);
    statistics::shared().resolve_time.record(passed);
}
