//! The rules of the format, checked on a request as a reader decodes it. Each that is broken is a sentence.

use std::collections::HashSet;
use std::fmt::Debug;

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::profiles::v1development::{
    Function, KeyValueAndUnit, Location, Mapping, Profile, ProfilesDictionary, Stack,
};

use super::Request;

/// What is found: sentences, and which entries somebody names.
struct Check<'a> {
    dictionary: &'a ProfilesDictionary,
    broken: Vec<String>,
    mappings: HashSet<i32>,
    locations: HashSet<i32>,
    functions: HashSet<i32>,
    links: HashSet<i32>,
    strings: HashSet<i32>,
    attributes: HashSet<i32>,
    stacks: HashSet<i32>,
}

/// Every rule that the request breaks.
pub fn broken(request: &Request) -> Vec<String> {
    let Some(dictionary) = &request.dictionary else {
        return vec!["there is no dictionary".to_owned()];
    };
    let mut check = Check {
        dictionary,
        broken: Vec::new(),
        mappings: HashSet::new(),
        locations: HashSet::new(),
        functions: HashSet::new(),
        links: HashSet::new(),
        strings: HashSet::new(),
        attributes: HashSet::new(),
        stacks: HashSet::new(),
    };
    for resource in &request.resource_profiles {
        let attributes = resource
            .resource
            .iter()
            .flat_map(|resource| &resource.attributes);
        let keys: Vec<&str> = attributes.map(|attribute| attribute.key.as_str()).collect();
        check.rule(is_unique(&keys), || format!("resource keys {keys:?}"));
        check.rule(!keys.contains(&""), || "a resource key is empty".to_owned());
        for scope in &resource.scope_profiles {
            let name = scope.scope.as_ref().map(|scope| scope.name.as_str());
            check.rule(name == Some("pronghorn"), || format!("scope {name:?}"));
            let ids = scope.profiles.iter().map(|profile| &profile.profile_id);
            let ids: Vec<_> = ids.filter(|id| !id.is_empty()).collect();
            check.rule(is_unique(&ids), || "two profiles have one id".to_owned());
            for profile in &scope.profiles {
                check.profile(profile);
            }
        }
    }
    check.tables();
    check.orphans();
    check.broken
}

impl Check<'_> {
    fn rule(&mut self, holds: bool, sentence: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(sentence());
        }
    }

    fn profile(&mut self, profile: &Profile) {
        let id = &profile.profile_id;
        let is_id = id.len() == 16 && id.iter().any(|&byte| byte != 0);
        self.rule(id.is_empty() || is_id, || format!("profile id {id:?}"));
        let has_payload = !profile.original_payload.is_empty();
        let has_format = !profile.original_payload_format.is_empty();
        self.rule(has_payload == has_format, || {
            "half an original payload".to_owned()
        });
        self.rule(profile.sample_type.is_some(), || {
            "no sample type".to_owned()
        });
        for value_type in [profile.sample_type, profile.period_type]
            .into_iter()
            .flatten()
        {
            self.strings
                .extend([value_type.type_strindex, value_type.unit_strindex]);
        }
        self.attribute_list(&profile.attribute_indices, "a profile");
        let mut identities = HashSet::new();
        let mut shapes = HashSet::new();
        let times = profile.time_unix_nano..profile.time_unix_nano + profile.duration_nano;
        for sample in &profile.samples {
            self.stacks.insert(sample.stack_index);
            self.links.insert(sample.link_index);
            self.attribute_list(&sample.attribute_indices, "a sample");
            let (values, timestamps) = (sample.values.len(), sample.timestamps_unix_nano.len());
            let is_aggregate = values == 1 && timestamps == 0;
            let is_events = timestamps > 0 && (values == 0 || values == timestamps);
            self.rule(is_aggregate || is_events, || {
                format!("a sample with {values} values and {timestamps} timestamps")
            });
            shapes.insert((values > 0, timestamps > 0));
            for time in &sample.timestamps_unix_nano {
                self.rule(times.contains(time), || format!("timestamp {time}"));
            }
            let is_zero = values > 0 && sample.values.iter().all(|&value| value == 0);
            self.rule(!is_zero, || "a sample of nothing".to_owned());
            let mut attributes = sample.attribute_indices.clone();
            attributes.sort_unstable();
            let identity = (sample.stack_index, attributes, sample.link_index);
            self.rule(identities.insert(identity), || {
                "a sample is there twice".to_owned()
            });
        }
        self.rule(shapes.len() <= 1, || {
            format!("samples of the shapes {shapes:?}")
        });
    }

    fn tables(&mut self) {
        let dictionary = self.dictionary;
        self.table("mapping", &dictionary.mapping_table, &Mapping::default());
        self.table("location", &dictionary.location_table, &Location::default());
        self.table("function", &dictionary.function_table, &Function::default());
        self.table("string", &dictionary.string_table, &String::new());
        let zero = KeyValueAndUnit::default();
        self.table("attribute", &dictionary.attribute_table, &zero);
        self.table("stack", &dictionary.stack_table, &Stack::default());
        let links = &dictionary.link_table;
        for link in links {
            let lengths = (link.trace_id.len(), link.span_id.len());
            self.rule(lengths == (16, 8), || {
                format!("a link of {lengths:?} bytes")
            });
        }
        let zero = links
            .first()
            .map(|link| [&link.trace_id[..], &link.span_id].concat());
        self.rule(
            zero.is_some_and(|ids| ids.iter().all(|&byte| byte == 0)),
            || "the first link is not zero".to_owned(),
        );
        self.rule(is_unique(&shown(links)), || {
            "a link is there twice".to_owned()
        });

        for stack in &dictionary.stack_table {
            self.locations.extend(&stack.location_indices);
            let zero = stack.location_indices.contains(&0);
            self.rule(!zero, || "a stack names the zero location".to_owned());
        }
        for location in dictionary.location_table.iter().skip(1) {
            self.location(location);
        }
        for function in dictionary.function_table.iter().skip(1) {
            let names = [
                function.name_strindex,
                function.system_name_strindex,
                function.filename_strindex,
            ];
            self.rule(names != [0; 3], || "a function without a name".to_owned());
            self.rule(function.start_line >= 0, || format!("{function:?}"));
            self.strings.extend(names);
        }
        for mapping in &dictionary.mapping_table {
            let bounds = (mapping.memory_start, mapping.memory_limit);
            let holds = bounds == (0, 0) || bounds.0 < bounds.1;
            self.rule(holds, || format!("a mapping with the bounds {bounds:?}"));
            self.strings.insert(mapping.filename_strindex);
            self.attribute_list(&mapping.attribute_indices, "a mapping");
        }
        for attribute in dictionary.attribute_table.iter().skip(1) {
            self.rule(attribute.key_strindex != 0, || "no key".to_owned());
            let value = attribute
                .value
                .as_ref()
                .and_then(|value| value.value.as_ref());
            self.rule(value.is_some(), || {
                "an attribute without a value".to_owned()
            });
            self.strings
                .extend([attribute.key_strindex, attribute.unit_strindex]);
        }
    }

    fn location(&mut self, location: &Location) {
        self.mappings.insert(location.mapping_index);
        self.attribute_list(&location.attribute_indices, "a location");
        for line in &location.lines {
            self.functions.insert(line.function_index);
            self.rule(line.line >= 0 && line.column >= 0, || format!("{line:?}"));
        }
        let types = location.attribute_indices.iter().filter_map(|&index| {
            let attribute = entry(&self.dictionary.attribute_table, index)?;
            let key = entry(&self.dictionary.string_table, attribute.key_strindex)?;
            (key == "profile.frame.type").then(|| attribute.value.clone())
        });
        let types: Vec<Option<AnyValue>> = types.collect();
        let is_known = |kind: &Option<AnyValue>| {
            let value = kind.as_ref().and_then(|value| value.value.as_ref());
            matches!(value, Some(Value::StringValue(text)) if text == "v8js" || text == "native")
        };
        self.rule(types.len() == 1 && types.iter().all(is_known), || {
            format!("a location with the frame types {types:?}")
        });
    }

    /// Attributes that somebody names: each key once.
    fn attribute_list(&mut self, indices: &[i32], whose: &str) {
        self.attributes.extend(indices);
        let keys = indices.iter().filter_map(|&index| {
            let attribute = entry(&self.dictionary.attribute_table, index)?;
            entry(&self.dictionary.string_table, attribute.key_strindex)
        });
        let keys: Vec<&String> = keys.collect();
        self.rule(is_unique(&keys), || {
            format!("{whose} has the keys {keys:?}")
        });
        self.rule(!indices.contains(&0), || {
            format!("{whose} names the zero attribute")
        });
    }

    /// The zero value first, and nothing twice. Entries are equal if their indices are, since what these name is there once too.
    fn table<T: PartialEq + Debug>(&mut self, name: &str, entries: &[T], zero: &T) {
        self.rule(entries.first() == Some(zero), || {
            format!("the first {name} is {:?}", entries.first())
        });
        self.rule(is_unique(&shown(entries)), || {
            format!("a {name} is there twice")
        });
    }

    /// Every index names an entry, and every entry is named.
    fn orphans(&mut self) {
        let dictionary = self.dictionary;
        let tables = [
            ("mapping", &self.mappings, dictionary.mapping_table.len()),
            ("location", &self.locations, dictionary.location_table.len()),
            ("function", &self.functions, dictionary.function_table.len()),
            ("link", &self.links, dictionary.link_table.len()),
            ("string", &self.strings, dictionary.string_table.len()),
            (
                "attribute",
                &self.attributes,
                dictionary.attribute_table.len(),
            ),
            ("stack", &self.stacks, dictionary.stack_table.len()),
        ];
        let mut broken = Vec::new();
        for (name, named, length) in tables {
            let is_there = |&index: &i32| usize::try_from(index).is_ok_and(|index| index < length);
            broken.extend(
                named
                    .iter()
                    .filter(|index| !is_there(index))
                    .map(|index| format!("{name} {index} of {length} is named")),
            );
            let orphans = (1..length as i32).filter(|index| !named.contains(index));
            broken.extend(orphans.map(|index| format!("{name} {index} is named by nobody")));
        }
        self.broken.extend(broken);
    }
}

fn entry<T>(table: &[T], index: i32) -> Option<&T> {
    table.get(usize::try_from(index).ok()?)
}

fn shown<T: Debug>(entries: &[T]) -> Vec<String> {
    entries.iter().map(|entry| format!("{entry:?}")).collect()
}

fn is_unique<T: Eq + std::hash::Hash>(list: &[T]) -> bool {
    list.iter().collect::<HashSet<_>>().len() == list.len()
}
