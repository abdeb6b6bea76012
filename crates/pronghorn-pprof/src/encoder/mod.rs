//! The part of the protocol buffers wire format that a profile needs: varints and length-delimited fields.
//!
//! A field is a key (number << 3 | wire type) and a value. Fields that are zero are left out, as proto3 prescribes; so a
//! reader sees the same whether a value is absent or zero.

pub(crate) mod varint;

use varint::put_varint;

/// Wire type 0: one varint.
const VARINT: u64 = 0;
/// Wire type 1: eight bytes.
const FIXED64: u64 = 1;
/// Wire type 2: a length and that many bytes.
const LENGTH_DELIMITED: u64 = 2;

/// Writes the fields of one message.
#[derive(Debug, Clone, Default)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A message without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An unsigned number; left out if 0.
    pub fn uint(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.present(field, value);
        }
    }

    /// A signed number of the protocol's `int64`: a negative one takes ten bytes. Left out if 0.
    pub fn int(&mut self, field: u32, value: i64) {
        self.uint(field, value.cast_unsigned());
    }

    /// A truth value; left out if false.
    pub fn bool(&mut self, field: u32, value: bool) {
        self.uint(field, u64::from(value));
    }

    /// A number of the protocol's `optional` fields and `oneof`s: written even if 0, since there that is not the same as none.
    pub fn present(&mut self, field: u32, value: u64) {
        put_varint(&mut self.bytes, key(field, VARINT));
        put_varint(&mut self.bytes, value);
    }

    /// A number of the protocol's `fixed64`; left out if 0.
    pub fn fixed64(&mut self, field: u32, value: u64) {
        if value != 0 {
            put_varint(&mut self.bytes, key(field, FIXED64));
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Bytes or text; written even if empty, since a repeated field counts its entries.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.head(field, value.len());
        self.bytes.extend_from_slice(value);
    }

    /// What stands before bytes, a text or a message of this length.
    pub fn head(&mut self, field: u32, length: usize) {
        put_varint(&mut self.bytes, key(field, LENGTH_DELIMITED));
        put_varint(&mut self.bytes, length as u64);
    }

    /// A message inside this one.
    pub fn message(&mut self, field: u32, inner: &Self) {
        self.bytes(field, &inner.bytes);
    }

    /// A repeated number in packed form: zeros count. Left out if there are none.
    pub fn packed(&mut self, field: u32, values: impl Iterator<Item = u64> + Clone) {
        let length: usize = values.clone().map(varint::length).sum();
        if length == 0 {
            return;
        }
        self.head(field, length);
        for value in values {
            put_varint(&mut self.bytes, value);
        }
    }

    /// Forgets the fields and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// What has been written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn key(field: u32, wire_type: u64) -> u64 {
    u64::from(field) << 3 | wire_type
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_laid_out_as_the_wire_format_says() {
        let mut inner = Message::new();
        inner.uint(1, 150);
        // The format's own documentation gives these bytes for field 1 = 150.
        assert_eq!(inner.as_bytes(), [0x08, 0x96, 0x01]);

        let mut message = Message::new();
        message.message(3, &inner);
        message.bytes(2, "testing".as_bytes());
        message.packed(4, [3, 270, 86_942].into_iter());
        message.bool(20, true);
        assert_eq!(
            message.as_bytes(),
            [
                &[0x1a, 0x03, 0x08, 0x96, 0x01][..],
                &[0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g'],
                &[0x22, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05],
                &[0xa0, 0x01, 0x01],
            ]
            .concat()
        );
    }

    #[test]
    fn zero_is_left_out_except_inside_a_packed_list_and_as_an_empty_entry() {
        let mut message = Message::new();
        message.uint(1, 0);
        message.int(2, 0);
        message.bool(3, false);
        message.packed(4, std::iter::empty());
        assert_eq!(message.as_bytes(), []);
        message.packed(5, [0, 0].into_iter());
        message.bytes(6, b"");
        assert_eq!(message.as_bytes(), [0x2a, 2, 0, 0, 0x32, 0]);
    }

    #[test]
    fn what_tells_zero_from_none_is_always_written() {
        let mut message = Message::new();
        message.fixed64(1, 0);
        message.fixed64(1, 0x0102);
        message.present(2, 0);
        assert_eq!(message.as_bytes(), [0x09, 2, 1, 0, 0, 0, 0, 0, 0, 0x10, 0]);
    }

    #[test]
    fn a_negative_number_takes_ten_bytes() {
        let mut message = Message::new();
        message.int(1, -1);
        assert_eq!(
            message.as_bytes(),
            [
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
            ]
        );
    }
}
