//! The functions and scripts of one isolate, as far as frames have named them.
//!
//! A function is made once: under its address until the next major collection, under its place (script id, start, end,
//! name) for ever. Every map is bounded; one that is full is emptied, which costs time and may make a function twice.

use std::collections::HashMap;
use std::sync::Arc;

use crate::function;
use crate::function_info::{ANONYMOUS, BUILTIN_FILE, FunctionInfo, Origin};
use crate::layout::Layout;
use crate::lines::Lines;
use crate::memory::Memory;
use crate::script;

/// A function that is known already.
#[derive(Clone, Debug)]
pub(crate) struct Known<F> {
    pub(crate) function: F,
    pub(crate) script: i32,
    start: u32,
    end: u32,
    pub(crate) start_line: u32,
}

impl<F> Known<F> {
    /// True for a script offset inside the function, its token included.
    pub(crate) fn holds(&self, offset: u32) -> bool {
        self.script >= 0 && offset >= self.start && offset <= self.end
    }
}

/// Script id, start and end of a function.
type Place = (i32, u32, u32);

/// A script that is known already.
struct KnownScript {
    file: Arc<str>,
    line_offset: u32,
    lines: Option<Lines>,
}

const MOST_FUNCTIONS: usize = 1 << 17;
const MOST_SCRIPTS: usize = 1 << 15;
const MOST_LINE_BYTES: usize = 64 << 20;

/// The functions of one isolate.
pub(crate) struct Functions<F> {
    // Until the next major collection.
    by_shared: HashMap<u64, Known<F>>,
    // What lasts.
    by_place: HashMap<Place, Vec<(String, Known<F>)>>,
    builtins: HashMap<String, Known<F>>,
    scripts: HashMap<i32, KnownScript>,
    line_bytes: usize,
}

impl<F: Clone> Functions<F> {
    pub(crate) fn new() -> Self {
        Self {
            by_shared: HashMap::new(),
            by_place: HashMap::new(),
            builtins: HashMap::new(),
            scripts: HashMap::new(),
            line_bytes: 0,
        }
    }

    /// Drops what is known by address.
    pub(crate) fn forget_pointers(&mut self) {
        self.by_shared.clear();
    }

    /// The function at `shared`, made once per identity.
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
        let script = found
            .script
            .and_then(|script| self.script(memory, layout, script));
        let known = match script {
            None => match self.builtins.get(name) {
                Some(known) => known.clone(),
                None => {
                    let info = FunctionInfo {
                        name,
                        file: BUILTIN_FILE,
                        start_line: 0,
                        origin: Origin::Builtin,
                    };
                    let known = Known {
                        function: make(&info),
                        script: -1,
                        start: 0,
                        end: 0,
                        start_line: 0,
                    };
                    if self.builtins.len() >= MOST_FUNCTIONS {
                        self.builtins.clear();
                    }
                    self.builtins.insert(name.to_owned(), known.clone());
                    known
                }
            },
            Some(script) => {
                let place = (script, found.start, found.end);
                let same = self
                    .by_place
                    .get(&place)
                    .and_then(|all| all.iter().find(|(own, _)| own == name));
                match same {
                    Some((_, known)) => known.clone(),
                    None => {
                        let start_line = if found.placed {
                            self.line(script, found.token).unwrap_or(0)
                        } else {
                            0
                        };
                        let file = self
                            .scripts
                            .get(&script)
                            .map(|script| Arc::clone(&script.file));
                        let info = FunctionInfo {
                            name,
                            file: file.as_deref().unwrap_or(BUILTIN_FILE),
                            start_line,
                            origin: Origin::Script,
                        };
                        let known = Known {
                            function: make(&info),
                            script,
                            start: found.token.min(found.start),
                            end: found.end,
                            start_line,
                        };
                        if self.by_place.len() >= MOST_FUNCTIONS {
                            self.by_place.clear();
                        }
                        self.by_place
                            .entry(place)
                            .or_default()
                            .push((name.to_owned(), known.clone()));
                        known
                    }
                }
            }
        };
        if self.by_shared.len() >= MOST_FUNCTIONS {
            self.by_shared.clear();
        }
        self.by_shared.insert(shared, known.clone());
        Some(known)
    }

    /// The id of the script at `tagged`, which is known from then on.
    fn script<M: Memory>(&mut self, memory: &M, layout: &Layout, tagged: u64) -> Option<i32> {
        let id = script::id(memory, layout, tagged)?;
        if self.scripts.contains_key(&id) {
            // Lines may have been dropped for room since.
            if self
                .scripts
                .get(&id)
                .is_some_and(|script| script.lines.is_some())
            {
                return Some(id);
            }
        }
        let script = script::read(memory, layout, tagged)?;
        let lines = Lines::of_script(memory, layout, tagged);
        let size = lines.as_ref().map_or(0, Lines::size);
        if self.scripts.len() >= MOST_SCRIPTS || self.line_bytes + size > MOST_LINE_BYTES {
            self.scripts.clear();
            self.by_shared.clear();
            self.line_bytes = 0;
        }
        self.line_bytes += size;
        self.scripts.insert(
            id,
            KnownScript {
                file: script.file.into(),
                line_offset: script.line_offset,
                lines,
            },
        );
        Some(id)
    }

    /// The line of a script offset, from 1.
    pub(crate) fn line(&self, script: i32, offset: u32) -> Option<u32> {
        let script = self.scripts.get(&script)?;
        Some(
            script
                .lines
                .as_ref()?
                .line(offset)
                .saturating_add(script.line_offset)
                .saturating_add(1),
        )
    }
}
