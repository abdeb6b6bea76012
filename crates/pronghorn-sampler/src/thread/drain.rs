//! From a thread's buffer to the recorder: what happens at its safe points.
//!
//! On the JavaScript thread itself, under the slot's `busy`. Nothing waits: what the recorder cannot take now stays in the
//! buffer, or resolved in the backlog if its pointers are about to die.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

use pronghorn_recorder::{Frame, LabelSet, Marker, RecordError, Recorder, Sample, Values};

use super::JsThread;
use crate::buffer::RecordKind;
use crate::stack::as_garbage_collection;
use crate::statistics::SlotCounters;
use crate::{clock, labels, session, statistics};

/// Resolved samples that are kept while no slot of the recorder is free; beyond it they are counted as dropped.
const BACKLOG: usize = 8192;
/// How long a thread that ends waits for a free slot of the recorder. One is free but for microseconds at a flip.
const HAND_OVER_NS: u64 = 5_000_000;

impl JsThread {
    /// Resolves the stack that the prologue hook took, unless that was done.
    pub fn resolve_collection_stack(&mut self) {
        if self.stacks.collection.is_some() {
            return;
        }
        let mut frames = Vec::new();
        if let Some((header, raw)) = self.slot.gc_stack.peek() {
            self.builder.build(
                raw,
                header.kind,
                session::native_frames(),
                session::max_depth(),
                &mut frames,
            );
        }
        as_garbage_collection(&mut frames);
        self.stacks.collection = Some(frames);
    }

    /// Resolves and records what is in the buffer, then the idle time. `must_empty`: the buffer's pointers are about to
    /// die, so what cannot be recorded now waits resolved.
    pub fn drain(&mut self, must_empty: bool) {
        let Some(recorder) = self.recorder() else {
            return;
        };
        let began = clock::monotonic_ns();
        if session::is_main(self.slot) {
            // Other threads leave it to the ticker: see `refresh_images`.
            session::refresh_images();
        }
        let mut free = self.flush_backlog(&recorder);
        while free || must_empty {
            let slot = self.slot;
            let Some((header, raw)) = slot.buffer.peek() else {
                break;
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
                let stack = std::mem::take(&mut self.stacks.last);
                let set = self.stacks.last_labels.take();
                free = self.put(&recorder, free, still, stack, set);
            }
            self.resolve(header.kind, raw);
            self.stacks.last.clone_from(&self.stacks.frames);
            let set = self.label_set(header.labels);
            self.stacks.last_labels.clone_from(&set);
            let stack = std::mem::take(&mut self.stacks.frames);
            free = self.put(&recorder, free, values, stack, set);
            self.slot.buffer.consume();
        }
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
        self.slot.drains.fetch_add(1, Release);
        statistics::shared()
            .resolve_time
            .record(clock::monotonic_ns().saturating_sub(began));
    }

    /// The thread ends: everything it has goes to the recorder. If no slot is free it waits a little, at its own cost and for the
    /// only time; what is still left then is counted.
    pub(super) fn hand_over(&mut self) {
        let until = clock::monotonic_ns() + HAND_OVER_NS;
        self.drain(true);
        while !self.stacks.backlog.is_empty() || self.slot.account.idle_ns() > 0 {
            if clock::monotonic_ns() > until {
                break;
            }
            std::thread::sleep(std::time::Duration::from_micros(50));
            self.drain(true);
        }
        if let Some(recorder) = self.recorder() {
            recorder.note_dropped(self.stacks.backlog.len() as u64);
        }
        self.stacks.backlog.clear();
        self.slot.backlog.store(0, Relaxed);
    }

    fn resolve(&mut self, kind: RecordKind, raw: &[pronghorn_v8::RawFrame]) {
        if kind == RecordKind::GarbageCollection {
            self.resolve_collection_stack();
            self.stacks.frames.clear();
            if let Some(stack) = &self.stacks.collection {
                self.stacks.frames.extend_from_slice(stack);
            }
            return;
        }
        self.builder.build(
            raw,
            kind,
            session::native_frames(),
            session::max_depth(),
            &mut self.stacks.frames,
        );
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

    /// Records one stack, or keeps it in the backlog. Returns whether the recorder is still free. The vector comes back as
    /// scratch space.
    fn put(
        &mut self,
        recorder: &Recorder,
        free: bool,
        values: Values,
        stack: Vec<Frame>,
        labels: Option<Arc<LabelSet>>,
    ) -> bool {
        if free {
            let sample = Sample {
                thread: &self.label,
                frames: &stack,
                labels: labels.as_ref(),
                values,
            };
            match recorder.record([sample]) {
                Ok(()) => {
                    self.stacks.frames = stack;
                    return true;
                }
                Err(RecordError::SlotFull { .. }) => {
                    recorder.note_dropped(1);
                    return true;
                }
                Err(RecordError::NoSlotFree { .. }) => {}
            }
        }
        if self.stacks.backlog.len() < BACKLOG {
            self.stacks.backlog.push((values, stack, labels));
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
