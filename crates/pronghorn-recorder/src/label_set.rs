//! The labels that the application has put on what it does, as one value that samples share.
//!
//! Immutable. A slot keeps the sets of its samples by itself, so whoever made a set may forget it at once.
//!
//! Fork: nothing to do; a child reads what its parent wrote.

use crate::hash::mix;

/// Texts by their keys, sorted, each key once. Equal if all of them are. None is empty: in a pprof an empty text is no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSet {
    hash: u64,
    pairs: Box<[(Box<str>, Box<str>)]>,
}

impl LabelSet {
    /// The set of these labels. Of those with the same key the last one counts; if that is empty, there is none.
    #[must_use]
    pub fn new<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut pairs: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (key, value) in labels {
            match pairs.binary_search_by(|(known, _)| (**known).cmp(key)) {
                Ok(place) => pairs[place].1 = value.into(),
                Err(place) => pairs.insert(place, (key.into(), value.into())),
            }
        }
        pairs.retain(|(_, value)| !value.is_empty());
        let hash = pairs.iter().fold(mix(0, pairs.len() as u64), |hash, pair| {
            text_hash(text_hash(hash, &pair.0), &pair.1)
        });
        Self {
            hash,
            pairs: pairs.into_boxed_slice(),
        }
    }

    /// Keys and values, sorted by key.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Equal for equal sets.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// Takes a text, with its length, into a hash.
fn text_hash(hash: u64, text: &str) -> u64 {
    text.as_bytes()
        .chunks(8)
        .fold(mix(hash, text.len() as u64), |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mix(hash, u64::from_le_bytes(word))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_the_last_value_of_a_key_counts() {
        let one = LabelSet::new([("b", "2"), ("a", "1")]);
        let other = LabelSet::new([("a", "0"), ("b", "2"), ("a", "1")]);
        assert_eq!(one, other);
        assert_eq!(one.hash(), other.hash());
        assert!(one.pairs().eq([("a", "1"), ("b", "2")]));
        let without = LabelSet::new([("a", "1"), ("b", "2"), ("a", "")]);
        assert!(without.pairs().eq([("b", "2")]));
    }

    #[test]
    fn keys_and_values_are_told_apart() {
        let hashes = [
            LabelSet::new([]),
            LabelSet::new([("ab", "c")]),
            LabelSet::new([("a", "bc")]),
            LabelSet::new([("a", "b"), ("c", "d")]),
            LabelSet::new([("a", "d"), ("c", "b")]),
        ]
        .map(|set| set.hash());
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash));
        }
    }
}
