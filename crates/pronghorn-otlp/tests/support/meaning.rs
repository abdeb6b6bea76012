//! Whether a request says what its profile says: for each sample type the same stacks with the same attributes and the same sums, and the
//! same times, types and comments.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::profiles::v1development::{Profile, ProfilesDictionary, ValueType};

use super::Request;
use super::model::{Label, Pprof};

/// A stack and attributes as text, with the sum of the values.
type Sums = BTreeMap<String, i128>;

/// Panics where the two say different things.
pub fn compare(pprof: &Pprof, request: &Request) {
    let dictionary = request.dictionary.as_ref().expect("a dictionary");
    let [resource] = request.resource_profiles.as_slice() else {
        panic!("one resource");
    };
    let [scope] = resource.scope_profiles.as_slice() else {
        panic!("one scope");
    };
    assert_eq!(
        scope.profiles.len(),
        pprof.types.len(),
        "one profile per sample type"
    );
    let mut order: Vec<usize> = (0..pprof.types.len()).collect();
    let is_shown = |&number: &usize| {
        !pprof.default_type.is_empty() && pprof.types[number].0 == pprof.default_type
    };
    order.sort_by_key(|number| !is_shown(number));
    for (profile, number) in scope.profiles.iter().zip(order) {
        head(pprof, profile, number, dictionary);
        assert_eq!(sums(profile, dictionary), expected_sums(pprof, number));
    }
}

fn head(pprof: &Pprof, profile: &Profile, number: usize, dictionary: &ProfilesDictionary) {
    let value_type = |value_type: ValueType| {
        let text = |index: i32| dictionary.string_table[index as usize].clone();
        (
            text(value_type.type_strindex),
            text(value_type.unit_strindex),
        )
    };
    assert_eq!(
        profile.sample_type.map(value_type).as_ref(),
        pprof.types.get(number)
    );
    assert_eq!(profile.period_type.map(value_type), pprof.period_type);
    assert_eq!(profile.period, pprof.period);
    assert_eq!(profile.time_unix_nano, pprof.time_nanos.max(0) as u64);
    assert_eq!(profile.duration_nano, pprof.duration_nanos.max(0) as u64);
    let comments = match pprof.comments.as_slice() {
        [] => Vec::new(),
        comments => vec![format!("pprof.profile.comment=[{}]", quoted(comments))],
    };
    assert_eq!(attributes(&profile.attribute_indices, dictionary), comments);
}

fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    texts.join(", ")
}

fn sums(profile: &Profile, dictionary: &ProfilesDictionary) -> Sums {
    let mut sums = Sums::new();
    for sample in &profile.samples {
        let stack = &dictionary.stack_table[sample.stack_index as usize];
        let frames = stack
            .location_indices
            .iter()
            .map(|&index| location(index, dictionary));
        let frames: Vec<String> = frames.collect();
        let labels = attributes(&sample.attribute_indices, dictionary);
        let value = i128::from(sample.values[0]);
        *sums.entry(format!("{frames:?} {labels:?}")).or_default() += value;
    }
    sums
}

fn location(index: i32, dictionary: &ProfilesDictionary) -> String {
    let text = |index: i32| dictionary.string_table[index as usize].as_str();
    let location = &dictionary.location_table[index as usize];
    let mapping = &dictionary.mapping_table[location.mapping_index as usize];
    let build_id = attributes(&mapping.attribute_indices, dictionary);
    let lines = location.lines.iter().map(|line| {
        let function = &dictionary.function_table[line.function_index as usize];
        let [name, system_name, file] = [
            function.name_strindex,
            function.system_name_strindex,
            function.filename_strindex,
        ]
        .map(text);
        format!(
            "{name}/{system_name}/{file}:{} {}:{}",
            function.start_line, line.line, line.column
        )
    });
    let lines: Vec<String> = lines.collect();
    format!(
        "{:x}-{:x}+{:x} {} {build_id:?} @{:x} {lines:?} {:?}",
        mapping.memory_start,
        mapping.memory_limit,
        mapping.file_offset,
        text(mapping.filename_strindex),
        location.address,
        attributes(&location.attribute_indices, dictionary),
    )
}

/// As `key=value unit`, sorted.
fn attributes(indices: &[i32], dictionary: &ProfilesDictionary) -> Vec<String> {
    let texts = &dictionary.string_table;
    let mut list: Vec<String> = indices
        .iter()
        .map(|&index| {
            let attribute = &dictionary.attribute_table[index as usize];
            let value = attribute.value.as_ref().map(any_value).unwrap_or_default();
            let unit = &texts[attribute.unit_strindex as usize];
            let text = format!("{}={value} {unit}", texts[attribute.key_strindex as usize]);
            text.trim_end().to_owned()
        })
        .collect();
    list.sort();
    list
}

fn any_value(value: &AnyValue) -> String {
    match value.value.as_ref().expect("a value") {
        Value::StringValue(text) => format!("{text:?}"),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        Value::ArrayValue(list) => {
            let values: Vec<String> = list.values.iter().map(any_value).collect();
            format!("[{}]", values.join(", "))
        }
        other => panic!("{other:?}"),
    }
}

fn expected_sums(pprof: &Pprof, number: usize) -> Sums {
    let mut sums = Sums::new();
    for sample in &pprof.samples {
        let frames = sample
            .stack
            .iter()
            .map(|&position| expected_location(pprof, position));
        let frames: Vec<String> = frames.collect();
        let labels = expected_attributes(&sample.labels);
        let value = i128::from(sample.values[number]);
        *sums.entry(format!("{frames:?} {labels:?}")).or_default() += value;
    }
    sums.retain(|_, &mut sum| sum != 0);
    sums
}

fn expected_location(pprof: &Pprof, position: usize) -> String {
    let location = &pprof.locations[position];
    let mapping = location
        .mapping
        .map(|position| pprof.mappings[position].clone());
    let mut mapping = mapping.unwrap_or_default();
    if mapping.start >= mapping.limit {
        (mapping.start, mapping.limit) = (0, 0);
    }
    let build_id = match mapping.build_id.as_str() {
        "" => vec![],
        text => vec![format!("process.executable.build_id.gnu={text:?}")],
    };
    let mut first_name = None;
    let lines = location.lines.iter().map(|&(function, line, column)| {
        let function = function.map(|position| pprof.functions[position].clone());
        let mut function = function.unwrap_or_default();
        if [&function.name, &function.system_name, &function.file] == [""; 3] {
            function.start_line = 0;
        }
        first_name.get_or_insert_with(|| function.name.clone());
        format!(
            "{}/{}/{}:{} {}:{}",
            function.name,
            function.system_name,
            function.file,
            function.start_line.max(0),
            line.max(0),
            column.max(0)
        )
    });
    let lines: Vec<String> = lines.collect();
    let is_script = location.mapping.is_none()
        && location.address == 0
        && first_name.is_some_and(|name| name != "(native code)");
    let frame_type = if is_script { "v8js" } else { "native" };
    format!(
        "{:x}-{:x}+{:x} {} {build_id:?} @{:x} {lines:?} {:?}",
        mapping.start,
        mapping.limit,
        mapping.offset,
        mapping.file,
        location.address,
        [format!("profile.frame.type={frame_type:?}")],
    )
}

fn expected_attributes(labels: &[Label]) -> Vec<String> {
    let mut by_key: BTreeMap<&str, (Vec<String>, &str)> = BTreeMap::new();
    for label in labels {
        let (key, value, unit) = match label {
            Label::Text(key, text) if text.is_empty() => (key, "0".to_owned(), ""),
            Label::Text(key, text) => (key, format!("{text:?}"), ""),
            Label::Number(key, number, unit) => (key, number.to_string(), unit.as_str()),
        };
        let is_text = value.starts_with('"');
        let key = match key.as_str() {
            "" => continue,
            "thread name" if !is_text => continue,
            "thread id" => "thread.id",
            "thread name" => "thread.name",
            "process id" => "process.pid",
            "cluster worker id" => "cluster.worker.id",
            other => other,
        };
        let unit = match unit {
            "bytes" => "By",
            "nanoseconds" => "ns",
            other => other,
        };
        let (values, _) = by_key.entry(key).or_insert_with(|| (Vec::new(), unit));
        if values.last() != Some(&value) {
            values.push(value);
        }
    }
    let attributes = by_key.into_iter().map(|(key, (values, unit))| {
        let value = match values.as_slice() {
            [only] => only.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        format!("{key}={value} {unit}").trim_end().to_owned()
    });
    let mut attributes: Vec<String> = attributes.collect();
    attributes.sort();
    attributes
}
