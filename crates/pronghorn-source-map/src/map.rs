//! A parsed map: a table of mappings, sorted by their place in the generated code.
//!
//! The crate `sourcemap` parses; of what it made this keeps 20 bytes a mapping, and neither the sources' content nor their columns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sourcemap::{DecodedMap, SourceMap};

use crate::source_path;

/// The most mappings of one map. The parser needs 28 bytes for each while it works, the table 20: a map beyond this would not fit into any cache.
const MOST_MAPPINGS: usize = 3 << 20;
/// Sections in sections: each is a map, and so may have some.
const DEEPEST: u32 = 8;
/// Stands for no source and no name.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Mapping {
    line: u32,
    column: u32,
    source: u32,
    source_line: u32,
    name: u32,
}

/// A parsed map.
#[derive(Debug, Default)]
pub struct Map {
    mappings: Vec<Mapping>,
    /// As the profile shows them.
    sources: Vec<Arc<str>>,
    names: Vec<Arc<str>>,
    text_bytes: usize,
}

/// What a place in the generated code was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The file.
    pub file: Arc<str>,
    /// The line, from 0.
    pub line: u32,
    /// What an identifier that begins just there was called.
    pub name: Option<Arc<str>>,
}

impl Map {
    /// Parses a map. Its sources are relative to `base`, which is the path or URL that it was read from.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence without a full stop.
    pub fn parse(json: &[u8], base: &str) -> Result<Self, String> {
        let marks = memchr::memchr2_iter(b',', b';', json).count();
        if marks > 2 * MOST_MAPPINGS {
            return Err(format!(
                "it is too large, with {marks} commas and semicolons"
            ));
        }
        // The parser's authors take care, but nothing of ours may end the process; a parser that was cut short leaves nothing behind.
        let decoded = catch_unwind(AssertUnwindSafe(|| sourcemap::decode_slice(json)))
            .map_err(|_panic| "the parser failed".to_owned())?
            .map_err(|error| format!("it is no source map: {error}"))?;
        if !is_version_3(json) {
            return Err("it is not of version 3".to_owned());
        }
        let mut map = Self::default();
        map.add(&decoded, (0, 0), base, 0)?;
        map.mappings
            .sort_by_key(|mapping| (mapping.line, mapping.column));
        map.mappings.shrink_to_fit();
        Ok(map)
    }

    fn add(
        &mut self,
        decoded: &DecodedMap,
        offset: (u32, u32),
        base: &str,
        depth: u32,
    ) -> Result<(), String> {
        match decoded {
            DecodedMap::Regular(map) => self.add_mappings(map, offset, base),
            DecodedMap::Hermes(map) => self.add_mappings(map, offset, base),
            DecodedMap::Index(index) => {
                if depth >= DEEPEST {
                    return Err("its sections are nested too deeply".to_owned());
                }
                for section in index.sections() {
                    let own = section
                        .get_sourcemap()
                        .ok_or("one of its sections refers to another file")?;
                    let (line, column) = section.get_offset();
                    // A column offset counts on the section's first line only, so it adds to that of the enclosing one only there.
                    let column = if line == 0 {
                        column.saturating_add(offset.1)
                    } else {
                        column
                    };
                    self.end_section((line.saturating_add(offset.0), column))?;
                    self.add(
                        own,
                        (line.saturating_add(offset.0), column),
                        base,
                        depth + 1,
                    )?;
                }
                Ok(())
            }
        }
    }

    /// What the section before mapped ends where the next one begins.
    fn end_section(&mut self, (line, column): (u32, u32)) -> Result<(), String> {
        self.push(Mapping {
            line,
            column,
            source: NONE,
            source_line: 0,
            name: NONE,
        })
    }

    fn push(&mut self, mapping: Mapping) -> Result<(), String> {
        if self.mappings.len() >= MOST_MAPPINGS {
            return Err(format!("it has more than {MOST_MAPPINGS} mappings"));
        }
        self.mappings.push(mapping);
        Ok(())
    }

    fn add_mappings(
        &mut self,
        map: &SourceMap,
        offset: (u32, u32),
        base: &str,
    ) -> Result<(), String> {
        let first_source = self.sources.len() as u32;
        let first_name = self.names.len() as u32;
        // The parser puts the root in front, also of a null.
        let root = map
            .get_source_root()
            .unwrap_or_default()
            .trim_end_matches('/');
        let mut names_something = Vec::new();
        for index in 0..map.get_source_count() {
            let source = map.get_source(index).unwrap_or_default();
            names_something.push(source.trim_end_matches('/') != root);
            let path = source_path::resolve(source, base);
            self.text_bytes += path.len() + TEXT_OVERHEAD;
            self.sources.push(Arc::from(path));
        }
        for name in map.names() {
            self.text_bytes += name.len() + TEXT_OVERHEAD;
            self.names.push(Arc::from(name));
        }
        self.mappings.reserve(map.get_token_count() as usize);
        for token in map.tokens() {
            let (line, column) = token.get_dst();
            let column = if line == 0 {
                column.saturating_add(offset.1)
            } else {
                column
            };
            let named = names_something.get(token.get_src_id() as usize) == Some(&true);
            let place = |first: u32, id: u32| {
                if id == NONE {
                    NONE
                } else {
                    first.saturating_add(id)
                }
            };
            self.push(Mapping {
                line: line.saturating_add(offset.0),
                column,
                source: if named {
                    place(first_source, token.get_src_id())
                } else {
                    NONE
                },
                source_line: token.get_src_line(),
                name: if token.has_name() {
                    place(first_name, token.get_raw_token().name_id)
                } else {
                    NONE
                },
            })?;
        }
        Ok(())
    }

    /// The original of a place, both numbers from 0: that of the last mapping on the same line that is not behind it.
    #[must_use]
    pub fn original(&self, line: u32, column: u32) -> Option<Original> {
        let behind = self
            .mappings
            .partition_point(|mapping| (mapping.line, mapping.column) <= (line, column));
        let mapping = self.mappings.get(behind.checked_sub(1)?)?;
        if mapping.line != line {
            return None;
        }
        let file = self.sources.get(mapping.source as usize)?;
        // Of several mappings of one place one may have the name.
        let name = self
            .mappings
            .get(..behind)?
            .iter()
            .rev()
            .take_while(|same| (same.line, same.column) == (line, column))
            .take(8)
            .find_map(|same| self.names.get(same.name as usize));
        Some(Original {
            file: Arc::clone(file),
            line: mapping.source_line,
            name: name.filter(|name| !name.is_empty()).cloned(),
        })
    }

    /// Bytes held.
    #[must_use]
    pub fn size(&self) -> usize {
        self.mappings.capacity() * size_of::<Mapping>() + self.text_bytes
    }

    /// How many mappings it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mappings.len()
    }

    /// Whether it maps nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }
}

/// An `Arc` and its place in a vector.
const TEXT_OVERHEAD: usize = 32;

/// Whether the outermost object has `"version": 3`, which the parser does not look at. Only known to be an object of a map's shape.
fn is_version_3(json: &[u8]) -> bool {
    let mut depth = 0u32;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let begin = at + 1;
                at = end_of_string(json, begin);
                if depth == 1 && json.get(begin..at) == Some(b"version") {
                    let rest = json.get(at + 1..).unwrap_or_default().trim_ascii_start();
                    if let Some(value) = rest.strip_prefix(b":") {
                        let value = value.trim_ascii_start();
                        let is_3 = value.first() == Some(&b'3');
                        let ends = !matches!(value.get(1), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
                        return is_3 && ends;
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    false
}

/// Where the string that begins at `at` has its closing quote, or the end.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    while let Some(rest) = json.get(at..) {
        let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
            break;
        };
        if rest.get(found) == Some(&b'"') {
            return at + found;
        }
        at += found + 2;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Map, String> {
        Map::parse(json.as_bytes(), "/app/dist/a.js.map")
    }

    fn at(map: &Map, line: u32, column: u32) -> Option<(String, u32, Option<String>)> {
        map.original(line, column).map(|original| {
            let name = original.name.map(|name| name.to_string());
            (original.file.to_string(), original.line, name)
        })
    }

    #[test]
    fn a_place_has_the_mapping_in_front_of_it_on_its_line() {
        // Line 0: column 0 → b.ts 0, column 4 → b.ts 1 named foo; line 1: nothing; line 2: column 2 → c.ts 5.
        let map = parse(
            r#"{"version":3,"sources":["../src/b.ts","../src/c.ts"],"names":["foo"],"mappings":"AAAA,IACEA;;ECIF"}"#,
        )
        .unwrap();
        let b = |line, name: Option<&str>| {
            Some(("/app/src/b.ts".to_owned(), line, name.map(str::to_owned)))
        };
        assert_eq!(at(&map, 0, 0), b(0, None));
        assert_eq!(at(&map, 0, 3), b(0, None));
        assert_eq!(at(&map, 0, 4), b(1, Some("foo")));
        assert_eq!(
            at(&map, 0, 5),
            b(1, None),
            "a name is that of its place only"
        );
        assert_eq!(at(&map, 1, 0), None);
        assert_eq!(at(&map, 2, 1), None);
        assert_eq!(at(&map, 2, 99), Some(("/app/src/c.ts".to_owned(), 5, None)));
        assert_eq!(at(&map, 3, 0), None);
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn a_source_root_goes_in_front_and_null_names_nothing() {
        let map = parse(
            r#"{"version":3,"sourceRoot":"webpack://app/","sources":["./b.ts",null],"names":[],"mappings":"AAAA,ICAA"}"#,
        )
        .unwrap();
        assert_eq!(at(&map, 0, 0).unwrap().0, "webpack://app/b.ts");
        assert_eq!(at(&map, 0, 4), None);
    }

    #[test]
    fn sections_lie_where_their_offsets_say() {
        let section = |line: u32, column: u32, source: &str| {
            format!(
                r#"{{"offset":{{"line":{line},"column":{column}}},"map":{{"version":3,"sources":["{source}"],"names":["{source}n"],"mappings":"AAAAA;AACA"}}}}"#
            )
        };
        let map = parse(&format!(
            r#"{{"version":3,"sections":[{},{}]}}"#,
            section(0, 0, "a.ts"),
            section(5, 10, "b.ts")
        ))
        .unwrap();
        let file = |line, column| at(&map, line, column).map(|(file, line, _)| (file, line));
        assert_eq!(file(0, 0), Some(("/app/dist/a.ts".to_owned(), 0)));
        assert_eq!(file(1, 7), Some(("/app/dist/a.ts".to_owned(), 1)));
        assert_eq!(file(5, 9), None);
        assert_eq!(file(5, 10), Some(("/app/dist/b.ts".to_owned(), 0)));
        assert_eq!(file(6, 0), Some(("/app/dist/b.ts".to_owned(), 1)));
        assert_eq!(at(&map, 5, 10).unwrap().2.as_deref(), Some("b.tsn"));
        let refers = r#"{"version":3,"sections":[{"offset":{"line":0,"column":0},"url":"x.map"}]}"#;
        assert!(parse(refers).unwrap_err().contains("another file"));
    }

    #[test]
    fn what_is_no_map_says_why() {
        for (json, word) in [
            ("", "no source map"),
            ("not json", "no source map"),
            (
                r#"{"version":3,"sources":["a"],"mappings":"AAAA"#,
                "no source map",
            ),
            (
                r#"{"version":2,"sources":["a"],"names":[],"mappings":"AAAA"}"#,
                "version",
            ),
            (
                r#"{"sources":["a"],"names":[],"mappings":"AAAA"}"#,
                "version",
            ),
            (
                r#"{"sources":["version"],"names":[],"mappings":"AAAA"}"#,
                "version",
            ),
            (
                r#"{"version":30,"sources":["a"],"names":[],"mappings":"AAAA"}"#,
                "version",
            ),
            (
                r#"{"version":3,"sources":[],"names":[],"mappings":"AAAA"}"#,
                "no source map",
            ),
            (
                r#"{"version":3,"sources":["a"],"names":[],"mappings":"A!AA"}"#,
                "no source map",
            ),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(word), "{json}: {error}");
        }
        let nested = |depth: usize| {
            let open = r#"{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":"#;
            let inner = r#"{"version":3,"sources":["a"],"names":[],"mappings":"AAAA"}"#;
            format!("{}{inner}{}", open.repeat(depth), "}]}".repeat(depth))
        };
        assert!(parse(&nested(3)).is_ok());
        assert!(parse(&nested(12)).unwrap_err().contains("deeply"));
        assert!(parse(&nested(5_000)).is_err());
    }

    #[test]
    fn a_guard_in_front_and_the_version_behind_are_fine() {
        let json = ")]}'\n{\"names\":[],\"sources\":[\"\\\"version\\\":2\"],\"mappings\":\"AAAA\", \"version\" : 3 }";
        assert!(parse(json).is_ok());
    }

    #[test]
    fn what_would_not_fit_is_refused_before_it_is_parsed() {
        let json = format!(
            r#"{{"version":3,"sources":["a"],"names":[],"mappings":"{}"}}"#,
            "A,".repeat(2 * MOST_MAPPINGS + 1)
        );
        assert!(parse(&json).unwrap_err().contains("too large"));
    }
}
