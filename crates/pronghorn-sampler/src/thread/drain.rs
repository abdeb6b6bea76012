//! From a thread's buffer to the recorder: what happens at its safe points.
//!
//! On the JavaScript thread itself, under the slot's `busy`. Nothing waits: what the recorder cannot take now stays in the
//! buffer, or resolved in the backlog if its pointers are about to die. Where nothing forces it to be whole it stops after half a
//! millisecond, in the middle of a stack if need be: the first samples of a large program take milliseconds to resolve.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use pronghorn_recorder::{Frame, LabelSet, Marker, RecordError, Recorder, Sample, Values};

use pronghorn_v8::RawFrame;

use super::JsThread;
use super::stacks::Stacks;
use crate::buffer::{RecordHeader, RecordKind};
use crate::stack::as_garbage_collection;
use crate::statistics::SlotCounters;
use crate::{buffer, clock, labels, session, statistics};

/// Resolved samples that are kept while no slot of the recorder is free; beyond it they are counted as dropped.
const BACKLOG: usize = 8192;
/// After this time a slice ends; what it does last may take a little longer.
const SLICE: Duration = Duration::from_micros(500);
/// How long a thread that ends waits for a free slot of the recorder. Another holds it for microseconds, unless the kernel takes the processor
/// from it meanwhile.
const HAND_OVER_NS: u64 = 50_000_000;

/// How much of the buffer is to be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// As much as half a millisecond allows; the ticker asks again if something is left. All if the buffer is half full: what it has no
    /// room for is lost.
    Slice,
    /// All, unless the recorder has no slot free.
    Whole,
    /// All: the buffer's pointers are about to die, so what cannot be recorded now waits resolved.
    Emptied,
}

impl JsThread {
    /// Resolves the stack that the prologue hook took of a full collection.
    pub fn resolve_collection_stack(&mut self) {
        let mut frames = Vec::new();
        if let Some((header, raw)) = self.slot.gc_stack.peek() {
            self.builder.build(
                raw,
                header.kind,
                session::native_frames(),
                session::max_depth(),
                None,
                &mut frames,
            );
        }
        as_garbage_collection(&mut frames);
        self.stacks.collection = Some(frames);
    }

    /// Resolves and records what is in the buffer, then the idle time.
    pub fn drain(&mut self, extent: Extent) {
        let Some(recorder) = self.recorder() else {
            return;
        };
        let began = clock::own_cpu_ns();
        if session::is_main(self.slot) {
            // Other threads leave it to the ticker: see `refresh_images`.
            session::refresh_images();
        }
        let bounded = extent == Extent::Slice && self.slot.buffer.used() < buffer::CAPACITY / 2;
        let deadline = bounded.then(|| Instant::now() + SLICE);
        let mut free = self.flush_backlog(&recorder);
        let mut unfinished = false;
        while free || extent == Extent::Emptied {
            let slot = self.slot;
            let Some((header, raw)) = slot.buffer.peek() else {
                break;
            };
            unfinished = !self.resolve(&header, raw, deadline);
            if unfinished {
                break;
            }
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
            self.stacks.last_labels = self.label_set(header.labels);
            free = self.put_last(&recorder, free, values);
            self.slot.buffer.consume();
        }
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
        if unfinished {
            let count = &statistics::shared().unfinished_resolves;
            count.fetch_add(1, Relaxed);
        } else {
            self.slot.drains.fetch_add(1, Release);
        }
        statistics::shared()
            .resolve_time
            .record(clock::own_cpu_ns().saturating_sub(began));
    }

    /// The thread ends: everything it has goes to the recorder. If no slot is free it waits a little, at its own cost and for the
    /// only time; what is still left then is counted.
    pub(super) fn hand_over(&mut self) {
        let until = clock::monotonic_ns() + HAND_OVER_NS;
        self.drain(Extent::Emptied);
        while !self.stacks.backlog.is_empty() || self.slot.account.idle_ns() > 0 {
            if clock::monotonic_ns() > until {
                break;
            }
            std::thread::sleep(std::time::Duration::from_micros(50));
            self.drain(Extent::Emptied);
        }
        if let Some(recorder) = self.recorder() {
            recorder.note_dropped(self.stacks.backlog.len() as u64);
        }
        self.stacks.backlog.clear();
        self.slot.backlog.store(0, Relaxed);
    }

    /// Resolves a record into `stacks.frames`; false if it was not done by `deadline`.
    fn resolve(
        &mut self,
        header: &RecordHeader,
        raw: &[RawFrame],
        deadline: Option<Instant>,
    ) -> bool {
        if header.kind == RecordKind::FullCollection {
            self.stacks.frames.clear();
            if let Some(stack) = &self.stacks.collection {
                self.stacks.frames.extend_from_slice(stack);
            }
            return true;
        }
        let in_collection = header.kind == RecordKind::GarbageCollection;
        let kind = if in_collection {
            header.cause
        } else {
            header.kind
        };
        let done = self.builder.build(
            raw,
            kind,
            session::native_frames(),
            session::max_depth(),
            deadline,
            &mut self.stacks.frames,
        );
        if in_collection && done {
            as_garbage_collection(&mut self.stacks.frames);
        }
        done
    }

    /// The set with this number, as it was when the sample was taken: that is a tenth of a second ago at most, unless the thread was blocked.
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
