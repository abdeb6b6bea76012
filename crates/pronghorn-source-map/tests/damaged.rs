//! Whatever a map holds, parsing it ends, with a table or with a reason, in bounded time and memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

use pronghorn_source_map::Map;

/// A small generator of numbers, from a fixed seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ (self.0 >> 29)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn vlq(out: &mut String, value: i64) {
    let mut rest = if value < 0 {
        (value.unsigned_abs() << 1) | 1
    } else {
        value.unsigned_abs() << 1
    };
    loop {
        let digit = rest & 31;
        rest >>= 5;
        let more = if rest > 0 { 32 } else { 0 };
        out.push(char::from(DIGITS[(digit | more) as usize]));
        if rest == 0 {
            return;
        }
    }
}

/// What a mapping of the model says.
#[derive(Clone, Copy)]
struct Mapped {
    line: u32,
    column: u32,
    source: i64,
    source_line: i64,
    name: Option<i64>,
}

/// A right map with its mappings, sorted.
fn right(random: &mut Random) -> (String, Vec<Mapped>) {
    let (mut mappings, mut model) = (String::new(), Vec::new());
    let (mut source, mut source_line, mut source_column, mut name) = (0i64, 0i64, 0i64, 0i64);
    for line in 0..random.below(30) as u32 {
        if line > 0 {
            mappings.push(';');
        }
        let mut column = 0i64;
        for segment in 0..random.below(6) {
            if segment > 0 {
                mappings.push(',');
            }
            let step = random.below(2_000) as i64 + 1;
            column += step;
            vlq(&mut mappings, step);
            let mut to = |old: &mut i64, limit: u64| {
                let new = random.below(limit) as i64;
                vlq(&mut mappings, new - *old);
                *old = new;
            };
            to(&mut source, 3);
            to(&mut source_line, 5_000);
            to(&mut source_column, 200);
            let named = random.below(2) == 0;
            if named {
                let new = random.below(4) as i64;
                vlq(&mut mappings, new - name);
                name = new;
            }
            model.push(Mapped {
                line,
                column: column as u32,
                source,
                source_line,
                name: named.then_some(name),
            });
        }
    }
    let json = format!(
        r#"{{"version":3,"sources":["s0","s1","s2"],"sourcesContent":["x,y;","z"],"names":["n0","n1","n2","n3"],"mappings":"{mappings}"}}"#
    );
    (json, model)
}

#[test]
fn a_right_map_answers_as_its_model_does() {
    let mut random = Random(1);
    for _ in 0..300 {
        let (json, model) = right(&mut random);
        let map = Map::parse(json.as_bytes(), "/base/x.map").expect(&json);
        for _ in 0..50 {
            let (line, column) = (random.below(31) as u32, random.below(9_000) as u32);
            let last = model
                .iter()
                .rev()
                .find(|mapped| mapped.line == line && mapped.column <= column);
            let found = map.original(line, column);
            assert_eq!(
                found
                    .as_ref()
                    .map(|found| (found.file.to_string(), i64::from(found.line))),
                last.map(|last| (format!("/base/s{}", last.source), last.source_line)),
                "{line}:{column} of {json}"
            );
        }
        for mapped in &model {
            let found = map
                .original(mapped.line, mapped.column)
                .expect("it is mapped");
            let name = found.name.map(|name| name.to_string());
            assert_eq!(name, mapped.name.map(|name| format!("n{name}")), "{json}");
        }
    }
}

#[test]
fn a_damaged_map_is_an_error_or_a_map() {
    let mut random = Random(2);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = right(&mut random).0.into_bytes();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(5) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] = random.next() as u8,
                2 => bytes[at] = DIGITS[random.below(64) as usize],
                3 => {
                    let digits = vec![b'g'; random.below(40) as usize];
                    bytes.splice(at..at, digits);
                }
                _ => {
                    let piece = bytes[at..].to_vec();
                    bytes.extend(piece);
                }
            }
        }
        match Map::parse(&bytes, "/x") {
            Ok(map) => {
                good += 1;
                assert!(map.size() <= 40 * bytes.len() + 1_000);
                for _ in 0..20 {
                    let _ = map.original(random.next() as u32, random.next() as u32);
                    let _ = map.original(random.below(30) as u32, random.below(3_000) as u32);
                }
            }
            Err(reason) => {
                bad += 1;
                assert!(!reason.is_empty() && reason.len() < 1_000, "{reason}");
            }
        }
    }
    assert!(good > 500 && bad > 500, "{good} good, {bad} bad");
}

#[test]
fn noise_is_an_error() {
    let mut random = Random(3);
    for _ in 0..5_000 {
        let bytes: Vec<u8> = (0..random.below(300))
            .map(|_| random.next() as u8)
            .collect();
        assert!(Map::parse(&bytes, "/x").is_err());
    }
    for piece in [
        "[",
        "{\"sections\":[{\"map\":",
        "{\"version\":3,\"names\":[[",
    ] {
        assert!(Map::parse(piece.repeat(100_000).as_bytes(), "/x").is_err());
    }
}
