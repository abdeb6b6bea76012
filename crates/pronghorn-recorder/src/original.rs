//! From frames of generated code to what somebody wrote: which original each script frame gets in the profile.
//!
//! The place that a frame was at decides its file and its line, the function's own start its first line, and the name in front of the
//! function what it is called. What the map knows nothing of stays as it was generated.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Frame, Function, Generated, MappedScript, Original, Position, Symbolizer};

/// A script frame as the profile shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown<'a> {
    pub(crate) name: &'a str,
    pub(crate) file: &'a str,
    pub(crate) start_line: u32,
    pub(crate) line: u32,
}

/// The originals of a period's frames.
#[derive(Default)]
pub(crate) struct Originals {
    /// By the URL's address, which is one per script, and the position.
    places: HashMap<(usize, Position), Original>,
}

impl Originals {
    /// Asks for all that the frames need, script by script.
    pub(crate) fn ask(frames: &[Frame], symbolizer: &mut dyn Symbolizer) -> Self {
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        let mut scripts: Vec<MappedScript<'_>> = Vec::new();
        let mut frames_of: Vec<Vec<(&Generated, Position)>> = Vec::new();
        for frame in frames {
            let Frame::Script { function, position } = frame else {
                continue;
            };
            let Some(generated) = &function.generated else {
                continue;
            };
            let number = *numbers.entry(address(&generated.url)).or_insert_with(|| {
                scripts.push(MappedScript {
                    file: &function.file,
                    url: &generated.url,
                    url_length: generated.url_length,
                });
                frames_of.push(Vec::new());
                scripts.len() - 1
            });
            if let Some(frames) = frames_of.get_mut(number) {
                frames.push((generated, *position));
            }
        }
        let mut places = HashMap::new();
        if scripts.is_empty() {
            return Self { places };
        }
        symbolizer.expect_scripts(&scripts);
        for (number, (script, frames)) in scripts.iter().zip(frames_of).enumerate() {
            // Many a script names a map that was not shipped with it.
            if !symbolizer.has_originals(number) {
                continue;
            }
            let needed = frames.into_iter().flat_map(|(generated, position)| {
                [Some(position), Some(generated.start), generated.name]
            });
            let mut wanted: Vec<Position> = needed.flatten().collect();
            wanted.sort_unstable_by_key(|place| (place.line(), place.column()));
            wanted.dedup();
            let found = symbolizer.originals(number, &wanted);
            let key = |place| (address(script.url), place);
            places.extend(
                wanted
                    .into_iter()
                    .zip(found)
                    .filter_map(|(place, original)| Some((key(place), original?))),
            );
        }
        Self { places }
    }

    /// Whether any frame has an original.
    pub(crate) fn any(&self) -> bool {
        !self.places.is_empty()
    }

    /// What stands in the profile for a frame.
    pub(crate) fn show<'a>(&'a self, function: &'a Function, position: Position) -> Shown<'a> {
        let generated = Shown {
            name: &function.name,
            file: &function.file,
            start_line: function.start_line,
            line: position.line(),
        };
        let Some(map) = &function.generated else {
            return generated;
        };
        let at = |place| self.places.get(&(address(&map.url), place));
        let named = map.name.and_then(at);
        // A name stands where the function does, and its place in the map is exact more often than that of a keyword.
        let start = named
            .filter(|original| original.name.is_some())
            .or_else(|| at(map.start));
        let Some(here) = at(position).or(start) else {
            return generated;
        };
        Shown {
            name: named
                .and_then(|original| original.name.as_deref())
                .unwrap_or(&function.name),
            file: &here.file,
            // Of a function that the bundler has put together from several files, the first line of one tells nothing in another.
            start_line: start
                .filter(|start| start.file == here.file)
                .map_or(0, |start| start.line),
            line: here.line,
        }
    }
}

fn address(url: &Arc<str>) -> usize {
    Arc::as_ptr(url).cast::<u8>() as usize
}
