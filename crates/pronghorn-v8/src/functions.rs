//! The functions of one isolate, as far as frames have named them.
//!
//! A function is made once: under its address until the next major collection, under its place (script id, start, end,
//! name) for as long as its script is in use. Every map is bounded; one that is full is emptied, which costs time and may make a function twice.

use std::collections::HashMap;
use std::sync::Arc;

use crate::address_hash::AddressMap;
use crate::function::{self, Function};
use crate::function_info::{
    ANONYMOUS, BUILTIN_FILE, FunctionInfo, MapReference, Origin, Place as ScriptPlace,
};
use crate::kept::{At, Named, Unlined};
use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::field;
use crate::scripts::Scripts;
use crate::text;

/// A function that is known already.
#[derive(Clone, Debug)]
pub(crate) struct Known<F> {
    /// Made, but while frames are only kept ([`Scripts::keep`]).
    pub(crate) function: Named<F>,
    pub(crate) script: i32,
    start: u32,
    end: u32,
    /// Its first token.
    pub(crate) start_at: At,
}

impl<F> Known<F> {
    fn unlined(unlined: Unlined) -> Self {
        Self {
            script: unlined.script,
            start: unlined.token.min(unlined.start),
            end: unlined.end,
            start_at: At::Start,
            function: Named::Unlined(Arc::new(unlined)),
        }
    }

    /// True for a script offset inside the function, its token included.
    pub(crate) fn holds(&self, offset: u32) -> bool {
        self.script >= 0 && offset >= self.start && offset <= self.end
    }
}

/// Script id, start and end of a function.
type Place = (i32, u32, u32);

/// Functions of one place, by their names.
type SamePlace<F> = Vec<(Arc<str>, Known<F>)>;

const MOST_FUNCTIONS: usize = 1 << 17;
/// The functions of one isolate.
pub(crate) struct Functions<F> {
    // Until the next major collection.
    by_shared: AddressMap<u64, Known<F>>,
    // What lasts.
    /// Nearly always one at a place: two of a place differ in their names.
    by_place: AddressMap<Place, SamePlace<F>>,
    builtins: HashMap<Arc<str>, Known<F>>,
    /// The names that many functions share.
    anonymous: Arc<str>,
    builtin_file: Arc<str>,
    /// Their scripts.
    pub(crate) scripts: Scripts,
}

impl<F: Clone> Functions<F> {
    pub(crate) fn new(source_maps: bool) -> Self {
        Self {
            by_shared: AddressMap::default(),
            by_place: AddressMap::default(),
            builtins: HashMap::new(),
            anonymous: Arc::from(ANONYMOUS),
            builtin_file: Arc::from(BUILTIN_FILE),
            scripts: Scripts::new(source_maps),
        }
    }

    /// Drops what is known by address.
    pub(crate) fn forget_pointers(&mut self) {
        self.by_shared.clear();
    }

    /// Drops the scripts that are used least, and their functions with them.
    fn age(&mut self) {
        self.scripts.age();
        let scripts = &self.scripts;
        self.by_place
            .retain(|(script, ..), _| scripts.knows(*script));
        self.by_shared.clear();
    }

    /// The function at `shared`, made once per identity. Nothing if it cannot be told, or if its lines are not counted yet
    /// ([`Scripts::is_unfinished`]); while frames are only kept it is not made then.
    pub(crate) fn get<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        shared: u64,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
    ) -> Option<Known<F>> {
        if let Some(known) = self.by_shared.get(&shared) {
            return Some(known.clone());
        }
        let found = function::read(memory, layout, shared)?;
        let name = if found.name.is_empty() {
            ANONYMOUS
        } else {
            &found.name
        };
        if self.scripts.is_full() {
            self.age();
        }
        let script = found
            .script
            .and_then(|script| self.scripts.get(memory, layout, script));
        let known = match script {
            None => self.builtin(name, make),
            Some(script) => match self.same((script, found.start, found.end), name) {
                Some(known) => known.clone(),
                None => {
                    let unlined = self.unlined(memory, layout, script, name, &found);
                    match self.lined(memory, layout, &unlined, make) {
                        Some(known) => known,
                        None if self.scripts.keeps() => return Some(Known::unlined(unlined)),
                        None => return None,
                    }
                }
            },
        };
        if self.by_shared.len() >= MOST_FUNCTIONS {
            self.by_shared.clear();
        }
        self.by_shared.insert(shared, known.clone());
        Some(known)
    }

    fn builtin(&mut self, name: &str, make: &mut dyn FnMut(&FunctionInfo<'_>) -> F) -> Known<F> {
        if let Some(known) = self.builtins.get(name) {
            return known.clone();
        }
        let name: Arc<str> = Arc::from(name);
        let info = FunctionInfo {
            name: &name,
            file: &self.builtin_file,
            start_line: 0,
            origin: Origin::Builtin,
            map: None,
        };
        let known = Known {
            function: Named::Made(make(&info)),
            script: -1,
            start: 0,
            end: 0,
            start_at: At::Place(ScriptPlace::default()),
        };
        if self.builtins.len() >= MOST_FUNCTIONS {
            self.builtins.clear();
        }
        self.builtins.insert(name, known.clone());
        known
    }

    /// The one with this identity, if it is made.
    fn same(&self, place: Place, name: &str) -> Option<&Known<F>> {
        let all = self.by_place.get(&place)?;
        all.iter()
            .find(|(own, _)| **own == *name)
            .map(|(_, known)| known)
    }

    /// All of a function of `script` but its lines.
    fn unlined<M: Memory>(
        &self,
        memory: &M,
        layout: &Layout,
        script: i32,
        name: &str,
        found: &Function,
    ) -> Unlined {
        let map = self.scripts.map(script).cloned();
        let name_at = map
            .as_ref()
            .and_then(|_| name_offset(memory, layout, found));
        let name = if name == ANONYMOUS {
            Arc::clone(&self.anonymous)
        } else {
            Arc::from(name)
        };
        Unlined {
            name,
            script,
            file: self.scripts.file(script).cloned(),
            map,
            start: found.start,
            end: found.end,
            token: found.token,
            placed: found.placed,
            name_at,
        }
    }

    /// The function with its lines, made once. Nothing if they are not counted yet. If they can never be, since the script is gone, it has
    /// none, and is made for this once.
    pub(crate) fn lined<M: Memory>(
        &mut self,
        memory: &M,
        layout: &Layout,
        unlined: &Unlined,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
    ) -> Option<Known<F>> {
        let Unlined {
            name,
            script,
            file,
            map,
            start,
            end,
            token,
            placed,
            name_at,
        } = unlined;
        let place = (*script, *start, *end);
        if let Some(known) = self.same(place, name) {
            return Some(known.clone());
        }
        let start_place = if *placed {
            self.scripts.place(memory, layout, *script, *token)
        } else {
            None
        };
        if self.scripts.is_unfinished() {
            return None;
        }
        let lasts = start_place.is_some() || !placed || self.scripts.is_at_hand(*script);
        let start_place = start_place.unwrap_or_default();
        let map = map.as_ref().map(|(url, url_length)| MapReference {
            url,
            url_length: *url_length,
            start: start_place,
            // In front of the function, and so counted by now.
            name: name_at.and_then(|offset| self.scripts.place(memory, layout, *script, offset)),
        });
        let info = FunctionInfo {
            name,
            file: file.as_ref().unwrap_or(&self.builtin_file),
            start_line: start_place.line,
            origin: Origin::Script,
            map,
        };
        let known = Known {
            function: Named::Made(make(&info)),
            script: *script,
            start: (*token).min(*start),
            end: *end,
            start_at: At::Place(start_place),
        };
        if lasts {
            if self.by_place.len() >= MOST_FUNCTIONS {
                self.by_place.clear();
            }
            let place = self.by_place.entry(place);
            let all = place.or_insert_with(|| Vec::with_capacity(1));
            all.push((Arc::clone(name), known.clone()));
        }
        Some(known)
    }
}

/// How far in front of a function its name is looked for: most stand right there, those of a class's constructor further away.
const NAME_WINDOWS: [u32; 2] = [64, 512];

/// The script offset of the name of a function in front of it: a source map may know what it was called there. For `a.b` it is that of `b`.
fn name_offset<M: Memory>(memory: &M, layout: &Layout, found: &Function) -> Option<u32> {
    let name = found.name.rsplit(['.', ' ']).next()?;
    if name.is_empty() || !found.placed {
        return None;
    }
    let name: Vec<u16> = name.encode_utf16().collect();
    let source = field(memory, found.script?, layout.script.source)?;
    NAME_WINDOWS.into_iter().find_map(|length| {
        let from = found.start.saturating_sub(length);
        let window = text::part(memory, layout, source, from, found.start)?;
        let last = last_word(&window, &name)?;
        Some(from + u32::try_from(last).ok()?)
    })
}

/// Where `word` stands in `text` for the last time, as a word of its own.
fn last_word(text: &[u16], word: &[u16]) -> Option<usize> {
    let mut candidates = text.windows(word.len()).enumerate().rev();
    let (last, _) = candidates.find(|(index, candidate)| {
        let before = index.checked_sub(1).and_then(|index| text.get(index));
        let behind = text.get(index + word.len());
        *candidate == word && !before.is_some_and(is_word) && !behind.is_some_and(is_word)
    })?;
    Some(last)
}

/// Whether a character continues an identifier.
fn is_word(unit: &u16) -> bool {
    match u8::try_from(*unit) {
        Ok(byte) => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Heap, VERSIONS};

    type Seen = Vec<(u32, Option<(String, ScriptPlace, Option<ScriptPlace>)>)>;

    fn seen(source: &str, name: &str, start: i32, source_maps: bool) -> (Seen, ScriptPlace) {
        let mut heap = Heap::new(VERSIONS[3]);
        let (file, source, url) = (heap.text("/a.js"), heap.text(source), heap.text("a.js.map"));
        let script = heap.script(7, file, source);
        let layout = heap.layout;
        heap.set(script, layout.script.source_mapping_url, url);
        heap.set_smi(script, layout.script.column_offset, 100);
        let name = heap.text(name);
        let scope = heap.scope(0, Some(name), None, (start, start + 4));
        let shared = heap.shared(scope, script, 1);
        let mut functions = Functions::new(source_maps);
        let mut seen = Vec::new();
        let known = functions.get(&heap.image, &layout, shared, &mut |info| {
            let map = info
                .map
                .map(|map| (map.url.to_string(), map.start, map.name));
            seen.push((info.start_line, map));
        });
        (seen, known.unwrap().start_at.start())
    }

    #[test]
    fn functions_of_scripts_with_a_map_say_where_they_and_their_names_are() {
        let place = |line, column| ScriptPlace { line, column };
        let (all, start) = seen("x\nfoo = (a) => 1", "o.foo", 8, true);
        assert_eq!(start, place(2, 5));
        let expected = ("a.js.map".to_owned(), start, Some(place(2, 0)));
        assert_eq!(all, [(2, Some(expected))]);
        // On the first line the column offset counts; no part of a longer word is the name.
        let (all, start) = seen("let foos=afoo,(a) => 1", "foo", 15, true);
        assert_eq!(start, place(1, 114));
        assert_eq!(all, [(1, Some(("a.js.map".to_owned(), start, None)))]);
    }

    #[test]
    fn nothing_is_said_unless_it_is_asked_for() {
        let (all, start) = seen("x\nfoo = (a) => 1", "foo", 8, false);
        assert_eq!(start, ScriptPlace { line: 2, column: 0 });
        assert_eq!(all, [(2, None)]);
    }
}
