//! Source maps for the profiles of this process: a thread loads them, rotations wait for it, but not for long.
//!
//! A rotation says which scripts it has. Those that nobody loads yet go into a queue; a thread of ours, which lives as long as there
//! is something in it, compares each with its file and parses what is new. The rotation takes the maps in its order as they come. After its deadline it
//! takes what is known already, and other scripts keep the places of their generated code; the thread goes on, so that the next rotation has the maps.
//!
//! Threads: `Maps` on the thread that serializes (that of `work_thread.rs`, the main thread at its end, the watcher of `termination.rs`), one at a time; the loader. They
//! share `STATE`, whose lock nobody holds while a file is read or a map is parsed.
//!
//! Fork: the loader does not exist in the child. The maps are files that are the same there, so they are kept, if nobody was at work on the table at that
//! instant; the queue is not. The loader is made with signals blocked, and not in a child in which a rotation of its parent's goes on. What the loader has open is closed in the child by `sync/descriptors.rs`.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use napi_derive::napi;
use pronghorn_recorder::{MappedScript, Original, Position};
use pronghorn_sampler::spawn::{self, BlockedSignals};
use pronghorn_sampler::{clock, failure};
use pronghorn_source_map::{Broken, Cache, Map, Script, load};
use pronghorn_sync::{Alone, Guarded, Resettable, failpoint};

use crate::fork::OwnProcess;

/// Bytes of parsed maps that are kept.
const MOST_BYTES: usize = 64 << 20;
/// Problems that wait to be told.
const MOST_NEWS: usize = 1_000;
/// Parsing recurses into sections.
const STACK: usize = 2 << 20;

/// How long a rotation waits for maps, in nanoseconds, whoever makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience(u64);

impl Patience {
    /// Off the main thread: nobody waits but the profile, and an exporter waits for its server five times as long.
    pub(crate) const OF_PROMISE: Self = Self(2_000_000_000);
    /// On the main thread, at the program's end: as long as it waits for a rotation that is under way.
    pub(crate) const ON_MAIN_THREAD: Self = Self(1_000_000_000);
    /// A signal ends the process, within 800 ms in all.
    pub(crate) const OF_WATCHER: Self = Self(300_000_000);

    /// As a start asks for it, if that is less.
    pub(crate) fn or_less(self, nanos: Option<f64>) -> Self {
        Self(nanos.map_or(self.0, |nanos| self.0.min(nanos as u64)))
    }
}

/// A map that cannot be used.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct SourceMapProblem {
    /// The script that names it.
    pub script: String,
    /// Its path or URL; `inline` if the script has it itself.
    pub map: String,
    /// Why not.
    pub reason: String,
}

#[derive(Default)]
struct Shared {
    cache: Option<Cache>,
    queue: VecDeque<Script>,
    /// What is in the queue, or in the loader's hands.
    pending: HashSet<Script>,
    /// Whether there is a loader.
    loading: bool,
    news: Vec<SourceMapProblem>,
}

/// Counters since the last start.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) loaded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) total_ns: AtomicU64,
    pub(crate) max_ns: AtomicU64,
}

impl Counters {
    const fn new() -> Self {
        Self {
            loaded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            late: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            total_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
        }
    }
}

struct State {
    /// Nothing until the first script with a map.
    shared: Guarded<Option<Shared>>,
    counters: Counters,
    /// Somebody who cannot wait waits for the rotation under way.
    hurry: AtomicBool,
}

impl State {
    const fn new() -> Self {
        Self {
            shared: Guarded::new(None),
            counters: Counters::new(),
            hurry: AtomicBool::new(false),
        }
    }

    /// What a child starts with: the maps, if nobody was at work on them.
    fn inherited(&self) -> Self {
        let Self {
            shared,
            counters: _,
            hurry: _,
        } = self;
        let known = shared
            .try_lock()
            .and_then(|mut guard| guard.with(Option::take));
        let kept = known.map(|shared| {
            let Shared {
                cache,
                queue: _,
                pending: _,
                loading: _,
                news: _,
            } = shared;
            Shared {
                cache,
                ..Shared::default()
            }
        });
        let fresh = Self::new();
        let bytes = kept
            .as_ref()
            .and_then(|shared| shared.cache.as_ref())
            .map_or(0, Cache::bytes);
        fresh.counters.bytes.store(bytes as u64, Relaxed);
        Self {
            shared: Guarded::new(kept),
            ..fresh
        }
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// In a forked process: what this file keeps.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

/// While it is true, a rotation waits for no map: the program ends, and its last profile has to wait for that rotation.
pub(crate) fn set_hurry(hurry: bool) {
    STATE.get().hurry.store(hurry, Relaxed);
}

/// A start: counts anew. Maps and what was told of them stay known.
pub(crate) fn begin_session() {
    let Counters {
        loaded,
        failed,
        late,
        bytes: _,
        total_ns,
        max_ns,
    } = counters();
    for counter in [loaded, failed, late, total_ns, max_ns] {
        counter.store(0, Relaxed);
    }
}

/// What was counted.
pub(crate) fn counters() -> &'static Counters {
    &STATE.get().counters
}

/// Takes the problems that nobody was told yet.
pub(crate) fn take_news() -> Vec<SourceMapProblem> {
    STATE.get().shared.lock().with(|place| {
        place
            .as_mut()
            .map(|shared| std::mem::take(&mut shared.news))
            .unwrap_or_default()
    })
}

fn with_shared<R>(work: impl FnOnce(&mut Shared) -> R) -> R {
    STATE
        .get()
        .shared
        .lock()
        .with(|place| work(place.get_or_insert_with(Shared::default)))
}

impl Shared {
    fn cache(&mut self) -> &mut Cache {
        self.cache.get_or_insert_with(|| Cache::new(MOST_BYTES))
    }
}

/// The maps of one rotation.
pub(crate) struct Maps {
    process: OwnProcess,
    patience: Patience,
    /// On the monotonic clock; runs from the first script.
    deadline_ns: u64,
    scripts: Vec<Script>,
    /// The map of the script that was asked after last, and that script's number.
    at_hand: Option<(usize, Arc<Map>)>,
}

impl Maps {
    pub(crate) fn new(process: OwnProcess, patience: Patience) -> Self {
        Self {
            process,
            patience,
            deadline_ns: 0,
            scripts: Vec::new(),
            at_hand: None,
        }
    }

    /// Has the maps of these scripts loaded.
    pub(crate) fn expect(&mut self, scripts: &[MappedScript<'_>]) {
        self.deadline_ns = clock::monotonic_ns().saturating_add(self.patience.0);
        self.scripts = scripts
            .iter()
            .map(|script| Script {
                file: Arc::from(script.file),
                url: Arc::clone(script.url),
                url_length: script.url_length,
            })
            .collect();
        failpoint!("making-thread");
        let blocked = BlockedSignals::all();
        // A handler of the host's may have forked just before: nothing is loaded there for a profile of the parent's.
        if !self.process.is_here() {
            return;
        }
        let begins = with_shared(|shared| {
            for script in &self.scripts {
                if shared.pending.insert(script.clone()) {
                    shared.queue.push_back(script.clone());
                }
            }
            !shared.queue.is_empty() && !std::mem::replace(&mut shared.loading, true)
        });
        let is_refused = begins && spawn::in_background("pronghorn-maps", STACK, load_all).is_err();
        drop(blocked);
        if is_refused {
            // Without a thread of its own it is done here, as far as there is time.
            load_until(self.deadline_ns);
        }
    }

    /// Whether the script's map is there, which is waited for. It is at hand until another is asked after.
    pub(crate) fn is_there(&mut self, script: usize) -> bool {
        let map = self.scripts.get(script).and_then(|known| self.wait(known));
        self.at_hand = map.map(|map| (script, map));
        self.at_hand.is_some()
    }

    /// The originals of places of the script whose map is at hand.
    pub(crate) fn originals(&self, script: usize, places: &[Position]) -> Vec<Option<Original>> {
        match &self.at_hand {
            Some((number, map)) if *number == script => {
                places.iter().map(|place| original(map, *place)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn wait(&self, script: &Script) -> Option<Arc<Map>> {
        let mut pause = Duration::from_micros(100);
        loop {
            self.process.check().ok()?;
            let is_late =
                clock::monotonic_ns() >= self.deadline_ns || STATE.get().hurry.load(Relaxed);
            let (is_pending, known) =
                with_shared(|shared| (shared.pending.contains(script), shared.cache().get(script)));
            match known {
                Some(known) if is_late || !is_pending => return known.map,
                None if is_late || !is_pending => {
                    counters().late.fetch_add(1, Relaxed);
                    return None;
                }
                _ => {}
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }
}

fn original(map: &Map, place: Position) -> Option<Original> {
    let found = map.original(place.line().checked_sub(1)?, place.column())?;
    Some(Original {
        file: found.file,
        line: found.line.saturating_add(1),
        name: found.name,
    })
}

/// The loader: until nothing is left.
fn load_all() {
    if failure::guarded("loading source maps", || load_until(u64::MAX)).is_none() {
        // The profiler is off. A later start shall not wait for what nobody loads.
        with_shared(|shared| {
            shared.queue.clear();
            shared.pending.clear();
            shared.loading = false;
        });
    }
}

/// Loads what is in the queue, until then on the monotonic clock.
fn load_until(deadline_ns: u64) {
    loop {
        let next = with_shared(|shared| {
            let next = (clock::monotonic_ns() < deadline_ns)
                .then(|| shared.queue.pop_front())
                .flatten();
            let known = next.as_ref().and_then(|script| shared.cache().get(script));
            shared.loading = next.is_some();
            next.map(|script| (script, known))
        });
        let Some((script, known)) = next else {
            return;
        };
        failpoint!("loading-map");
        let began = clock::own_cpu_ns();
        // An inline map cannot change, and so is not loaded twice.
        let is_settled = known
            .as_ref()
            .is_some_and(|known| known.stamp.is_none() && known.map.is_some());
        let loaded = if is_settled {
            None
        } else {
            load(&script, known.and_then(|known| known.stamp))
        };
        let took = clock::own_cpu_ns().saturating_sub(began);
        let state = STATE.get();
        let counters = &state.counters;
        counters.total_ns.fetch_add(took, Relaxed);
        with_shared(|shared| {
            shared.pending.remove(&script);
            let Some(loaded) = loaded else {
                return;
            };
            let is_good = loaded.outcome.is_ok();
            let news = shared.cache().put(&script, loaded);
            if is_good {
                counters.loaded.fetch_add(1, Relaxed);
                counters.max_ns.fetch_max(took, Relaxed);
            } else if let Some(Broken { map, reason }) = news {
                counters.failed.fetch_add(1, Relaxed);
                if shared.news.len() < MOST_NEWS {
                    shared.news.push(SourceMapProblem {
                        script: script.file.to_string(),
                        map,
                        reason,
                    });
                }
            }
            counters.bytes.store(shared.cache().bytes() as u64, Relaxed);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_leaves_the_maps_only_if_nobody_was_at_work_on_them() {
        let script = Script {
            file: Arc::from("/a.js"),
            url: Arc::from("data:,{"),
            url_length: 7,
        };
        let filled = || {
            let state = State::new();
            let mut cache = Cache::new(1_000);
            let loaded = load(&script, None).expect("an inline map");
            assert!(cache.put(&script, loaded).is_some());
            state.shared.lock().with(|place| {
                *place = Some(Shared {
                    cache: Some(cache),
                    queue: VecDeque::from([script.clone()]),
                    pending: HashSet::from([script.clone()]),
                    loading: true,
                    news: vec![SourceMapProblem {
                        script: String::new(),
                        map: String::new(),
                        reason: String::new(),
                    }],
                });
            });
            state.hurry.store(true, Relaxed);
            for counter in [&state.counters.loaded, &state.counters.late] {
                counter.store(7, Relaxed);
            }
            state
        };
        let State {
            shared,
            counters,
            hurry,
        } = filled().inherited();
        assert!(!hurry.load(Relaxed));
        let Counters {
            loaded,
            failed,
            late,
            bytes,
            total_ns,
            max_ns,
        } = counters;
        for counter in [loaded, failed, late, bytes, total_ns, max_ns] {
            assert_eq!(counter.load(Relaxed), 0);
        }
        let Shared {
            cache,
            queue,
            pending,
            loading,
            news,
        } = shared.lock().with(Option::take).expect("kept");
        assert!(cache.expect("kept").get(&script).is_some());
        assert!(queue.is_empty() && pending.is_empty() && news.is_empty() && !loading);

        let held = filled();
        // By a thread that is gone.
        std::mem::forget(held.shared.lock());
        let State {
            shared,
            counters: _,
            hurry: _,
        } = held.inherited();
        assert!(shared.lock().with(|place| place.is_none()));
    }
}
