//! Frames of generated code in a profile: which of them show an original, and what of it.

#![cfg(not(loom))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use pronghorn_recorder::{
    Frame, Function, Generated, MappedScript, MappingInfo, NativeLocation, Original, Position,
    ProfileInfo, Recorder, Symbolizer,
};
use support::{decode, sample, thread, time, values};

/// Knows originals by URL, line and column; asked about anything else it has none.
#[derive(Default)]
struct Maps {
    known: HashMap<(&'static str, u32, u32), Original>,
    scripts: Vec<(String, String, u32)>,
    asked: usize,
    /// Answers nothing at all.
    late: bool,
}

impl Maps {
    fn knows(
        mut self,
        (url, line, column): (&'static str, u32, u32),
        (file, original): (&str, u32),
        name: Option<&str>,
    ) -> Self {
        let original = Original {
            file: Arc::from(file),
            line: original,
            name: name.map(Arc::from),
        };
        self.known.insert((url, line, column), original);
        self
    }
}

impl Symbolizer for Maps {
    fn symbolize(
        &mut self,
        addresses: &[u64],
    ) -> Result<Vec<NativeLocation>, Box<dyn Error + Send + Sync>> {
        Ok(vec![NativeLocation::default(); addresses.len()])
    }

    fn mappings(&self) -> &[MappingInfo] {
        &[]
    }

    fn expect_scripts(&mut self, scripts: &[MappedScript<'_>]) {
        self.scripts = scripts
            .iter()
            .map(|script| {
                (
                    script.file.to_owned(),
                    script.url.to_string(),
                    script.url_length,
                )
            })
            .collect();
    }

    fn has_originals(&mut self, _script: usize) -> bool {
        self.asked += 1;
        !self.late
    }

    fn originals(&mut self, script: usize, places: &[Position]) -> Vec<Option<Original>> {
        assert!(!self.late, "nothing is known of it");
        let (_, url, _) = &self.scripts[script];
        places
            .iter()
            .map(|place| {
                let known = |(own, line, column): &(&str, u32, u32)| {
                    own == url && (*line, *column) == (place.line(), place.column())
                };
                let found = self.known.iter().find(|(place, _)| known(place));
                found.map(|(_, original)| original.clone())
            })
            .collect()
    }
}

fn generated(url: &Arc<str>, name: &str, start: u32, named: Option<u32>) -> Arc<Function> {
    Arc::new(Function {
        name: name.into(),
        file: "min.js".into(),
        start_line: 1,
        generated: Some(Generated {
            url: Arc::clone(url),
            url_length: 40,
            start: Position::new(1, start),
            name: named.map(|column| Position::new(1, column)),
        }),
    })
}

fn at(function: &Arc<Function>, column: u32) -> Frame {
    Frame::Script {
        function: Arc::clone(function),
        position: Position::new(1, column),
    }
}

/// Each stack, leaf first, with its count.
fn stacks(maps: &mut Maps, all: &[Vec<Frame>]) -> Vec<(Vec<String>, u64)> {
    let recorder = Recorder::new(time(1));
    let main = thread(7, "main");
    for frames in all {
        recorder
            .record([sample(&main, frames, values(1, 10, 100))])
            .expect("a free slot");
    }
    let period = recorder
        .flip(recorder.prepare(), time(2))
        .expect("no other rotation");
    let profile = period
        .serialize(maps, &ProfileInfo::default())
        .expect("a profile");
    decode(&profile.data)
        .samples
        .into_iter()
        .map(|sample| (sample.stack, sample.values[0]))
        .collect()
}

#[test]
fn places_decide_file_and_line_the_name_what_the_function_is_called() {
    let url: Arc<str> = Arc::from("min.js.map");
    let named = generated(&url, "a", 9, Some(8));
    let bare = generated(&url, "method", 50, None);
    let helper = generated(&url, "helper", 90, Some(89));
    let mut maps = Maps::default()
        .knows(("min.js.map", 1, 8), ("a.ts", 10), Some("original"))
        .knows(("min.js.map", 1, 9), ("a.ts", 11), None)
        .knows(("min.js.map", 1, 20), ("a.ts", 12), Some("local"))
        .knows(("min.js.map", 1, 24), ("b.ts", 7), None)
        .knows(("min.js.map", 1, 50), ("a.ts", 30), None);
    let all = [
        vec![at(&named, 20), at(&bare, 60)],
        vec![at(&named, 24)],
        vec![at(&helper, 95)],
    ];
    let expected = |stack: &[&str]| (stack.iter().map(|&frame| frame.to_owned()).collect(), 1);
    assert_eq!(
        stacks(&mut maps, &all),
        [
            // A place that the map does not know is where its function begins.
            expected(&["original a.ts:12 +10", "method a.ts:30 +30"]),
            // Of another file: where the function begins says nothing there.
            expected(&["original b.ts:7 +0"]),
            expected(&["helper min.js:1 +1"]),
        ]
    );
    assert_eq!(
        maps.scripts,
        [("min.js".to_owned(), "min.js.map".to_owned(), 40)]
    );
    assert_eq!(maps.asked, 1, "once a script");
}

#[test]
fn stacks_that_are_the_same_in_the_original_are_one() {
    let url: Arc<str> = Arc::from("min.js.map");
    let function = generated(&url, "a", 0, None);
    let mut maps = Maps::default()
        .knows(("min.js.map", 1, 0), ("a.ts", 1), None)
        .knows(("min.js.map", 1, 3), ("a.ts", 2), None)
        .knows(("min.js.map", 1, 5), ("a.ts", 2), None);
    let all: Vec<_> = [3, 5, 3].map(|column| vec![at(&function, column)]).into();
    assert_eq!(
        stacks(&mut maps, &all),
        [(vec!["a a.ts:2 +1".to_owned()], 3)]
    );
}

#[test]
fn without_a_map_in_time_everything_is_as_it_was_generated() {
    let (one, two): (Arc<str>, Arc<str>) = (Arc::from("x.map"), Arc::from("x.map"));
    // Two scripts, though their URLs read alike.
    let functions = [generated(&one, "a", 0, None), generated(&two, "b", 0, None)];
    let mut maps = Maps {
        late: true,
        ..Maps::default()
    };
    let all = functions.each_ref().map(|function| vec![at(function, 3)]);
    let expected = |name: &str| (vec![format!("{name} min.js:1 +1")], 1);
    assert_eq!(stacks(&mut maps, &all), [expected("a"), expected("b")]);
    assert_eq!(maps.scripts.len(), 2);
}

#[test]
fn nobody_is_asked_where_no_script_has_a_map() {
    let mut maps = Maps::default();
    let plain = support::function("plain", "a.js", 3);
    let all = [vec![support::script(&plain, 4)]];
    assert_eq!(
        stacks(&mut maps, &all),
        [(vec!["plain a.js:4 +3".to_owned()], 1)]
    );
    assert!(maps.scripts.is_empty() && maps.asked == 0);
}
