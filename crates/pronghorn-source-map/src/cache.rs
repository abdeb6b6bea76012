//! The maps that are known, and why others cannot be used: bounded, the least recently used one goes first.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::{Broken, Loaded, Map, Stamp};

/// Whose map is meant: a script by its name, and the URL that it gives for its map.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its name.
    pub file: Arc<str>,
    /// The URL; of a very long inline one the beginning.
    pub url: Arc<str>,
    /// The length of the whole URL.
    pub url_length: u32,
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        let same_url = Arc::ptr_eq(&self.url, &other.url) || self.url == other.url;
        self.url_length == other.url_length && same_url && self.file == other.file
    }
}

impl Eq for Script {}

impl Hash for Script {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.file.hash(state);
        self.url_length.hash(state);
        // Inline maps have a megabyte, and differ somewhere else: the comparison tells them apart.
        let url = self.url.as_bytes();
        url.get(..256).unwrap_or(url).hash(state);
    }
}

/// What is known of a script's map.
#[derive(Debug, Clone)]
pub struct Known {
    /// Of the file it is in.
    pub stamp: Option<Stamp>,
    /// The map; none if it cannot be used.
    pub map: Option<Arc<Map>>,
}

struct Entry {
    stamp: Option<Stamp>,
    outcome: Result<Arc<Map>, Broken>,
    used: u64,
}

/// Why maps cannot be used is remembered of so many.
const MOST_BROKEN: usize = 4_096;

/// See the module's description.
#[derive(Default)]
pub struct Cache {
    entries: HashMap<Script, Entry>,
    bytes: usize,
    most_bytes: usize,
    broken: usize,
    uses: u64,
}

impl Cache {
    /// An empty one for so many bytes of maps.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            ..Self::default()
        }
    }

    /// What is known of a script's map, of whatever age.
    pub fn get(&mut self, script: &Script) -> Option<Known> {
        self.uses += 1;
        let entry = self.entries.get_mut(script)?;
        entry.used = self.uses;
        Some(Known {
            stamp: entry.stamp,
            map: entry.outcome.as_ref().ok().cloned(),
        })
    }

    /// Takes in what was loaded. Returns what is to be told of it: that it cannot be used, unless that was told already.
    pub fn put(&mut self, script: &Script, loaded: Loaded) -> Option<Broken> {
        let Loaded { stamp, outcome } = loaded;
        let before = self.remove(script);
        let news = match &outcome {
            Ok(_) => None,
            Err(broken) => {
                let told = before.is_some_and(|entry| {
                    entry.outcome.as_ref().err() == Some(broken) && entry.stamp == stamp
                });
                (!told && self.broken < MOST_BROKEN).then(|| broken.clone())
            }
        };
        match &outcome {
            Ok(map) => self.bytes += map.size(),
            Err(_) => self.broken += 1,
        }
        self.uses += 1;
        let entry = Entry {
            stamp,
            outcome,
            used: self.uses,
        };
        self.entries.insert(script.clone(), entry);
        self.make_room(script);
        news
    }

    /// Bytes of all maps.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, script: &Script) -> Option<Entry> {
        let entry = self.entries.remove(script)?;
        match &entry.outcome {
            Ok(map) => self.bytes -= map.size(),
            Err(_) => self.broken -= 1,
        }
        Some(entry)
    }

    /// Removes what was not used for longest; never the one that just came, which somebody waits for.
    fn make_room(&mut self, newest: &Script) {
        while self.bytes > self.most_bytes {
            let Some(oldest) = self.oldest(newest, |entry| entry.outcome.is_ok()) else {
                break;
            };
            self.remove(&oldest);
        }
        // Emptied half at a time: a program that goes through names would look for the oldest each time. What is removed may be told again.
        if self.broken > MOST_BROKEN {
            let mut uses: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
            uses.sort_unstable();
            let middle = uses.get(uses.len() / 2).copied().unwrap_or(0);
            self.entries.retain(|script, entry| {
                entry.outcome.is_ok() || entry.used > middle || script == newest
            });
            self.broken = self
                .entries
                .values()
                .filter(|entry| entry.outcome.is_err())
                .count();
        }
    }

    fn oldest(&self, newest: &Script, is_meant: impl Fn(&Entry) -> bool) -> Option<Script> {
        self.entries
            .iter()
            .filter(|(script, entry)| is_meant(entry) && *script != newest)
            .min_by_key(|(_, entry)| entry.used)
            .map(|(script, _)| script.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(file: &str) -> Script {
        Script {
            file: Arc::from(file),
            url: Arc::from("x.map"),
            url_length: 5,
        }
    }

    fn map(mappings: usize) -> Loaded {
        let json = format!(
            r#"{{"version":3,"sources":["a"],"names":[],"mappings":"{}"}}"#,
            "AAAA;".repeat(mappings)
        );
        Loaded {
            stamp: None,
            outcome: Ok(Arc::new(Map::parse(json.as_bytes(), "/a").unwrap())),
        }
    }

    fn broken(reason: &str) -> Loaded {
        Loaded {
            stamp: None,
            outcome: Err(Broken::new("x.map", reason)),
        }
    }

    #[test]
    fn the_least_recently_used_map_goes_first() {
        let size = map(100).outcome.unwrap().size();
        let mut cache = Cache::new(2 * size + 10);
        for name in ["a", "b"] {
            assert_eq!(cache.put(&script(name), map(100)), None);
        }
        assert!(cache.get(&script("a")).unwrap().map.is_some());
        cache.put(&script("c"), map(100));
        assert!(cache.get(&script("b")).is_none());
        assert!(cache.get(&script("a")).is_some() && cache.get(&script("c")).is_some());
        assert_eq!(cache.bytes(), 2 * size);
        // One that is larger than all is there while it is the newest.
        cache.put(&script("d"), map(1_000));
        assert!(cache.get(&script("d")).is_some());
        cache.put(&script("a"), map(1));
        assert!(cache.get(&script("d")).is_none());
    }

    #[test]
    fn what_cannot_be_used_is_told_once_and_again_when_it_changes() {
        let mut cache = Cache::new(1 << 20);
        assert!(cache.put(&script("a"), broken("missing")).is_some());
        assert!(cache.put(&script("a"), broken("missing")).is_none());
        assert!(cache.put(&script("b"), broken("missing")).is_some());
        assert!(cache.put(&script("a"), broken("no JSON")).is_some());
        assert!(cache.put(&script("a"), map(1)).is_none());
        assert!(cache.get(&script("a")).unwrap().map.is_some());
        assert!(cache.get(&script("b")).unwrap().map.is_none());
    }

    #[test]
    fn what_is_remembered_of_broken_maps_is_bounded() {
        let mut cache = Cache::new(1 << 20);
        for number in 0..3 * MOST_BROKEN {
            cache.put(&script(&number.to_string()), broken("missing"));
        }
        assert!(cache.entries.len() <= MOST_BROKEN + 1);
        assert_eq!(cache.broken, cache.entries.len());
    }
}
