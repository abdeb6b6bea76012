//! A pprof profile as plain data, with everything that the format allows, written by the field numbers of profile.proto.

use std::collections::HashMap;

use pronghorn_pprof::Message;

#[derive(Debug, Clone, Default)]
pub struct Pprof {
    pub types: Vec<(String, String)>,
    pub default_type: String,
    pub samples: Vec<Sample>,
    pub mappings: Vec<Mapping>,
    pub functions: Vec<Function>,
    pub locations: Vec<Location>,
    pub period_type: Option<(String, String)>,
    pub period: i64,
    pub time_nanos: i64,
    pub duration_nanos: i64,
    pub comments: Vec<String>,
    /// Ids are positions times this plus 1.
    pub id_step: u64,
    /// Whether repeated numbers are packed.
    pub packed: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Positions of locations, leaf first.
    pub stack: Vec<usize>,
    pub values: Vec<i64>,
    pub labels: Vec<Label>,
}

#[derive(Debug, Clone)]
pub enum Label {
    Text(String, String),
    Number(String, i64, String),
}

#[derive(Debug, Clone, Default)]
pub struct Mapping {
    pub start: u64,
    pub limit: u64,
    pub offset: u64,
    pub file: String,
    pub build_id: String,
}

#[derive(Debug, Clone, Default)]
pub struct Function {
    pub name: String,
    pub system_name: String,
    pub file: String,
    pub start_line: i64,
}

#[derive(Debug, Clone, Default)]
pub struct Location {
    /// Position of a mapping.
    pub mapping: Option<usize>,
    pub address: u64,
    /// Position of a function, line, column.
    pub lines: Vec<(Option<usize>, i64, i64)>,
}

/// Numbers of texts, in a table that has some of them twice: readers must not mind.
struct Strings {
    numbers: HashMap<String, u64>,
    list: Vec<String>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        if let Some(&number) = self.numbers.get(text) {
            // Every other time the first one, and otherwise a second entry of the same text.
            if self.list.len().is_multiple_of(2) {
                return number;
            }
        }
        self.list.push(text.to_owned());
        let number = self.list.len() as u64;
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

impl Pprof {
    /// The three types of our profiles, and their times.
    pub fn ours() -> Self {
        let types = [
            ("samples", "count"),
            ("cpu", "nanoseconds"),
            ("wall", "nanoseconds"),
        ];
        let owned = |(kind, unit): (&str, &str)| (kind.to_owned(), unit.to_owned());
        Self {
            types: types.map(owned).to_vec(),
            default_type: "cpu".to_owned(),
            period_type: Some(owned(types[1])),
            period: 10_000_000,
            time_nanos: 1_795_437_296_789_000_000,
            duration_nanos: 60_000_000_000,
            comments: vec!["pronghorn 0.1.0, node v24.21.0".to_owned()],
            id_step: 1,
            packed: true,
            ..Self::default()
        }
    }

    /// Adds a JavaScript function with one place in it, and returns the place.
    pub fn script(&mut self, name: &str, file: &str, line: i64) -> usize {
        let function = self.function(name, file, line);
        self.locations.push(Location {
            lines: vec![(Some(function), line + 1, 0)],
            ..Location::default()
        });
        self.locations.len() - 1
    }

    /// Adds a function.
    pub fn function(&mut self, name: &str, file: &str, start_line: i64) -> usize {
        self.functions.push(Function {
            name: name.to_owned(),
            file: file.to_owned(),
            start_line,
            ..Function::default()
        });
        self.functions.len() - 1
    }

    /// The message, not compressed.
    pub fn encode(&self) -> Vec<u8> {
        let mut strings = Strings {
            numbers: HashMap::new(),
            list: Vec::new(),
        };
        let id = |position: usize| position as u64 * self.id_step + 1;
        let mut message = Message::new();
        for sample in &self.samples {
            message.message(2, &self.sample(sample, &mut strings));
        }
        for (position, location) in self.locations.iter().enumerate() {
            let mut inner = Message::new();
            inner.uint(1, id(position));
            inner.uint(2, location.mapping.map_or(0, id));
            inner.uint(3, location.address);
            for &(function, line, column) in &location.lines {
                let mut lines = Message::new();
                lines.uint(1, function.map_or(0, id));
                lines.int(2, line);
                lines.int(3, column);
                inner.message(4, &lines);
            }
            message.message(4, &inner);
        }
        for (position, function) in self.functions.iter().enumerate() {
            let mut inner = Message::new();
            inner.uint(1, id(position));
            inner.uint(2, strings.number(&function.name));
            inner.uint(3, strings.number(&function.system_name));
            inner.uint(4, strings.number(&function.file));
            inner.int(5, function.start_line);
            message.message(5, &inner);
        }
        for (position, mapping) in self.mappings.iter().enumerate() {
            let mut inner = Message::new();
            inner.uint(1, id(position));
            inner.uint(2, mapping.start);
            inner.uint(3, mapping.limit);
            inner.uint(4, mapping.offset);
            inner.uint(5, strings.number(&mapping.file));
            inner.uint(6, strings.number(&mapping.build_id));
            message.message(3, &inner);
        }
        self.head(&mut message, &mut strings);
        message.bytes(6, b"");
        for text in &strings.list {
            message.bytes(6, text.as_bytes());
        }
        message.as_bytes().to_vec()
    }

    fn head(&self, message: &mut Message, strings: &mut Strings) {
        let mut value_type = |(kind, unit): &(String, String)| {
            let mut inner = Message::new();
            inner.uint(1, strings.number(kind));
            inner.uint(2, strings.number(unit));
            inner
        };
        for sample_type in &self.types {
            message.message(1, &value_type(sample_type));
        }
        if let Some(period_type) = &self.period_type {
            message.message(11, &value_type(period_type));
        }
        message.int(9, self.time_nanos);
        message.int(10, self.duration_nanos);
        message.int(12, self.period);
        let comments: Vec<u64> = self
            .comments
            .iter()
            .map(|text| strings.number(text))
            .collect();
        self.repeated(message, 13, &comments);
        message.uint(14, strings.number(&self.default_type));
    }

    fn sample(&self, sample: &Sample, strings: &mut Strings) -> Message {
        let mut message = Message::new();
        let ids = sample
            .stack
            .iter()
            .map(|&position| position as u64 * self.id_step + 1);
        self.repeated(&mut message, 1, &ids.collect::<Vec<_>>());
        let values: Vec<u64> = sample
            .values
            .iter()
            .map(|value| value.cast_unsigned())
            .collect();
        self.repeated(&mut message, 2, &values);
        for label in &sample.labels {
            let mut inner = Message::new();
            match label {
                Label::Text(key, value) => {
                    inner.uint(1, strings.number(key));
                    inner.uint(2, strings.number(value));
                }
                Label::Number(key, value, unit) => {
                    inner.uint(1, strings.number(key));
                    inner.int(3, *value);
                    inner.uint(4, strings.number(unit));
                }
            }
            message.message(3, &inner);
        }
        message
    }

    fn repeated(&self, message: &mut Message, field: u32, values: &[u64]) {
        if self.packed {
            message.packed(field, values.iter().copied());
        } else {
            for &value in values {
                message.present(field, value);
            }
        }
    }
}
