//! The gate, and what all parts of the sampler share while it is open.
//!
//! Threads: read by handlers, hooks and safe points of every JavaScript thread, the ticker and rotating threads; written by `collector.rs`, on the
//! controlling thread, but for two words: the image list, which whoever symbolizes or ticks brings up to date, and `running`, which anybody clears whose work has failed, and
//! the watcher of signals at the end of the program. `running` is the gate: it is set last on start and cleared first
//! on stop, and every hook and handler looks at it before anything else, once its slot is marked as busy. The recorder's lock is held for a clone of an `Arc`.
//!
//! Orderings: closing the gate and looking at it are sequentially consistent with the slots' `busy`, see `slot.rs`. Opening it needs release alone: whoever sees it
//! open sees what was written before, and whoever does not see it yet only comes later. The image list is published with
//! release and read with acquire; the rest is written before the gate opens.
//!
//! Fork: the gate is closed in a process that was forked off and has not been reset ([`fork::forked`]), whatever the
//! word says. The reset puts a closed one in place, with the next session's number, so that nothing of the parent's
//! sessions fits. The recorder object goes on; its own reset empties it.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

use pronghorn_native::ImageList;
use pronghorn_recorder::Recorder;
use pronghorn_sync::{Alone, Guarded, Resettable, fork};
use pronghorn_v8::{Layout, Version};

use crate::host;
use crate::slot::ThreadSlot;
use crate::stack::NativeFrames;

/// What a start found, kept for `capabilities` and for threads that join later.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) version: Version,
    pub(crate) layout: Layout,
}

/// What the settings of a session are, as handlers need them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) max_depth: usize,
    pub(crate) native_frames: NativeFrames,
    pub(crate) interval_ns: u64,
    /// Whether worker threads are profiled too.
    pub(crate) all_threads: bool,
    /// Whether functions say what leads to their originals.
    pub(crate) source_maps: bool,
}

struct State {
    running: AtomicBool,
    number: AtomicU64,
    max_depth: AtomicUsize,
    native_frames: AtomicU8,
    interval_ns: AtomicU64,
    all_threads: AtomicBool,
    source_maps: AtomicBool,
    /// The slot of the thread that starts and stops.
    main: AtomicPtr<ThreadSlot>,
    images: AtomicPtr<ImageList>,
    recorder: Guarded<Option<Arc<Recorder>>>,
    /// The same recorder, for the controlling thread alone: a child finds it without the lock.
    own_recorder: AtomicPtr<Recorder>,
    found: Guarded<Option<Found>>,
}

impl State {
    const fn new() -> Self {
        Self {
            running: AtomicBool::new(false),
            number: AtomicU64::new(0),
            max_depth: AtomicUsize::new(0),
            native_frames: AtomicU8::new(0),
            interval_ns: AtomicU64::new(0),
            all_threads: AtomicBool::new(false),
            source_maps: AtomicBool::new(false),
            main: AtomicPtr::new(std::ptr::null_mut()),
            images: AtomicPtr::new(std::ptr::null_mut()),
            recorder: Guarded::new(None),
            own_recorder: AtomicPtr::new(std::ptr::null_mut()),
            found: Guarded::new(None),
        }
    }

    /// What a child starts with.
    fn inherited(&self) -> Self {
        let Self {
            running: _,
            number,
            max_depth: _,
            native_frames: _,
            interval_ns: _,
            all_threads: _,
            source_maps: _,
            main,
            images,
            recorder: _,
            own_recorder,
            found: _,
        } = self;
        let recorder = own_recorder.load(Relaxed);
        // SAFETY: null or what `keep` took from an `Arc` of its own, which is alive until the next `keep`.
        let kept = (!recorder.is_null()).then(|| unsafe {
            Arc::increment_strong_count(recorder);
            Arc::from_raw(recorder)
        });
        Self {
            number: AtomicU64::new(number.load(Relaxed) + 1),
            recorder: Guarded::new(kept),
            own_recorder: AtomicPtr::new(recorder),
            main: AtomicPtr::new(main.load(Relaxed)),
            // The same images are mapped, and the list is never written to.
            images: AtomicPtr::new(images.load(Relaxed)),
            ..Self::new()
        }
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// Whether sampling is on. Async-signal-safe.
pub fn is_running() -> bool {
    let state = STATE.get();
    state.running.load(SeqCst) && !fork::forked()
}

/// Opens the gate.
pub(crate) fn open() {
    STATE.get().running.store(true, Release);
}

/// Closes the gate. From any thread, and safe to repeat; hooks stay and do nothing.
pub fn disarm() {
    STATE.get().running.store(false, SeqCst);
}

/// The number of the session under way; each start, and each fork, has its own.
pub fn session() -> u64 {
    STATE.get().number.load(Acquire)
}

/// Begins the next session: what belongs to an earlier one no longer fits.
pub(crate) fn begin(recorder: Arc<Recorder>) {
    let state = STATE.get();
    keep(state, Some(&recorder));
    state.recorder.lock().with(|place| *place = Some(recorder));
    state.number.fetch_add(1, Release);
}

/// The settings of the session that is about to begin.
pub(crate) fn set(settings: Settings) {
    let Settings {
        max_depth,
        native_frames,
        interval_ns,
        all_threads,
        source_maps,
    } = settings;
    let state = STATE.get();
    state.max_depth.store(max_depth, Relaxed);
    state.native_frames.store(native_frames as u8, Relaxed);
    state.interval_ns.store(interval_ns, Relaxed);
    state.all_threads.store(all_threads, Relaxed);
    state.source_maps.store(source_maps, Relaxed);
}

/// Frames a stack has at most. Async-signal-safe.
pub fn max_depth() -> usize {
    STATE.get().max_depth.load(Relaxed)
}

/// Which native frames stacks show.
pub fn native_frames() -> NativeFrames {
    match STATE.get().native_frames.load(Relaxed) {
        0 => NativeFrames::None,
        1 => NativeFrames::Leaf,
        _ => NativeFrames::All,
    }
}

/// Whether functions say what leads to their originals.
pub(crate) fn source_maps() -> bool {
    STATE.get().source_maps.load(Relaxed)
}

/// Nanoseconds between two samples of a thread.
pub(crate) fn interval_ns() -> u64 {
    STATE.get().interval_ns.load(Relaxed)
}

/// Whether worker threads are profiled too.
pub(crate) fn all_threads() -> bool {
    STATE.get().all_threads.load(Relaxed)
}

/// Whether the slot's thread is one that the session under way is about.
pub(crate) fn is_about(slot: &ThreadSlot) -> bool {
    all_threads() || is_main(slot)
}

/// Remembers which thread controls the profiler.
pub(crate) fn set_main(slot: &'static ThreadSlot) {
    STATE
        .get()
        .main
        .store(std::ptr::from_ref(slot).cast_mut(), Relaxed);
}

/// Whether the slot is that of the thread that controls the profiler: of its last start, also in a forked process.
pub fn is_main(slot: &ThreadSlot) -> bool {
    std::ptr::eq(STATE.get().main.load(Relaxed), slot)
}

/// Whether there was a start, in this process or the one that it was forked off.
pub fn has_main() -> bool {
    !STATE.get().main.load(Relaxed).is_null()
}

/// The recorder of the session under way.
pub fn recorder() -> Option<Arc<Recorder>> {
    STATE.get().recorder.lock().with(|place| place.clone())
}

/// Lets go of the session's recorder: nothing is recorded any more. Whoever makes the last flush, or none is made, gives its memory
/// back ([`Recorder::give_back`]).
pub fn release_recorder() {
    let state = STATE.get();
    keep(state, None);
    state.recorder.lock().with(|place| *place = None);
}

/// Controlling thread only.
fn keep(state: &State, recorder: Option<&Arc<Recorder>>) {
    let pointer = recorder.map_or(std::ptr::null(), |recorder| {
        Arc::into_raw(Arc::clone(recorder))
    });
    let before = state.own_recorder.swap(pointer.cast_mut(), Relaxed);
    if !before.is_null() {
        // SAFETY: stored here, from `Arc::into_raw`; taken back once.
        drop(unsafe { Arc::from_raw(before) });
    }
}

/// What the last start found; `None` before the first.
pub(crate) fn found() -> Option<Found> {
    STATE.get().found.lock().with(|place| *place)
}

pub(crate) fn set_found(found: Found) {
    STATE.get().found.lock().with(|place| *place = Some(found));
}

/// The images of the process, as of the last look. Async-signal-safe.
pub fn images() -> *const ImageList {
    STATE.get().images.load(Acquire)
}

/// Whether the address lies in the image of the host's own functions. On the main thread; asks the dynamic linker only if nothing has
/// been started yet, in this process or the one that it was forked off.
pub fn is_hosts(address: usize) -> bool {
    let Ok(host) = host::get() else {
        return false;
    };
    if images().is_null() {
        refresh_images();
    }
    let images = images();
    // SAFETY: null, or a list, and those are never freed.
    let Some(images) = (unsafe { images.as_ref() }) else {
        return false;
    };
    let own = images.find(host.uv_close as usize as u64);
    own.is_some_and(|own| {
        images
            .find(address as u64)
            .is_some_and(|image| std::ptr::eq(image, own))
    })
}

/// Whether no image holds the address: it lies in code that V8 has compiled. Async-signal-safe.
pub(crate) fn is_in_no_image(address: u64) -> bool {
    let images = images();
    // SAFETY: null, or a list, and those are never freed.
    unsafe { images.as_ref() }.is_some_and(|images| images.find(address).is_none())
}

/// Looks again if an image was loaded or unloaded since. Old lists are kept: a handler may be reading one.
///
/// Takes the dynamic linker's lock for a moment, which glibc 2.36 does not make anew in a child: on the main JavaScript thread only. Others, which a fork may leave
/// behind, call [`refresh_images_inside`] or [`refresh_images_beside`].
pub fn refresh_images() {
    let known = images();
    // SAFETY: lists are never freed.
    if known.is_null() || unsafe { (*known).has_changed() } {
        let fresh = Box::leak(Box::new(ImageList::snapshot()));
        STATE.get().images.store(fresh, Release);
    }
}

/// The same on another thread, inside its section. Leaves the lock alone while a fork is under way, which waits for this thread or has given that up: its
/// child would find the lock taken for ever. Then it returns false, and the thread comes back later.
#[must_use]
pub fn refresh_images_inside(_section: &fork::Section) -> bool {
    if fork::is_under_way() {
        return false;
    }
    refresh_images();
    true
}

/// The same on another thread that can wait until no fork is under way; not inside a section.
pub fn refresh_images_beside() {
    // To enter is to wait for it.
    while !refresh_images_inside(&fork::enter()) {}
}

/// In a forked process, step two: a closed gate and nothing of the parent's session but the recorder object, whose own reset comes
/// next.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_leaves_the_images_and_the_next_number_of_what_was_set() {
        let State {
            running,
            number,
            max_depth,
            native_frames,
            interval_ns,
            all_threads,
            source_maps,
            main,
            images,
            recorder,
            own_recorder,
            found,
        } = {
            let state = State::new();
            state.running.store(true, Relaxed);
            state.number.store(7, Relaxed);
            state.max_depth.store(9, Relaxed);
            state.native_frames.store(2, Relaxed);
            state.interval_ns.store(5, Relaxed);
            state.all_threads.store(true, Relaxed);
            state.source_maps.store(true, Relaxed);
            state.main.store(std::ptr::dangling_mut(), Relaxed);
            state.images.store(std::ptr::dangling_mut(), Relaxed);
            let made = Recorder::new(pronghorn_recorder::ProfileTime::now());
            keep(&state, Some(&made));
            state.recorder.lock().with(|place| *place = Some(made));
            // Held by a thread that is gone.
            std::mem::forget(state.recorder.lock());
            std::mem::forget(state.found.lock());
            state.inherited()
        };
        assert!(!running.load(Relaxed));
        assert_eq!(number.load(Relaxed), 8);
        assert_eq!(max_depth.load(Relaxed), 0);
        assert_eq!(native_frames.load(Relaxed), 0);
        assert_eq!(interval_ns.load(Relaxed), 0);
        assert!(!all_threads.load(Relaxed));
        assert!(!source_maps.load(Relaxed));
        assert!(!main.load(Relaxed).is_null());
        assert!(!images.load(Relaxed).is_null());
        assert!(recorder.lock().with(|place| place.is_some()));
        assert!(!own_recorder.load(Relaxed).is_null());
        assert!(found.lock().with(|place| place.is_none()));
    }
}
