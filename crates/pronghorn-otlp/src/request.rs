//! The request: one profile per sample type, the resource they come from, and the dictionary they share.

use pronghorn_pprof::{Message, gzip};

use crate::Error;
use crate::attribute::{self, AnyValue};
use crate::convert::{Converted, convert};
use crate::dictionary::{AttributeId, TextId};
use crate::gunzip::plain;
use crate::pprof::{Profile, ValueType};
use crate::rope::Rope;

/// The value of an attribute of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Integer(i64),
    /// A truth value.
    Flag(bool),
}

/// What a request says besides the profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Where the profile comes from. Of attributes with the same key the last one counts; one without a key does not.
    pub resource: Vec<(String, Value)>,
    /// An id for the profile of each sample type of the pprof, in their order there: random, and never all zeros. Profiles beyond
    /// these have none.
    pub profile_ids: Vec<[u8; 16]>,
    /// Whether the request is a gzip stream.
    pub gzip: bool,
}

/// The body of a request with this profile, which may be gzipped. Milliseconds of work: not on a main thread.
///
/// # Errors
/// If the bytes are no pprof profile.
pub fn encode(pprof: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    let bytes = plain(pprof)?;
    let mut profile = Profile::read(&bytes)?;
    let converted = convert(&mut profile)?;
    let request = request(&profile, converted, options)?;
    if options.gzip {
        return gzip::compress(|encoder| request.write_to(encoder))
            .map_err(|error| Error::Gzip(error.to_string()));
    }
    let mut body = Vec::with_capacity(request.len());
    request
        .write_to(&mut body)
        .map_err(|error| Error::Gzip(error.to_string()))?;
    Ok(body)
}

/// `ExportProfilesServiceRequest` of profiles_service.proto.
fn request(
    profile: &Profile<'_>,
    mut converted: Converted<'_>,
    options: &Options,
) -> Result<Rope, Error> {
    let mut scope_profiles = Rope::default();
    let mut head = Message::new();
    head.message(1, &scope());
    scope_profiles.push(head);
    let comments = comments(profile, &mut converted)?;
    for (number, sample_type) in in_order(profile, &converted)? {
        let id = options.profile_ids.get(number);
        let mut message = encode_profile(profile, &mut converted, number, sample_type)?;
        if let Some(id) = id {
            message.bytes(7, id);
        }
        let comments = comments.map(|id| converted.dictionary.attributes.number(id));
        message.packed(11, comments.into_iter());
        scope_profiles.message(2, message.into());
    }
    let mut resource_profiles = Rope::default();
    let mut head = Message::new();
    head.message(1, &resource(&options.resource));
    resource_profiles.push(head);
    resource_profiles.message(2, scope_profiles);

    let mut request = Rope::default();
    request.message(1, resource_profiles);
    request.message(2, converted.dictionary.encode()?.into());
    Ok(request)
}

/// The sample types with their numbers: the one to be shown first, and then as they stand in the profile. Viewers show the first profile.
fn in_order(
    profile: &Profile<'_>,
    converted: &Converted<'_>,
) -> Result<Vec<(usize, ValueType)>, Error> {
    let shown = converted.texts.get(profile.default_sample_type)?;
    let types = profile.sample_types.iter().copied().enumerate();
    let types = types.map(|(number, sample_type)| {
        let is_shown =
            shown != TextId::default() && converted.texts.get(sample_type.kind)? == shown;
        Ok((!is_shown, (number, sample_type)))
    });
    let mut types = types.collect::<Result<Vec<_>, Error>>()?;
    types.sort_by_key(|&(is_behind, _)| is_behind);
    Ok(types
        .into_iter()
        .map(|(_, sample_type)| sample_type)
        .collect())
}

/// `Profile` of profiles.proto, with the samples of one type.
fn encode_profile(
    profile: &Profile<'_>,
    converted: &mut Converted<'_>,
    number: usize,
    sample_type: ValueType,
) -> Result<Message, Error> {
    let Converted {
        dictionary,
        labels,
        samples,
        texts,
    } = converted;
    let mut value_type = |value_type: ValueType| {
        let (kind, unit) = (texts.get(value_type.kind)?, texts.get(value_type.unit)?);
        let mut message = Message::new();
        message.uint(1, dictionary.texts.number(kind));
        message.uint(2, dictionary.texts.number(unit));
        Ok::<_, Error>(message)
    };
    let mut message = Message::new();
    message.message(1, &value_type(sample_type)?);
    if let Some(period_type) = profile.period_type {
        message.message(5, &value_type(period_type)?);
    }
    message.fixed64(3, profile.time_nanos.max(0).cast_unsigned());
    message.int(4, profile.duration_nanos.max(0));
    message.int(6, profile.period);

    let mut sample = Message::new();
    let mut attributes = Vec::new();
    for (identity, value) in samples.of_type(number) {
        let ids = labels.attributes(identity.attributes).iter();
        attributes.clear();
        attributes.extend(ids.map(|&id| dictionary.attributes.number(id)));
        sample.clear();
        sample.uint(1, dictionary.stacks.number(identity.stack));
        sample.packed(2, attributes.iter().copied());
        sample.packed(4, std::iter::once(value.cast_unsigned()));
        message.message(2, &sample);
    }
    Ok(message)
}

/// The profile's comments as an attribute, if it has any.
fn comments(
    profile: &Profile<'_>,
    converted: &mut Converted<'_>,
) -> Result<Option<AttributeId>, Error> {
    if profile.comments.is_empty() {
        return Ok(None);
    }
    let Converted {
        dictionary, texts, ..
    } = converted;
    let comments = profile.comments.iter();
    let comments = comments.map(|&number| texts.get(number).map(AnyValue::Text));
    let list = comments.collect::<Result<_, Error>>().map(AnyValue::List)?;
    Ok(Some(dictionary.attribute("pprof.profile.comment", list)))
}

/// `InstrumentationScope` of common.proto.
fn scope() -> Message {
    let mut message = Message::new();
    message.bytes(1, b"pronghorn");
    message.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    message
}

/// `Resource` of resource.proto.
fn resource(attributes: &[(String, Value)]) -> Message {
    let mut message = Message::new();
    for (index, (key, value)) in attributes.iter().enumerate() {
        let is_said_later = attributes[index + 1..]
            .iter()
            .any(|(later, _)| later == key);
        if key.is_empty() || is_said_later {
            continue;
        }
        let value = match value {
            Value::Text(text) => attribute::text(text),
            Value::Integer(number) => attribute::integer(*number),
            Value::Flag(flag) => attribute::flag(*flag),
        };
        let mut pair = Message::new();
        pair.bytes(1, key.as_bytes());
        pair.message(2, &value);
        message.message(1, &pair);
    }
    message
}
