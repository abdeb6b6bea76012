//! What only tests may see and do: failpoints, and the insides of this process. Compiled with the feature `failpoints` alone;
//! the published binary has none of it, and a test checks that.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{
    AtomicI64,
    Ordering::{Acquire, Relaxed},
};

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use pronghorn_recorder::Inspection;
use pronghorn_sampler::{handler_is_installed, observed, session, signal, slot, thread, ticker};
use pronghorn_sync::mapping::{live_bytes, live_mappings};
use pronghorn_sync::{failpoint, fork};

use crate::error::{Code, Failure, Result};
use crate::termination;

/// The system's allocator, which counts what is alive: a leak per fork would show.
struct Counting;

// Fork: kept; what the parent allocated is as alive in the child.
static ALLOCATED: AtomicI64 = AtomicI64::new(0);

// SAFETY: everything is passed on to the system's allocator; counting has no effect on it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as i64, Relaxed);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

// Fork: kept; it is a function.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn unknown<T>(_: T) -> napi::Error<Code> {
    Failure::new(Code::InvalidOption, "there is no failpoint of that name").into()
}

/// The names that can be armed.
#[napi]
pub fn failpoint_names() -> Vec<String> {
    failpoint::NAMES.map(str::to_owned).to_vec()
}

/// The next thread that comes to the place is held there.
#[napi]
pub fn failpoint_hold(name: String) -> Result<()> {
    failpoint::control::arm_hold(&name).map_err(unknown)
}

/// Whether a thread is held there.
#[napi]
pub fn failpoint_is_held(name: String) -> Result<bool> {
    failpoint::control::is_held(&name).map_err(unknown)
}

/// Lets it go.
#[napi]
pub fn failpoint_release(name: String) -> Result<()> {
    failpoint::control::release(&name).map_err(unknown)
}

/// The next thread that comes to the place calls the function at this address, an `extern "C" fn()` of the fork fixture.
#[napi]
pub fn failpoint_call(name: String, address: BigInt) -> Result<()> {
    let (_, address, _) = address.get_u64();
    if address == 0 {
        return Err(Failure::new(Code::InvalidOption, "no function has the address 0").into());
    }
    // SAFETY: the test hands over the address of such a function, which stays loaded.
    let function = unsafe { std::mem::transmute::<usize, extern "C" fn()>(address as usize) };
    failpoint::control::arm_call(&name, function).map_err(unknown)
}

/// Whether that call is still to come.
#[napi]
pub fn failpoint_is_call_armed(name: String) -> Result<bool> {
    failpoint::control::is_call_armed(&name).map_err(unknown)
}

/// Lets everybody go and arms nothing.
#[napi]
pub fn failpoint_disarm_all() {
    failpoint::control::disarm_all();
}

/// How many held threads nobody released in time.
#[napi]
pub fn failpoint_gave_up() -> u32 {
    failpoint::control::gave_up()
}

/// One thread's slot.
#[napi(object)]
pub struct SlotInside {
    /// Its place in the table.
    pub index: u32,
    /// Kernel thread id; 0 if the slot is free.
    pub thread_id: i32,
    /// Whether the handler may sample it.
    pub armed: bool,
    /// Whether somebody is at work on it.
    pub busy: bool,
    /// Whether its signal is under way.
    pub pending: bool,
    /// Whether its hooks are registered; false for another thread's.
    pub hooked: bool,
    /// Samples that wait in its buffer.
    pub buffered: u32,
}

/// The recorder.
#[napi(object)]
pub struct RecorderInside {
    /// Which slots are locked.
    pub locked: Vec<bool>,
    /// Samples in each slot; -1 if somebody is inside.
    pub samples: Vec<f64>,
    /// When each slot's period began, in nanoseconds since the epoch; 0 if somebody is inside.
    pub start_nanos: Vec<BigInt>,
    /// Whether a rotation is in progress.
    pub rotating: bool,
    /// The slot that is active; -1 during a rotation.
    pub active: i32,
    /// Samples counted since it was made.
    pub recorded: f64,
    /// Periods serialized since it was made.
    pub serializations: f64,
}

impl From<Inspection> for RecorderInside {
    fn from(inspection: Inspection) -> Self {
        let slots = &inspection.slots;
        Self {
            locked: inspection.locked.to_vec(),
            samples: slots
                .iter()
                .map(|slot| slot.as_ref().map_or(-1.0, |slot| slot.samples as f64))
                .collect(),
            start_nanos: slots
                .iter()
                .map(|slot| {
                    let start = slot.as_ref().map(|slot| slot.start.nanos_since_epoch());
                    BigInt::from(start.unwrap_or(0))
                })
                .collect(),
            rotating: inspection.rotating,
            active: inspection.active.map_or(-1, |slot| slot as i32),
            recorded: inspection.statistics.recorded as f64,
            serializations: inspection.statistics.serializations as f64,
        }
    }
}

/// How often each was entered since the process began.
#[napi(object)]
#[allow(missing_docs, reason = "see pronghorn_sampler::observed::Entry")]
pub struct Entries {
    pub handler: f64,
    pub collection: f64,
    pub poll: f64,
    pub call: f64,
    pub interrupt: f64,
}

/// The insides of this process.
#[napi(object)]
pub struct Inside {
    /// Whether the gate is open.
    pub running: bool,
    /// Whether this process was forked off and has not been reset.
    pub forked: bool,
    /// The number of the session.
    pub session: f64,
    /// The sampling signal.
    pub signal: i32,
    /// Whether our handler is installed for it.
    pub handler_installed: bool,
    /// Whether the handlers of faults are.
    pub fault_handlers_installed: bool,
    /// Signals that carry the handler of `register`.
    pub termination_signals: Vec<i32>,
    /// The ticker's thread id; 0 without a ticker.
    pub ticker_thread_id: i32,
    /// Whether somebody holds the lock of registration.
    pub registration_locked: bool,
    /// The recorder, if there is one.
    pub recorder: Option<RecorderInside>,
    /// The slots of all threads.
    pub slots: Vec<SlotInside>,
    /// Entries of hooks and handlers.
    pub entries: Entries,
    /// Bytes that this addon has allocated and not freed.
    pub live_bytes: f64,
    /// Mappings of the addon's own.
    pub mappings: u32,
    /// Their bytes.
    pub mapped_bytes: f64,
}

/// Looks at all of it. Takes no lock in a forked process that has not been reset.
#[napi]
pub fn inspect() -> Inside {
    let own = thread::current().map(|(index, _)| index);
    let slots = slot::all()
        .map(|(index, slot)| SlotInside {
            index: index as u32,
            thread_id: slot.tid.load(Relaxed),
            armed: slot.armed.load(Acquire),
            busy: slot.busy.load(Relaxed),
            pending: slot.is_pending(),
            hooked: own == Some(index) && thread::is_hooked(slot),
            buffered: slot.buffer.records(),
        })
        .collect();
    let recorder = (!fork::forked()).then(session::recorder).flatten();
    let [handler, collection, poll, call, interrupt] = observed::counts().map(|count| count as f64);
    Inside {
        running: session::is_running(),
        forked: fork::forked(),
        session: session::session() as f64,
        signal: signal::number(),
        handler_installed: handler_is_installed(),
        fault_handlers_installed: pronghorn_sampler::fault_handlers_are_installed(),
        termination_signals: termination::armed_signals(),
        ticker_thread_id: ticker::thread_id(),
        registration_locked: slot::is_registration_locked(),
        recorder: recorder.map(|recorder| RecorderInside::from(recorder.inspect())),
        slots,
        entries: Entries {
            handler,
            collection,
            poll,
            call,
            interrupt,
        },
        live_bytes: ALLOCATED.load(Relaxed) as f64,
        mappings: live_mappings() as u32,
        mapped_bytes: live_bytes() as f64,
    }
}
