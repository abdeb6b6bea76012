//! What tells samples of the same stack apart.

use crate::StringId;
use crate::encoder::Message;

/// A label of a sample: a key with a text or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// A text.
    Text {
        /// The label's name.
        key: StringId,
        /// Its value.
        value: StringId,
    },
    /// A number.
    Number {
        /// The label's name.
        key: StringId,
        /// Its value.
        value: i64,
        /// What it counts, such as `bytes`; the empty string for none.
        unit: StringId,
    },
}

impl Label {
    pub(crate) fn encode(self, message: &mut Message) {
        match self {
            Self::Text { key, value } => {
                message.uint(1, key.field());
                message.uint(2, value.field());
            }
            Self::Number { key, value, unit } => {
                message.uint(1, key.field());
                message.int(3, value);
                message.uint(4, unit.field());
            }
        }
    }
}
