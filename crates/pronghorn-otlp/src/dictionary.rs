//! What all profiles of a request share: `ProfilesDictionary` of profiles.proto.
//!
//! A profile's tables are put in whole. What is written is what the samples lead to: they name stacks and attributes, stacks name
//! locations, and so on down to the texts. The tables are therefore written in that order, the texts last.

use std::rc::Rc;

use pronghorn_pprof::Message;

use crate::Error;
use crate::attribute::{AnyValue, ValueWriter};
use crate::table::{Table, handle};

handle! {
    /// A text.
    TextId,
    /// A mapped file.
    MappingId,
    /// A function.
    FunctionId,
    /// A location.
    LocationId,
    /// An attribute.
    AttributeId,
    /// A stack.
    StackId,
}

/// A mapped file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    pub(crate) limit: u64,
    pub(crate) offset: u64,
    pub(crate) filename: TextId,
    /// Its build id, or the zero value.
    pub(crate) build_id: AttributeId,
}

/// A function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Function {
    pub(crate) name: TextId,
    pub(crate) system_name: TextId,
    pub(crate) filename: TextId,
    pub(crate) start_line: i64,
}

/// A place in the code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    pub(crate) mapping: MappingId,
    pub(crate) address: u64,
    /// Inlined functions before those that they were inlined into.
    pub(crate) lines: Rc<[Line]>,
    pub(crate) frame_type: AttributeId,
}

/// A line of a function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    pub(crate) function: FunctionId,
    pub(crate) line: i64,
    pub(crate) column: i64,
}

/// A key with a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Attribute {
    pub(crate) key: TextId,
    pub(crate) value: AnyValue,
    pub(crate) unit: TextId,
}

/// The texts.
pub(crate) type TextTable<'a> = Table<TextId, &'a str>;

/// The tables.
#[derive(Debug)]
pub(crate) struct Dictionary<'a> {
    pub(crate) texts: TextTable<'a>,
    pub(crate) mappings: Table<MappingId, Mapping>,
    pub(crate) functions: Table<FunctionId, Function>,
    pub(crate) locations: Table<LocationId, Location>,
    pub(crate) attributes: Table<AttributeId, Attribute>,
    /// Leaf first.
    pub(crate) stacks: Table<StackId, Rc<[LocationId]>>,
}

/// The field numbers of `ProfilesDictionary`.
mod field {
    pub(super) const MAPPING: u32 = 1;
    pub(super) const LOCATION: u32 = 2;
    pub(super) const FUNCTION: u32 = 3;
    pub(super) const LINK: u32 = 4;
    pub(super) const STRING: u32 = 5;
    pub(super) const ATTRIBUTE: u32 = 6;
    pub(super) const STACK: u32 = 7;
}

impl Dictionary<'_> {
    pub(crate) fn new() -> Self {
        Self {
            texts: Table::new(),
            mappings: Table::new(),
            functions: Table::new(),
            locations: Table::new(),
            attributes: Table::new(),
            stacks: Table::new(),
        }
    }

    /// The handle of an attribute without a unit.
    pub(crate) fn attribute(&mut self, key: &'static str, value: AnyValue) -> AttributeId {
        let key = self.texts.insert(key);
        self.attributes.insert(Attribute {
            key,
            value,
            unit: TextId::default(),
        })
    }

    /// Writes every entry that has a number, and those that these name. Nothing may be numbered afterwards.
    pub(crate) fn encode(mut self) -> Result<Message, Error> {
        let mut dictionary = Message::new();
        self.encode_stacks(&mut dictionary);
        self.encode_locations(&mut dictionary);
        self.encode_functions(&mut dictionary);
        self.encode_mappings(&mut dictionary);
        encode_links(&mut dictionary);
        self.encode_attributes(&mut dictionary)?;
        dictionary.bytes(field::STRING, b"");
        for number in 1.. {
            let Some(text) = self.texts.numbered(number) else {
                break;
            };
            dictionary.bytes(field::STRING, text.as_bytes());
        }
        Ok(dictionary)
    }

    fn encode_stacks(&mut self, dictionary: &mut Message) {
        let mut message = Message::new();
        let mut numbers = Vec::new();
        dictionary.message(field::STACK, &message);
        for number in 1.. {
            let Some(stack) = self.stacks.numbered(number) else {
                break;
            };
            numbers.clear();
            numbers.extend(stack.iter().map(|&id| self.locations.number(id)));
            message.clear();
            message.packed(1, numbers.iter().copied());
            dictionary.message(field::STACK, &message);
        }
    }

    fn encode_locations(&mut self, dictionary: &mut Message) {
        let mut message = Message::new();
        let mut line_message = Message::new();
        dictionary.message(field::LOCATION, &message);
        for number in 1.. {
            let Some(location) = self.locations.numbered(number) else {
                break;
            };
            message.clear();
            message.uint(1, self.mappings.number(location.mapping));
            message.uint(2, location.address);
            for line in location.lines.iter() {
                line_message.clear();
                line_message.uint(1, self.functions.number(line.function));
                line_message.int(2, line.line);
                line_message.int(3, line.column);
                message.message(3, &line_message);
            }
            let frame_type = self.attributes.number(location.frame_type);
            message.packed(4, std::iter::once(frame_type));
            dictionary.message(field::LOCATION, &message);
        }
    }

    fn encode_functions(&mut self, dictionary: &mut Message) {
        let mut message = Message::new();
        dictionary.message(field::FUNCTION, &message);
        for number in 1.. {
            let Some(function) = self.functions.numbered(number) else {
                break;
            };
            message.clear();
            message.uint(1, self.texts.number(function.name));
            message.uint(2, self.texts.number(function.system_name));
            message.uint(3, self.texts.number(function.filename));
            message.int(4, function.start_line);
            dictionary.message(field::FUNCTION, &message);
        }
    }

    fn encode_mappings(&mut self, dictionary: &mut Message) {
        let mut message = Message::new();
        dictionary.message(field::MAPPING, &message);
        for number in 1.. {
            let Some(mapping) = self.mappings.numbered(number) else {
                break;
            };
            message.clear();
            message.uint(1, mapping.start);
            message.uint(2, mapping.limit);
            message.uint(3, mapping.offset);
            message.uint(4, self.texts.number(mapping.filename));
            if mapping.build_id != AttributeId::default() {
                let build_id = self.attributes.number(mapping.build_id);
                message.packed(5, std::iter::once(build_id));
            }
            dictionary.message(field::MAPPING, &message);
        }
    }

    fn encode_attributes(&mut self, dictionary: &mut Message) -> Result<(), Error> {
        let mut values = ValueWriter::new();
        let mut message = Message::new();
        dictionary.message(field::ATTRIBUTE, &message);
        for number in 1.. {
            let Some(attribute) = self.attributes.numbered(number) else {
                break;
            };
            message.clear();
            message.uint(1, self.texts.number(attribute.key));
            message.message(2, &values.encode(&attribute.value, &self.texts)?);
            message.uint(3, self.texts.number(attribute.unit));
            dictionary.message(field::ATTRIBUTE, &message);
        }
        Ok(())
    }
}

/// Profiles have no links yet, so there is the zero value alone, in the form that decoders with fixed lengths can read.
fn encode_links(dictionary: &mut Message) {
    let mut link = Message::new();
    link.bytes(1, &[0; 16]);
    link.bytes(2, &[0; 8]);
    dictionary.message(field::LINK, &link);
}
