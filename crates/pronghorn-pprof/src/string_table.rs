//! Every text of a profile, once each.

use std::sync::Arc;

use crate::fast_map::FastMap;

/// The number of a text in its profile's string table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StringId(u32);

impl StringId {
    /// String 0, which the format fixes as the empty one.
    pub const EMPTY: Self = Self(0);

    pub(crate) fn field(self) -> u64 {
        u64::from(self.0)
    }
}

/// Numbers texts from 0, the empty one.
#[derive(Debug)]
pub(crate) struct StringTable {
    ids: FastMap<Arc<str>, StringId>,
    strings: Vec<Arc<str>>,
}

impl StringTable {
    pub(crate) fn new() -> Self {
        let empty: Arc<str> = Arc::from("");
        Self {
            ids: FastMap::from_iter([(Arc::clone(&empty), StringId::EMPTY)]),
            strings: vec![empty],
        }
    }

    pub(crate) fn insert(&mut self, text: &str) -> StringId {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let shared: Arc<str> = Arc::from(text);
        let id = StringId(self.strings.len() as u32);
        self.ids.insert(Arc::clone(&shared), id);
        self.strings.push(shared);
        id
    }

    /// The texts in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.strings.iter().map(|text| &**text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_string_is_number_0_and_each_text_is_kept_once() {
        let mut table = StringTable::new();
        assert_eq!(table.insert(""), StringId::EMPTY);
        let name = table.insert("größe");
        let other = table.insert("名前");
        assert_eq!(table.insert("größe"), name);
        assert_ne!(name, other);
        assert_eq!(table.iter().collect::<Vec<_>>(), ["", "größe", "名前"]);
    }
}
