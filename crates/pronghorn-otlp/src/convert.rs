//! From the tables and samples of a pprof profile to those of a request.

use std::rc::Rc;

use crate::Error;
use crate::attribute::AnyValue;
use crate::dictionary::{
    AttributeId, Dictionary, Function, FunctionId, Line, Location, LocationId, Mapping, MappingId,
    TextId,
};
use crate::labels::Labels;
use crate::pprof::{self, Profile};
use crate::samples::{Identity, Samples};

/// A profile in the terms of the format.
#[derive(Debug)]
pub(crate) struct Converted<'a> {
    pub(crate) dictionary: Dictionary<'a>,
    pub(crate) labels: Labels,
    pub(crate) samples: Samples,
    /// The profile's texts, by their numbers.
    pub(crate) texts: Texts,
}

/// The handle of each text of a profile.
#[derive(Debug)]
pub(crate) struct Texts(Vec<TextId>);

impl Texts {
    fn insert_all<'a>(
        strings: &[&'a [u8]],
        dictionary: &mut Dictionary<'a>,
    ) -> Result<Self, Error> {
        let texts = strings.iter().enumerate().map(|(number, bytes)| {
            let text = std::str::from_utf8(bytes);
            let text = text.map_err(|_| Error::Pprof(format!("string {number} is no UTF-8")))?;
            Ok(dictionary.texts.insert(text))
        });
        texts.collect::<Result<_, Error>>().map(Self)
    }

    /// The text with this number.
    pub(crate) fn get(&self, number: u64) -> Result<TextId, Error> {
        let index = usize::try_from(number).ok();
        let text = index.and_then(|index| self.0.get(index)).copied();
        text.ok_or_else(|| {
            let count = self.0.len();
            Error::Pprof(format!("string {number} of {count} is missing"))
        })
    }
}

/// Puts everything that a profile holds into tables.
pub(crate) fn convert<'a>(profile: &mut Profile<'a>) -> Result<Converted<'a>, Error> {
    let mut dictionary = Dictionary::new();
    let texts = Texts::insert_all(&profile.strings, &mut dictionary)?;
    let locations = locations(profile, &texts, &mut dictionary)?;
    let mut labels = Labels::new();
    let mut samples = Samples::new(profile.sample_types.len());
    profile.for_each_sample(|profile, sample| {
        let ids = sample.locations.iter().map(|&id| {
            let position = profile.location_ids.position(id, "location")?;
            Ok(locations[position])
        });
        let stack = ids.collect::<Result<Rc<[LocationId]>, Error>>()?;
        let text = |number| texts.get(number);
        let identity = Identity {
            stack: dictionary.stacks.insert(stack),
            attributes: labels.set(&sample.labels, text, &mut dictionary)?,
        };
        samples.add(identity, &sample.values)
    })?;
    Ok(Converted {
        dictionary,
        labels,
        samples,
        texts,
    })
}

/// The handle of each location, by its position.
fn locations<'a>(
    profile: &Profile<'a>,
    texts: &Texts,
    dictionary: &mut Dictionary<'a>,
) -> Result<Vec<LocationId>, Error> {
    let mappings = profile.mappings.iter();
    let mappings = mappings.map(|record| mapping(record, texts, dictionary));
    let mappings = mappings.collect::<Result<Vec<MappingId>, Error>>()?;
    let functions = profile.functions.iter();
    let functions = functions.map(|record| function(record, texts, dictionary));
    let functions = functions.collect::<Result<Vec<FunctionId>, Error>>()?;
    let frame_types = FrameTypes::new(dictionary);

    let locations = profile.locations.iter().map(|record| {
        let mapping = match record.mapping {
            0 => MappingId::default(),
            id => mappings[profile.mapping_ids.position(id, "mapping")?],
        };
        let lines = profile.lines[record.lines.clone()].iter().map(|line| {
            let function = match line.function {
                0 => FunctionId::default(),
                id => functions[profile.function_ids.position(id, "function")?],
            };
            Ok(Line {
                function,
                line: line.line.max(0),
                column: line.column.max(0),
            })
        });
        let lines = lines.collect::<Result<Rc<[Line]>, Error>>()?;
        let frame_type = frame_types.of(record, &lines, dictionary);
        Ok(dictionary.locations.insert(Location {
            mapping,
            address: record.address,
            lines,
            frame_type,
        }))
    });
    locations.collect()
}

/// The format wants a range, or none. Some writers know only where a mapping begins.
fn mapping(
    record: &pprof::Mapping,
    texts: &Texts,
    dictionary: &mut Dictionary<'_>,
) -> Result<MappingId, Error> {
    let filename = texts.get(record.filename)?;
    let build_id = texts.get(record.build_id)?;
    let build_id = match build_id == TextId::default() {
        true => AttributeId::default(),
        false => dictionary.attribute("process.executable.build_id.gnu", AnyValue::Text(build_id)),
    };
    let (start, limit) = match record.start < record.limit {
        true => (record.start, record.limit),
        false => (0, 0),
    };
    Ok(dictionary.mappings.insert(Mapping {
        start,
        limit,
        offset: record.offset,
        filename,
        build_id,
    }))
}

/// The format wants a name of some kind: a function that has none is none.
fn function(
    record: &pprof::Function,
    texts: &Texts,
    dictionary: &mut Dictionary<'_>,
) -> Result<FunctionId, Error> {
    let [name, system_name, filename] =
        [record.name, record.system_name, record.filename].map(|number| texts.get(number));
    let function = Function {
        name: name?,
        system_name: system_name?,
        filename: filename?,
        start_line: record.start_line.max(0),
    };
    let unset = TextId::default();
    if [function.name, function.system_name, function.filename] == [unset; 3] {
        return Ok(FunctionId::default());
    }
    Ok(dictionary.functions.insert(function))
}

/// The attributes that tell JavaScript from native code.
struct FrameTypes {
    v8js: AttributeId,
    native: AttributeId,
}

/// Stands in our profiles for native code whose frames were not asked for.
const NATIVE_CODE: &str = "(native code)";

impl FrameTypes {
    fn new(dictionary: &mut Dictionary<'_>) -> Self {
        const KEY: &str = "profile.frame.type";
        let mut value = |text| {
            let value = AnyValue::Text(dictionary.texts.insert(text));
            dictionary.attribute(KEY, value)
        };
        Self {
            v8js: value("v8js"),
            native: value("native"),
        }
    }

    /// JavaScript has lines and no address; so have the markers of V8's states, such as `(garbage collector)`.
    fn of(
        &self,
        location: &pprof::Location,
        lines: &[Line],
        dictionary: &Dictionary<'_>,
    ) -> AttributeId {
        let name = lines.first().map(|line| {
            let function = dictionary.functions.get(line.function);
            *dictionary.texts.get(function.name)
        });
        let is_script = location.mapping == 0
            && location.address == 0
            && name.is_some_and(|name| name != NATIVE_CODE);
        if is_script { self.v8js } else { self.native }
    }
}
