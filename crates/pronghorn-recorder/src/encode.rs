//! From a slot's data to a gzipped pprof.
//!
//! Every frame number becomes a location once, that of its original if it has one; the stacks then only translate numbers. Runs off the main thread on data that
//! nobody else can reach.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use pronghorn_pprof::{
    FastMap, Function as ProfileFunction, Label, Line, Location, LocationId, Mapping, MappingId,
    Profile, StringId,
};
use pronghorn_sync::failpoint;

use crate::original::Originals;
use crate::slot::{SlotData, StackEntry};
use crate::{Frame, MappingInfo, NativeLocation, ProfileTime, SerializeError, Symbolizer, Values};

/// What the profile says about itself besides its times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileInfo {
    /// The sampling interval, in nanoseconds.
    pub period_ns: u64,
    /// Lines for the reader, such as the versions of pronghorn, Node and V8.
    pub comments: Vec<String>,
    /// Numbers that every sample has as labels, such as `process id`.
    pub labels: Vec<(String, i64)>,
}

/// The three sample types, in the order of [`Values`].
const SAMPLE_TYPES: [(&str, &str); 3] = [
    ("samples", "count"),
    ("cpu", "nanoseconds"),
    ("wall", "nanoseconds"),
];

type CpuWallProfile = Profile<{ SAMPLE_TYPES.len() }>;

/// Encodes a finished period.
pub(crate) fn encode(
    data: &SlotData,
    start: ProfileTime,
    finish: ProfileTime,
    symbolizer: &mut dyn Symbolizer,
    info: &ProfileInfo,
) -> Result<Vec<u8>, SerializeError> {
    let mut profile = CpuWallProfile::new(SAMPLE_TYPES);
    profile.set_default_sample_type("cpu");
    profile.set_period("cpu", "nanoseconds", signed(info.period_ns));
    profile.set_time(
        signed(start.nanos_since_epoch()),
        signed(finish.nanos_since(start)),
    );
    for comment in &info.comments {
        profile.comment(comment);
    }
    failpoint!("mid-serialize");
    let originals = Originals::ask(data.frames(), symbolizer);
    let locations = add_locations(&mut profile, data.frames(), &originals, symbolizer)?;
    if originals.any() {
        // Places that differ in the generated code may be one line of the original, and stacks with it.
        let stacks = merged(data.stacks(), &locations);
        let stacks = stacks
            .iter()
            .map(|(of, stack, values)| (*of, stack.iter().copied(), *values));
        add_samples(&mut profile, data, stacks, info);
    } else {
        let stacks = data.stacks().map(|entry| {
            let stack = entry
                .frames
                .iter()
                .map(|&number| locations[number as usize]);
            (Of::from(&entry), stack, entry.values)
        });
        add_samples(&mut profile, data, stacks, info);
    }
    profile.to_gzip().map_err(SerializeError::Compress)
}

/// One location per frame, in the frames' order.
fn add_locations(
    profile: &mut CpuWallProfile,
    frames: &[Frame],
    originals: &Originals,
    symbolizer: &mut dyn Symbolizer,
) -> Result<Vec<LocationId>, SerializeError> {
    let natives = NativeNames::ask(profile, frames, symbolizer)?;
    let locations = frames.iter().map(|frame| {
        let location = match frame {
            Frame::Script { function, position } => {
                let shown = originals.show(function, *position);
                let name = profile.string(shown.name);
                let filename = profile.string(shown.file);
                script_location(profile, name, filename, shown.start_line, shown.line)
            }
            Frame::Marker(marker) => {
                let name = profile.string(marker.name());
                script_location(profile, name, StringId::EMPTY, 0, 0)
            }
            Frame::Native { address } => natives.location(profile, *address),
        };
        profile.location(location)
    });
    Ok(locations.collect())
}

/// A location that is a line of a function and has no address.
fn script_location(
    profile: &mut CpuWallProfile,
    name: StringId,
    filename: StringId,
    start_line: u32,
    line: u32,
) -> Location {
    let function = profile.function(ProfileFunction {
        name,
        filename,
        start_line: i64::from(start_line),
    });
    Location {
        mapping: None,
        address: 0,
        line: Some(Line {
            function,
            line: i64::from(line),
        }),
    }
}

/// What the symbolizer knows, ready to be looked up by address.
struct NativeNames {
    answers: FastMap<u64, NativeLocation>,
    /// The id in the profile of each of the symbolizer's mappings; none for those that no address lies in.
    mappings: Vec<Option<MappingId>>,
}

impl NativeNames {
    fn ask(
        profile: &mut CpuWallProfile,
        frames: &[Frame],
        symbolizer: &mut dyn Symbolizer,
    ) -> Result<Self, SerializeError> {
        // The frames are distinct, and so are the addresses.
        let addresses: Vec<u64> = frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Native { address } => Some(*address),
                Frame::Script { .. } | Frame::Marker(_) => None,
            })
            .collect();
        let answers = if addresses.is_empty() {
            Vec::new()
        } else {
            symbolizer
                .symbolize(&addresses)
                .map_err(SerializeError::Symbolizer)?
        };
        if answers.len() != addresses.len() {
            return Err(SerializeError::AnswerCount {
                asked: addresses.len(),
                answered: answers.len(),
            });
        }
        let mappings = add_mappings(profile, symbolizer.mappings(), &answers)?;
        Ok(Self {
            answers: addresses.into_iter().zip(answers).collect(),
            mappings,
        })
    }

    fn location(&self, profile: &mut CpuWallProfile, address: u64) -> Location {
        let Some(answer) = self.answers.get(&address) else {
            return Location {
                mapping: None,
                address,
                line: None,
            };
        };
        let line = answer.function.as_deref().map(|name| {
            let name = profile.string(name);
            let filename = profile.string(answer.file.as_deref().unwrap_or_default());
            let function = profile.function(ProfileFunction {
                name,
                filename,
                start_line: 0,
            });
            Line {
                function,
                line: i64::from(answer.line),
            }
        });
        Location {
            mapping: answer.mapping.and_then(|index| self.mappings[index]),
            address,
            line,
        }
    }
}

/// Adds the mappings that some address lies in, and before them the program's own file, which readers expect first.
fn add_mappings(
    profile: &mut CpuWallProfile,
    mappings: &[MappingInfo],
    answers: &[NativeLocation],
) -> Result<Vec<Option<MappingId>>, SerializeError> {
    #[derive(Clone, Copy, Default)]
    struct Known {
        any: bool,
        functions: bool,
        filenames: bool,
        lines: bool,
    }
    let mut known = vec![Known::default(); mappings.len()];
    for answer in answers {
        let Some(index) = answer.mapping else {
            continue;
        };
        let Some(mapping) = known.get_mut(index) else {
            return Err(SerializeError::UnknownMapping { index });
        };
        mapping.any = true;
        if answer.function.is_some() {
            mapping.functions = true;
            mapping.filenames |= answer.file.is_some();
            mapping.lines |= answer.line != 0;
        }
    }
    let ids = mappings
        .iter()
        .zip(&known)
        .enumerate()
        .map(|(index, (mapping, known))| {
            (known.any || index == 0).then(|| {
                let filename = profile.string(&mapping.path);
                let build_id = profile.string(&mapping.build_id);
                profile.mapping(Mapping {
                    memory_start: mapping.start,
                    memory_limit: mapping.limit,
                    file_offset: mapping.file_offset,
                    filename,
                    build_id,
                    has_functions: known.functions,
                    has_filenames: known.filenames,
                    has_line_numbers: known.lines,
                })
            })
        });
    Ok(ids.collect())
}

/// Whose a stack is: the thread, and the set of labels that was in force, by their numbers in the slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Of {
    thread: u32,
    labels: Option<u32>,
}

impl From<&StackEntry<'_>> for Of {
    fn from(entry: &StackEntry<'_>) -> Self {
        Self {
            thread: entry.thread,
            labels: entry.labels,
        }
    }
}

/// Stacks with their values, those with the same locations of the same thread and labels only once, in the order of first sight.
fn merged<'a>(
    stacks: impl Iterator<Item = StackEntry<'a>>,
    locations: &[LocationId],
) -> Vec<(Of, Arc<[LocationId]>, Values)> {
    let mut places: FastMap<(Of, Arc<[LocationId]>), usize> = FastMap::default();
    let mut merged: Vec<(Of, Arc<[LocationId]>, Values)> = Vec::new();
    for entry in stacks {
        let of = Of::from(&entry);
        let stack: Arc<[LocationId]> = entry
            .frames
            .iter()
            .map(|&number| locations[number as usize])
            .collect();
        match places.entry((of, Arc::clone(&stack))) {
            Entry::Occupied(place) => merged[*place.get()].2.add(entry.values),
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push((of, stack, entry.values));
            }
        }
    }
    merged
}

fn add_samples(
    profile: &mut CpuWallProfile,
    data: &SlotData,
    stacks: impl Iterator<Item = (Of, impl Iterator<Item = LocationId> + Clone, Values)>,
    info: &ProfileInfo,
) {
    let number = |key: StringId, value: i64| Label::Number {
        key,
        value,
        unit: StringId::EMPTY,
    };
    let of_all: Vec<Label> = info
        .labels
        .iter()
        .map(|(key, value)| number(profile.string(key), *value))
        .collect();
    let id_key = profile.string("thread id");
    let name_key = profile.string("thread name");
    let labels: Vec<Vec<Label>> = data
        .threads()
        .iter()
        .map(|thread| {
            let name = profile.string(&thread.name);
            let name = Label::Text {
                key: name_key,
                value: name,
            };
            let mut labels = vec![number(id_key, i64::from(thread.id)), name];
            labels.extend(&of_all);
            labels
        })
        .collect();
    let sets = data.label_sets().iter().map(|set| {
        let texts = set.pairs().map(|(key, value)| Label::Text {
            key: profile.string(key),
            value: profile.string(value),
        });
        texts.collect::<Vec<Label>>()
    });
    let sets: Vec<Vec<Label>> = sets.collect();
    let mut both = Vec::new();
    for (
        Of {
            thread,
            labels: set,
        },
        stack,
        values,
    ) in stacks
    {
        let Values {
            count,
            cpu_ns,
            wall_ns,
        } = values;
        let mut all = &labels[thread as usize];
        if let Some(set) = set {
            both.clone_from(all);
            both.extend_from_slice(&sets[set as usize]);
            all = &both;
        }
        profile.sample(stack, [count, cpu_ns, wall_ns].map(signed), all);
    }
}

/// The format's numbers are signed.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
