//! What an attribute's value is, and how the format writes it: `AnyValue` of common.proto, as far as profiles need it.

use std::rc::Rc;

use pronghorn_pprof::Message;

use crate::Error;
use crate::dictionary::{TextId, TextTable};

/// Most bytes of texts in all attributes: they are written out wherever they are named, and a hostile profile may name a long one often.
const MAX_TEXT_BYTES: usize = 64 * 1024 * 1024;

/// The value of an attribute. Texts are handles, so that comparing is quick however long they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) enum AnyValue {
    /// None at all, which only the zero value has.
    #[default]
    Unset,
    Text(TextId),
    Integer(i64),
    /// Several values of one key.
    List(Rc<[AnyValue]>),
}

/// Writes values. The format tells one that is 0 from none, so each is written.
#[derive(Debug)]
pub(crate) struct ValueWriter {
    /// Bytes of texts that may still be written.
    left: usize,
}

impl ValueWriter {
    pub(crate) fn new() -> Self {
        Self {
            left: MAX_TEXT_BYTES,
        }
    }

    /// As a message.
    pub(crate) fn encode(
        &mut self,
        value: &AnyValue,
        texts: &TextTable<'_>,
    ) -> Result<Message, Error> {
        Ok(match value {
            AnyValue::Unset => Message::new(),
            AnyValue::Integer(number) => integer(*number),
            AnyValue::Text(id) => {
                let value = texts.get(*id);
                self.left = self.left.checked_sub(value.len()).ok_or(Error::TooLarge {
                    what: "bytes of labels and comments",
                    most: MAX_TEXT_BYTES,
                })?;
                text(value)
            }
            AnyValue::List(values) => {
                let mut list = Message::new();
                for value in values.iter() {
                    list.message(1, &self.encode(value, texts)?);
                }
                let mut message = Message::new();
                message.message(5, &list);
                message
            }
        })
    }
}

/// A text as an `AnyValue`.
pub(crate) fn text(text: &str) -> Message {
    let mut message = Message::new();
    message.bytes(1, text.as_bytes());
    message
}

/// A truth value as an `AnyValue`.
pub(crate) fn flag(flag: bool) -> Message {
    let mut message = Message::new();
    message.present(2, u64::from(flag));
    message
}

/// A number as an `AnyValue`.
pub(crate) fn integer(number: i64) -> Message {
    let mut message = Message::new();
    message.present(3, number.cast_unsigned());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written down by hand from common.proto.
    #[test]
    fn values_have_these_bytes() {
        let mut texts = TextTable::new();
        let word = AnyValue::Text(texts.insert("word"));
        let cases: [(AnyValue, &[u8]); 5] = [
            (AnyValue::Unset, &[]),
            (AnyValue::Text(TextId::default()), &[0x0a, 0]),
            (AnyValue::Integer(0), &[0x18, 0]),
            (AnyValue::Integer(300), &[0x18, 0xac, 0x02]),
            (
                AnyValue::List(Rc::from([word, AnyValue::Integer(1)])),
                &[
                    0x2a, 12, 0x0a, 6, 0x0a, 4, b'w', b'o', b'r', b'd', 0x0a, 2, 0x18, 1,
                ],
            ),
        ];
        for (value, bytes) in cases {
            let message = ValueWriter::new().encode(&value, &texts).unwrap();
            assert_eq!(message.as_bytes(), bytes, "{value:?}");
        }
        assert_eq!(flag(false).as_bytes(), [0x10, 0]);
        assert_eq!(flag(true).as_bytes(), [0x10, 1]);
    }

    #[test]
    fn a_long_text_that_is_named_often_is_refused() {
        let long = "x".repeat(MAX_TEXT_BYTES / 3);
        let mut texts = TextTable::new();
        let value = AnyValue::Text(texts.insert(&long));
        let mut writer = ValueWriter::new();
        for _ in 0..3 {
            assert!(writer.encode(&value, &texts).is_ok());
        }
        let refused = writer.encode(&value, &texts);
        assert!(
            matches!(refused, Err(Error::TooLarge { .. })),
            "{refused:?}"
        );
    }
}
