//! From the labels of pprof samples to attributes.

use std::rc::Rc;

use crate::attribute::AnyValue;
use crate::dictionary::{Attribute, AttributeId, Dictionary, TextId};
use crate::pprof::Label;
use crate::table::{Table, handle};

handle! {
    /// The attributes of a sample.
    SetId,
}

/// What OpenTelemetry calls our labels. Others keep their keys.
const KEYS: [(&str, &str); 4] = [
    ("thread id", "thread.id"),
    (THREAD_NAME, "thread.name"),
    ("process id", "process.pid"),
    ("cluster worker id", "cluster.worker.id"),
];
/// The one that is always a text: without one it says nothing.
const THREAD_NAME: &str = "thread name";

/// What UCUM calls the units that pprof's writers use. Others stay as they are.
const UNITS: [(&str, &str); 6] = [
    ("bytes", "By"),
    ("seconds", "s"),
    ("milliseconds", "ms"),
    ("microseconds", "us"),
    ("nanoseconds", "ns"),
    ("count", "{count}"),
];

/// Turns the labels of one sample after the other into sets of attributes.
#[derive(Debug)]
pub(crate) struct Labels {
    sets: Table<SetId, Rc<[AttributeId]>>,
    /// Of the sample at hand.
    attributes: Vec<Attribute>,
}

impl Labels {
    pub(crate) fn new() -> Self {
        Self {
            sets: Table::new(),
            attributes: Vec::new(),
        }
    }

    /// The attributes of a set, each once, in an order that equal sets share.
    pub(crate) fn attributes(&self, set: SetId) -> &[AttributeId] {
        self.sets.get(set)
    }

    /// The attributes that these labels, whose texts `text` finds, stand for. Labels without a key stand for none, and those that share
    /// a key for one attribute with all their values.
    pub(crate) fn set<E>(
        &mut self,
        labels: &[Label],
        text: impl Fn(u64) -> Result<TextId, E>,
        dictionary: &mut Dictionary<'_>,
    ) -> Result<SetId, E> {
        self.attributes.clear();
        for label in labels {
            let (key, value) = (text(label.key)?, text(label.text)?);
            let unit = text(label.unit)?;
            self.attributes
                .extend(attribute(dictionary, key, value, label.number, unit));
        }
        // Stable: the values of a key stay in their order.
        self.attributes.sort_by_key(|attribute| attribute.key);
        let mut ids: Vec<AttributeId> = self
            .attributes
            .chunk_by(|one, other| one.key == other.key)
            .filter_map(joined)
            .map(|attribute| dictionary.attributes.insert(attribute))
            .collect();
        ids.sort_unstable();
        Ok(self.sets.insert(ids.into()))
    }
}

/// One label as an attribute, if it says anything.
fn attribute(
    dictionary: &mut Dictionary<'_>,
    key: TextId,
    text: TextId,
    number: i64,
    unit: TextId,
) -> Option<Attribute> {
    let none = TextId::default();
    let name = *dictionary.texts.get(key);
    if name.is_empty() || (name == THREAD_NAME && text == none) {
        return None;
    }
    let known = KEYS.iter().find(|(label, _)| name == *label);
    let key = known.map_or(key, |(_, attribute)| dictionary.texts.insert(attribute));
    if text != none {
        return Some(Attribute {
            key,
            value: AnyValue::Text(text),
            unit: none,
        });
    }
    let name = *dictionary.texts.get(unit);
    let known = UNITS.iter().find(|(pprof, _)| name == *pprof);
    let unit = known.map_or(unit, |(_, ucum)| dictionary.texts.insert(ucum));
    Some(Attribute {
        key,
        value: AnyValue::Integer(number),
        unit,
    })
}

/// Attributes of one key as one. A value that is repeated is there once.
fn joined(same_key: &[Attribute]) -> Option<Attribute> {
    let first = same_key.first()?;
    let mut values: Vec<AnyValue> = same_key.iter().map(|one| one.value.clone()).collect();
    values.dedup();
    let value = match values.as_slice() {
        [only] => only.clone(),
        _ => AnyValue::List(values.into()),
    };
    let Attribute { key, unit, .. } = *first;
    Some(Attribute { key, value, unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &AnyValue, dictionary: &Dictionary<'_>) -> String {
        match value {
            AnyValue::Unset => "?".to_owned(),
            AnyValue::Text(id) => (*dictionary.texts.get(*id)).to_owned(),
            AnyValue::Integer(number) => number.to_string(),
            AnyValue::List(values) => {
                let values = values.iter().map(|value| shown(value, dictionary));
                values.collect::<Vec<_>>().join("+")
            }
        }
    }

    /// The attributes of one sample, as `key=value unit`.
    fn attributes(
        labels: &[(&'static str, Result<&'static str, i64>, &'static str)],
    ) -> Vec<String> {
        let mut dictionary = Dictionary::new();
        let mut texts = vec![TextId::default()];
        let mut index = |dictionary: &mut Dictionary<'_>, text: &'static str| {
            texts.push(dictionary.texts.insert(text));
            texts.len() as u64 - 1
        };
        let labels: Vec<Label> = labels
            .iter()
            .map(|&(key, value, unit)| Label {
                key: index(&mut dictionary, key),
                text: value.map_or(0, |text| index(&mut dictionary, text)),
                number: value.err().unwrap_or_default(),
                unit: index(&mut dictionary, unit),
            })
            .collect();
        let mut sets = Labels::new();
        let text = |index: u64| Ok::<_, ()>(texts[index as usize]);
        let set = sets.set(&labels, text, &mut dictionary).unwrap();
        let mut reversed = labels;
        reversed.reverse();
        if reversed.len() < 5 {
            let again = sets.set(&reversed, text, &mut dictionary).unwrap();
            assert_eq!(set, again, "the order of keys is of no importance");
        }
        let shown = sets.attributes(set).iter().map(|&id| {
            let Attribute { key, value, unit } = dictionary.attributes.get(id).clone();
            let [key, unit] = [key, unit].map(|id| *dictionary.texts.get(id));
            format!("{key}={} {unit}", shown(&value, &dictionary))
        });
        shown.collect()
    }

    #[test]
    fn our_labels_get_the_names_of_the_conventions_and_others_keep_theirs() {
        let found = attributes(&[
            ("thread id", Err(42), ""),
            ("thread name", Ok("main"), ""),
            ("request", Ok("/"), ""),
            ("process id", Err(7), ""),
        ]);
        let expected = [
            "thread.id=42 ",
            "thread.name=main ",
            "request=/ ",
            "process.pid=7 ",
        ];
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list
        };
        assert_eq!(sorted(found), sorted(expected.map(str::to_owned).to_vec()));
        assert_eq!(
            attributes(&[("cluster worker id", Err(0), "")]),
            ["cluster.worker.id=0 "]
        );
    }

    #[test]
    fn units_are_those_of_ucum() {
        assert_eq!(
            attributes(&[("size", Err(4096), "bytes")]),
            ["size=4096 By"]
        );
        assert_eq!(
            attributes(&[("size", Err(3), "furlongs")]),
            ["size=3 furlongs"]
        );
    }

    #[test]
    fn a_label_that_says_nothing_is_no_attribute() {
        assert_eq!(attributes(&[("", Ok("x"), "")]), [""; 0]);
        assert_eq!(attributes(&[("thread name", Err(0), "")]), [""; 0]);
        assert_eq!(attributes(&[]), [""; 0]);
    }

    #[test]
    fn a_key_is_there_once_with_all_its_values() {
        let found = attributes(&[
            ("thread id", Err(1), ""),
            ("a", Ok("x"), ""),
            ("thread.id", Err(2), ""),
            ("a", Ok("x"), ""),
            ("thread id", Err(3), ""),
        ]);
        assert_eq!(found.len(), 2);
        assert!(found.contains(&"a=x ".to_owned()), "{found:?}");
        let list = "thread.id=1+2+3 ";
        assert!(found.contains(&list.to_owned()), "{found:?}");
    }
}
