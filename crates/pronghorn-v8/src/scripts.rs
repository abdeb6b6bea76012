//! The scripts of one isolate, as far as functions have named them: their files, their source maps, and the places of script offsets.
//!
//! Lines are looked up in V8's own table where it has one, else counted as far as somebody asks. Counting a source of 10 MB takes milliseconds,
//! which is longer than the main thread is to be kept: once the time that [`Scripts::until`] gave is up, the place is not known yet, and
//! [`Scripts::is_unfinished`] says so. The next look goes on where this one stopped; each looks through one chunk at least, so it comes to an end.
//!
//! While frames are only kept ([`Scripts::keep`]) nothing is counted. Scripts that this leaves without lines are wanted: before a collection whoever
//! drops pointers may hold them by a handle of V8's, and they are found through that behind it, until they are let go.

use std::sync::Arc;
use std::time::Instant;

use crate::address_hash::{AddressMap, AddressSet};
use crate::function_info::Place;
use crate::layout::Layout;
use crate::line_search;
use crate::lines::{CHUNK, Counted, Lines};
use crate::memory::Memory;
use crate::object::field;
use crate::script;

/// A program that makes scripts as it goes, such as one with templates, has no end of them.
const MOST_SCRIPTS: usize = 1 << 12;
const MOST_LINE_BYTES: usize = 64 << 20;
/// Inline source maps are kept as text. Scripts beyond this are left without one.
const MOST_MAP_BYTES: usize = 32 << 20;

/// A script that is known already.
struct Known {
    file: Arc<str>,
    line_offset: u32,
    column_offset: u32,
    lines: Lines,
    is_readable: bool,
    /// When somebody last asked for it.
    used_at: u64,
    /// The URL of its source map and the length of the whole.
    map: Option<(Arc<str>, u32)>,
}

/// See the module documentation.
pub(crate) struct Scripts {
    // What lasts: by the script's id.
    known: AddressMap<i32, Known>,
    /// Where it is, until the next major collection.
    addresses: AddressMap<i32, u64>,
    /// Those whose lines kept frames still need.
    wanted: AddressSet<i32>,
    /// Handles of wanted ones: the places of words that V8 keeps up to date.
    held: AddressMap<i32, u64>,
    keeps: bool,
    /// Counts what was asked for.
    now: u64,
    line_bytes: usize,
    map_bytes: usize,
    deadline: Option<Instant>,
    is_unfinished: bool,
    /// Reused for chunks of sources.
    scratch: Vec<u8>,
    /// Whether source maps are looked for.
    pub(crate) source_maps: bool,
}

impl Scripts {
    pub(crate) fn new(source_maps: bool) -> Self {
        Self {
            known: AddressMap::default(),
            addresses: AddressMap::default(),
            wanted: AddressSet::default(),
            held: AddressMap::default(),
            keeps: false,
            now: 0,
            line_bytes: 0,
            map_bytes: 0,
            deadline: None,
            is_unfinished: false,
            scratch: Vec::new(),
            source_maps,
        }
    }

    /// From here on nothing is unfinished, and counts stop after `deadline`, if there is one.
    pub(crate) fn until(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        self.is_unfinished = false;
    }

    /// Whether a place that was asked for is not known yet, since time was up.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.is_unfinished
    }

    /// Whether the time that [`Scripts::until`] gave is up; never where frames are only kept.
    pub(crate) fn is_time_up(&self) -> bool {
        !self.keeps
            && self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Something else than a place is not known yet, since time was up.
    pub(crate) fn put_off(&mut self) {
        self.is_unfinished = true;
    }

    /// Whether frames are only kept from here on: nothing is counted, and what is unfinished does not end anything.
    pub(crate) fn keep(&mut self, keeps: bool) {
        self.keeps = keeps;
        self.is_unfinished = false;
    }

    /// Whether frames are only kept. What was unfinished until now is not any more: it is kept.
    pub(crate) fn keeps(&mut self) -> bool {
        self.is_unfinished &= !self.keeps;
        self.keeps
    }

    /// Drops what is known by address. `hold` makes a handle of a tagged pointer, if it can: wanted scripts get one.
    pub(crate) fn forget_pointers(&mut self, hold: &mut dyn FnMut(u64) -> Option<u64>) {
        for script in self.wanted.drain() {
            if let Some(&tagged) = self.addresses.get(&script)
                && !self.held.contains_key(&script)
                && let Some(handle) = hold(tagged)
            {
                self.held.insert(script, handle);
            }
        }
        self.addresses.clear();
    }

    /// No kept frame needs lines any more: `dispose` gets each handle.
    pub(crate) fn let_go(&mut self, dispose: &mut dyn FnMut(u64)) {
        self.wanted.clear();
        for (_, handle) in self.held.drain() {
            dispose(handle);
        }
    }

    /// Whether it is known where the script is.
    pub(crate) fn is_at_hand(&self, script: i32) -> bool {
        self.addresses.contains_key(&script) || self.held.contains_key(&script)
    }

    /// Whether there is no room for another script.
    pub(crate) fn is_full(&self) -> bool {
        self.known.len() >= MOST_SCRIPTS
    }

    /// Drops the half that has not been asked for for longest.
    pub(crate) fn age(&mut self) {
        let mut times: Vec<u64> = self.known.values().map(|known| known.used_at).collect();
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().unwrap_or_default();
        self.known.retain(|_, known| known.used_at >= middle);
        let known = &self.known;
        self.addresses.retain(|id, _| known.contains_key(id));
        self.line_bytes = known.values().map(|known| known.lines.size()).sum();
        let maps = known.values().filter_map(|known| known.map.as_ref());
        self.map_bytes = maps.map(|(url, _)| url.len()).sum();
    }

    /// Whether the script is known.
    pub(crate) fn knows(&self, script: i32) -> bool {
        self.known.contains_key(&script)
    }

    /// The id of the script at `tagged`, which is known from then on.
    pub(crate) fn get<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        tagged: u64,
    ) -> Option<i32> {
        let id = script::id(memory, layout, tagged)?;
        self.now += 1;
        if let Some(known) = self.known.get_mut(&id) {
            known.used_at = self.now;
        } else {
            let script = script::read(memory, layout, tagged)?;
            let known = Known {
                map: self.map_of(memory, layout, tagged, &script.file),
                file: script.file.into(),
                line_offset: script.line_offset,
                column_offset: script.column_offset,
                lines: Lines::default(),
                is_readable: true,
                used_at: self.now,
            };
            self.known.insert(id, known);
        }
        self.addresses.insert(id, tagged);
        Some(id)
    }

    /// What the script at `tagged` says of its map, if anybody wants to know.
    fn map_of<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        tagged: u64,
        file: &str,
    ) -> Option<(Arc<str>, u32)> {
        if !self.source_maps || self.map_bytes >= MOST_MAP_BYTES {
            return None;
        }
        let url = script::map_url(memory, layout, tagged, file)?;
        self.map_bytes += url.text.len();
        Some((Arc::from(url.text), url.length))
    }

    /// The name of a script's file.
    pub(crate) fn file(&self, script: i32) -> Option<&Arc<str>> {
        self.known.get(&script).map(|known| &known.file)
    }

    /// The URL of a script's source map, and the length of the whole.
    pub(crate) fn map(&self, script: i32) -> Option<&(Arc<str>, u32)> {
        self.known.get(&script)?.map.as_ref()
    }

    /// The place of a script offset; the column only if the script has a map. Nothing if it cannot be told, or not yet.
    pub(crate) fn place<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        script: i32,
        offset: u32,
    ) -> Option<Place> {
        let (line, column) = self.line_and_column(memory, layout, script, offset)?;
        let known = self.known.get(&script)?;
        let column = match (&known.map, line) {
            (None, _) => 0,
            (Some(_), 0) => column.saturating_add(known.column_offset),
            (Some(_), _) => column,
        };
        Some(Place {
            line: line.saturating_add(known.line_offset).saturating_add(1),
            column,
        })
    }

    /// Both from 0.
    fn line_and_column<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        script: i32,
        offset: u32,
    ) -> Option<(u32, u32)> {
        let known = self.known.get_mut(&script)?;
        self.now += 1;
        known.used_at = self.now;
        if known.lines.reach(offset) {
            return Some(known.lines.place(offset));
        }
        let tagged = match self.addresses.get(&script) {
            Some(&tagged) => tagged,
            None => memory.u64(*self.held.get(&script)?)?,
        };
        let kept = field(memory, tagged, layout.script.line_ends)?;
        if let Some(place) = line_search::in_v8s_table(memory, layout, kept, offset) {
            return Some(place);
        }
        if !known.is_readable {
            return None;
        }
        if self.keeps {
            self.wanted.insert(script);
            self.is_unfinished = true;
            return None;
        }
        self.scratch.resize(CHUNK, 0);
        let source = field(memory, tagged, layout.script.source)?;
        let deadline = self.deadline;
        let is_late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let before = known.lines.size();
        let counted =
            known
                .lines
                .count_to(memory, layout, source, offset, &mut self.scratch, &is_late);
        let place = match counted {
            Counted::Enough => Some(known.lines.place(offset)),
            Counted::NotYet => {
                self.is_unfinished = true;
                None
            }
            Counted::Unreadable => {
                known.is_readable = false;
                known.lines = Lines::default();
                None
            }
        };
        self.line_bytes += known.lines.size();
        self.line_bytes = self.line_bytes.saturating_sub(before);
        self.keep_to_the_bound(script);
        place
    }

    /// Too many lines are kept: only this script's stay. Others are counted anew when somebody asks.
    fn keep_to_the_bound(&mut self, script: i32) {
        if self.line_bytes <= MOST_LINE_BYTES {
            return;
        }
        for (id, known) in &mut self.known {
            if *id != script {
                known.lines = Lines::default();
            }
        }
        self.line_bytes = self
            .known
            .get(&script)
            .map_or(0, |known| known.lines.size());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_support::{Heap, VERSIONS};

    fn script(source: &str) -> (Heap, u64) {
        let mut heap = Heap::with_room(VERSIONS[3], 2 << 20);
        let (file, source) = (heap.text("/a.js"), heap.text(source));
        let script = heap.script(7, file, source);
        (heap, script)
    }

    #[test]
    fn a_place_that_takes_longer_than_there_is_time_is_known_later() {
        let (heap, tagged) = script(&"x\n".repeat(4 * CHUNK));
        let (image, layout) = (&heap.image, &heap.layout);
        let mut scripts = Scripts::new(false);
        let id = scripts.get(image, layout, tagged).unwrap();
        let passed = Instant::now().checked_sub(Duration::from_secs(1));
        let offset = 8 * CHUNK as u32 - 1;
        let mut looks = 0;
        let place = loop {
            looks += 1;
            scripts.until(passed);
            let place = scripts.place(image, layout, id, offset);
            assert_eq!(scripts.is_unfinished(), place.is_none());
            if let Some(place) = place {
                break place;
            }
        };
        assert_eq!((place.line, looks), (4 * CHUNK as u32, 8));
        // What has been counted is known without the script's address.
        scripts.forget_pointers(&mut |_| None);
        assert_eq!(scripts.place(image, layout, id, 4).unwrap().line, 3);
    }

    #[test]
    fn a_source_that_cannot_be_read_has_no_lines_and_is_not_looked_at_again() {
        let mut heap = Heap::new(VERSIONS[3]);
        let file = heap.text("/a.js");
        let other = heap.object(heap.layout.types.fixed_array, 64);
        let tagged = heap.script(7, file, other);
        let (image, layout) = (&heap.image, &heap.layout);
        let mut scripts = Scripts::new(false);
        let id = scripts.get(image, layout, tagged).unwrap();
        scripts.until(None);
        assert_eq!(scripts.place(image, layout, id, 4), None);
        assert!(!scripts.is_unfinished());
        assert!(!scripts.known.get(&id).unwrap().is_readable);
        assert_eq!(scripts.file(id).unwrap().as_ref(), "/a.js");
    }

    #[test]
    fn v8s_own_lines_go_before_a_count() {
        let (mut heap, tagged) = script("x");
        let ends = heap.object(heap.layout.types.fixed_array, 64);
        heap.set_smi(ends, 8, 2);
        heap.set_smi(ends, 16, 10);
        heap.set_smi(ends, 24, 20);
        heap.set(tagged, heap.layout.script.line_ends, ends);
        let (image, layout) = (&heap.image, &heap.layout);
        let mut scripts = Scripts::new(false);
        let id = scripts.get(image, layout, tagged).unwrap();
        assert_eq!(scripts.place(image, layout, id, 15).unwrap().line, 2);
        assert_eq!(scripts.line_bytes, 0);
    }

    #[test]
    fn lines_beyond_the_bound_are_dropped_but_for_those_in_use() {
        let (mut heap, first) = script(&"\n".repeat(1000));
        let (file, source) = (heap.text("/b.js"), heap.text(&"\n".repeat(1000)));
        let second = heap.script(8, file, source);
        let (image, layout) = (&heap.image, &heap.layout);
        let mut scripts = Scripts::new(false);
        let ids = [first, second].map(|tagged| {
            let id = scripts.get(image, layout, tagged).unwrap();
            assert_eq!(scripts.place(image, layout, id, 900).unwrap().line, 901);
            id
        });
        let both = scripts.line_bytes;
        scripts.line_bytes = MOST_LINE_BYTES + 1;
        scripts.keep_to_the_bound(ids[1]);
        assert_eq!(scripts.line_bytes, both / 2);
        // Counted anew.
        assert_eq!(scripts.place(image, layout, ids[0], 900).unwrap().line, 901);
    }

    #[test]
    fn scripts_without_end_are_kept_while_they_are_in_use() {
        let mut heap = Heap::with_room(VERSIONS[3], 8 << 20);
        let (file, source) = (heap.text("eval"), heap.text(&"\n".repeat(1000)));
        let used = heap.script(7, file, source);
        let others: Vec<u64> = (0..3 * MOST_SCRIPTS as i32)
            .map(|id| heap.script(100 + id, file, file))
            .collect();
        let (image, layout) = (&heap.image, &heap.layout);
        let mut scripts = Scripts::new(false);
        let id = scripts.get(image, layout, used).unwrap();
        let mut most = 0;
        for (count, tagged) in others.iter().enumerate() {
            if scripts.is_full() {
                scripts.age();
            }
            scripts.get(image, layout, *tagged).unwrap();
            if count % 1000 == 0 {
                assert_eq!(scripts.place(image, layout, id, 900).unwrap().line, 901);
            }
            most = most.max(scripts.known.len());
        }
        assert_eq!(most, MOST_SCRIPTS);
        assert!(scripts.knows(id) && !scripts.knows(100));
        assert!(scripts.addresses.len() <= MOST_SCRIPTS);
        let size = scripts.known.get(&id).unwrap().lines.size();
        assert_eq!(scripts.line_bytes, size);
    }
}
