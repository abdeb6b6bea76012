//! One JavaScript thread as the sampler knows it: its registration, its hooks, and what it does at its safe points.
//!
//! Threads: a `JsThread` belongs to its thread and is reached through its slot by that thread alone; every use holds
//! the slot's `busy`, so uses do not nest and the handler stays out. Our own threads reach a JavaScript thread only
//! through the registration lock and V8's RequestInterrupt (`interrupt::request_drain`).
//!
//! Safe points: before the loop polls, at a garbage collection's ends, at an interrupt, at a rotation or stop that this
//! thread asks for, and at the environment's end. There raw frames become stacks and go to the recorder; if no slot of
//! the recorder is free they stay in the buffer for the next safe point, or, where their pointers are about to die, as
//! stacks in the backlog, resolved or kept (`thread/drain.rs`).
//!
//! Fork: the forking thread's record goes on in the child, since nobody else ever touched it: its isolate, its hooks and what it
//! knows of V8's heap are the same. What it holds of samples is not. The records of other threads are abandoned.

mod drain;
mod from_outside;
mod handles;
mod interrupted;
mod registration;
mod stacks;

use std::ffi::c_void;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use pronghorn_recorder::ThreadLabel;

use crate::account::Share;
use crate::event_loop::LoopHook;
use crate::host::{Host, IsolatePtr};
use crate::slot::{self, ThreadSlot, WalkContext};
use crate::stack::StackBuilder;
use crate::{clock, gc, handler, labels, registers, session, signal, stall};
use pronghorn_sync::own_tid;
use pronghorn_v8::{CodeRanges, Layout, Resolver};
use stacks::Stacks;

pub use drain::{Extent, FIRST_SLICE, SLICE, timed};
pub use from_outside::{left_behind, record_idle_of_poller};
pub use interrupted::on_interrupt;
pub use registration::{RegisterError, register, rename};

/// See the module documentation.
pub struct JsThread {
    slot: &'static ThreadSlot,
    label: ThreadLabel,
    isolate: IsolatePtr,
    host: &'static Host,
    hook: LoopHook,
    hooked: bool,
    builder: StackBuilder,
    stacks: Stacks,
    /// A rotation has had its first slice in this turn of the loop, and left something.
    had_first_slice: bool,
}

/// Runs `work` on the slot's thread record. The caller is that thread and holds the slot's `busy`.
pub fn with<R>(slot: &ThreadSlot, work: impl FnOnce(&mut JsThread) -> R) -> Option<R> {
    let thread = slot.thread.load(Acquire);
    if thread.is_null() {
        return None;
    }
    // SAFETY: set by `register` on this thread, taken back by `leave` on this thread; `busy` keeps uses from nesting.
    Some(work(unsafe { &mut *thread }))
}

/// Whether the hooks of the slot, the calling thread's, are registered.
#[cfg(feature = "failpoints")]
pub fn is_hooked(slot: &ThreadSlot) -> bool {
    slot.work()
        .and_then(|_busy| with(slot, |thread| thread.hooked))
        .unwrap_or(false)
}

/// The slot of the calling thread, if it is registered.
pub fn current() -> Option<(usize, &'static ThreadSlot)> {
    slot::of_thread(own_tid())
}

/// Brings the calling thread's account up to now: a last sample of where it stands, and resolves as much as `extent` says. False if something is
/// left that this had no time for.
pub fn settle(slot: &ThreadSlot, extent: Extent) -> bool {
    {
        let Some(_busy) = slot.work_in_session() else {
            return true;
        };
        let Some(context) = slot.context() else {
            return true;
        };
        take_here(slot, context);
        slot.safe_points.fetch_add(1, Relaxed);
    }
    let drain = || {
        with(slot, |thread| {
            let has_all = thread.drain(extent);
            thread.had_first_slice = !has_all && extent == Extent::Slice(FIRST_SLICE);
            has_all
        })
    };
    timed(slot, ThreadSlot::work_in_session, drain)
        .flatten()
        .unwrap_or(true)
}

/// After a stop: goes on with what the calling thread has kept. False if something is left that this had no time for.
pub fn go_on(slot: &ThreadSlot, extent: Extent) -> bool {
    let drain = || with(slot, |thread| thread.drain(extent));
    timed(slot, ThreadSlot::work, drain)
        .flatten()
        .unwrap_or(true)
}

/// A sample of where the calling thread stands. The caller holds the slot's `busy`.
fn take_here(slot: &ThreadSlot, context: &WalkContext) {
    let may_walk = handler::may_read_heap(slot);
    let clocks = (clock::monotonic_ns(), clock::own_cpu_ns());
    let here = handler::Start {
        registers: registers::here(),
        leaf: None,
    };
    handler::take(slot, context, &here, may_walk, clocks, Share::All);
}

fn slot_data(slot: &'static ThreadSlot) -> *mut c_void {
    std::ptr::from_ref(slot).cast_mut().cast()
}

impl JsThread {
    /// The thread's label in profiles.
    pub fn label(&self) -> &ThreadLabel {
        &self.label
    }

    /// What resolves this thread's frames.
    pub fn builder(&mut self) -> &mut StackBuilder {
        &mut self.builder
    }

    /// For a start: a builder for this layout and these ranges, without anything of an earlier session but the functions. They
    /// are what a forked process must not make anew: its parent's slots, abandoned, still refer to these, so with each
    /// generation another set of all functions of the program would be left behind.
    pub fn renew_builder(&mut self, layout: Layout, ranges: CodeRanges) {
        let source_maps = session::source_maps();
        if self.builder.resolver.is_for(&layout, &ranges, source_maps) {
            self.builder.resolver.renew();
        } else {
            self.builder = StackBuilder::new(Resolver::new(layout, ranges, source_maps));
        }
    }

    /// In a forked process: what of this goes on, as thread `tid`.
    fn reset_after_fork(&mut self, tid: i32) {
        let Self {
            slot: _,
            label,
            isolate: _,
            host: _,
            hook: _,
            hooked: _,
            builder: _,
            stacks,
            had_first_slice,
        } = self;
        label.id = tid as u32;
        stacks.reset_after_fork();
        *had_first_slice = false;
        self.let_go_of_scripts();
    }

    /// Forgets the last session's stacks, for a start.
    pub fn begin_session(&mut self) {
        self.stacks.begin_session();
        self.had_first_slice = false;
        self.let_go_of_scripts();
        self.slot.backlog.store(0, Relaxed);
        self.slot.kept.store(0, Relaxed);
    }

    /// Switches the hooks on: garbage collections and the event loop.
    pub fn hook(&mut self) {
        if self.hooked {
            return;
        }
        self.hooked = true;
        let data = slot_data(self.slot);
        // SAFETY: on the isolate's thread; the slot lives for ever, and `unhook` runs before the isolate ends.
        unsafe {
            (self.host.add_gc_prologue)(self.isolate, gc::on_prologue, data, gc::TYPES);
            (self.host.add_gc_epilogue)(self.isolate, gc::on_epilogue, data, gc::TYPES);
        }
        self.hook.start();
    }

    /// A slice before the poll; none in the turn in which a rotation has had its first: its call alone takes as long as both may.
    pub fn drain_before_poll(&mut self) {
        if std::mem::take(&mut self.had_first_slice) && self.slot.unfinished.load(Relaxed) {
            return;
        }
        self.drain(Extent::Slice(SLICE));
    }

    /// Whether this thread's loop is to come round without sleeping.
    pub fn keep_awake(&self, awake: bool) {
        self.hook.keep_awake(awake);
    }

    /// Switches the hooks off.
    pub fn unhook(&mut self) {
        if !self.hooked {
            return;
        }
        self.hooked = false;
        let data = slot_data(self.slot);
        // SAFETY: on the isolate's thread, with what `hook` registered.
        unsafe {
            (self.host.remove_gc_prologue)(self.isolate, gc::on_prologue, data);
            (self.host.remove_gc_epilogue)(self.isolate, gc::on_epilogue, data);
        }
        self.hook.stop();
    }

    /// Pointers into V8's heap are no longer good: a full collection comes. Scripts whose lines kept stacks need are held.
    fn forget_pointers(&mut self) {
        let (host, isolate) = (self.host, self.isolate);
        let mut hold = |tagged| handles::hold(host, isolate, tagged);
        self.builder.resolver.forget_pointers(&mut hold);
    }

    /// No kept stack needs a script.
    fn let_go_of_scripts(&mut self) {
        let host = self.host;
        let mut dispose = |handle| handles::dispose(host, handle);
        self.builder.resolver.let_go(&mut dispose);
    }
}

/// Lets the calling thread take part in the session under way, from `now` (monotonic) and `cpu` (its CPU clock) on: a fresh
/// account and an empty buffer, hooks and handler on. A signal that is still under way stays counted as such.
pub fn begin(slot: &'static ThreadSlot, now: u64, cpu: u64) {
    slot.armed.store(false, Release);
    slot.buffer.clear();
    if !signal::is_pending_here() {
        // Either it has come by now, or somebody else's disposition swallowed it.
        slot.pending_since.store(0, Relaxed);
    }
    slot.ending.store(false, Relaxed);
    slot.alarm.store(0, Relaxed);
    slot.cpu_at_sample.store(0, Relaxed);
    slot.standing.restart();
    slot.gc_depth.store(0, Relaxed);
    slot.gc_samples.store(0, Relaxed);
    slot.gc_full.store(false, Relaxed);
    slot.unfinished.store(false, Relaxed);
    slot.whole_asked.store(false, Relaxed);
    slot.account.restart(now, cpu);
    stall::begin_first_turn(slot, now);
    labels::attach(slot);
    let hooked = slot.work().and_then(|_busy| {
        with(slot, |thread| {
            thread.begin_session();
            thread.hook();
        })
    });
    if hooked.is_none() {
        // Without its hooks pointers would outlive a collection. It can only be in the middle of its own end.
        return;
    }
    slot.session.store(session::session(), Relaxed);
    slot.armed.store(true, Release);
}

/// In a forked process, step one: takes the calling thread's hooks off. What is left, until [`end_watch`] or a start, is the look whether
/// a reset is due: an attempt that fails, whoever made it, has to be made again.
pub(crate) fn hooks_off(slot: &ThreadSlot) {
    // The fork may have happened inside one of our hooks, which then goes on in the child; it is over by now, since this is called
    // from JavaScript.
    slot.busy.store(false, Release);
    slot.armed.store(false, Release);
    if let Some(_busy) = slot.work() {
        with(slot, |thread| {
            thread.unhook();
            thread.hook.watch();
        });
    }
}

/// While the profiler is off: the calling thread's loop looks before each poll whether this is a forked process, until [`end_watch`] or a
/// start.
pub(crate) fn watch(slot: &ThreadSlot) {
    if let Some(_busy) = slot.work() {
        with(slot, |thread| {
            if !thread.hooked {
                thread.hook.watch();
            }
        });
    }
}

/// While the profiler is off, also in a forked process in which nothing shall be started: the calling thread's loop does not look any more.
pub(crate) fn end_watch(slot: &ThreadSlot) {
    if let Some(_busy) = slot.work() {
        with(slot, |thread| {
            if !thread.hooked {
                thread.hook.stop();
            }
        });
    }
}

/// In a forked process, step two: the calling thread's record, whose slot is `slot`, gets its new id and forgets its samples.
pub(crate) fn reset_after_fork(slot: &ThreadSlot, tid: i32) {
    with(slot, |thread| thread.reset_after_fork(tid));
}
