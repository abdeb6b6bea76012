//! Reads the protocol buffers wire format from untrusted bytes. Knows nothing of pprof.
//!
//! Nothing is copied and nothing is kept: a message is a range of bytes, and its fields come one after the other. Its writer is
//! [`pronghorn_pprof::Message`].

use crate::Error;

/// Walks the fields of one message. After an error there are none.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) value: Value<'a>,
}

/// What a field holds, by its wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number.
    Varint(u64),
    /// A text, a message or a packed list.
    Bytes(&'a [u8]),
    /// Four or eight bytes, which pprof has no use for.
    Fixed,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn read(&mut self) -> Result<Field<'a>, Error> {
        let key = varint(&mut self.rest)?;
        let number = key >> 3;
        if number == 0 || key > u64::from(u32::MAX) {
            return Err(Error::Wire("a field has a number that none can have"));
        }
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = varint(&mut self.rest)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(Error::Wire("a field has an unknown wire type")),
        };
        Ok(Field { number, value })
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let length = usize::try_from(length).map_err(|_| Error::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Field<'a> {
    /// A number.
    pub(crate) fn uint(self) -> Result<u64, Error> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(WRONG_TYPE),
        }
    }

    /// A number of the protocol's `int64`.
    pub(crate) fn int(self) -> Result<i64, Error> {
        self.uint().map(u64::cast_signed)
    }

    /// A text or a message.
    pub(crate) fn bytes(self) -> Result<&'a [u8], Error> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WRONG_TYPE),
        }
    }

    /// Calls `each` with every number of a repeated field, packed or not.
    pub(crate) fn uints(self, mut each: impl FnMut(u64) -> Result<(), Error>) -> Result<(), Error> {
        match self.value {
            Value::Varint(value) => each(value),
            Value::Bytes(mut packed) => {
                while !packed.is_empty() {
                    each(varint(&mut packed)?)?;
                }
                Ok(())
            }
            Value::Fixed => Err(WRONG_TYPE),
        }
    }
}

/// The fields 1 to `N` of a message that are numbers; 0 where there is none.
pub(crate) fn uints<const N: usize>(message: &[u8]) -> Result<[u64; N], Error> {
    let mut values = [0; N];
    for field in Fields::of(message) {
        let field = field?;
        let place = usize::try_from(field.number - 1).ok();
        if let Some(value) = place.and_then(|place| values.get_mut(place)) {
            *value = field.uint()?;
        }
    }
    Ok(values)
}

const WRONG_TYPE: Error = Error::Wire("a field has another wire type than pprof gives it");

/// Takes a number of one to ten bytes off the front.
fn varint(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Error::Truncated)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Error::Wire("a number has more than 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<Field<'_>>, Error> {
        Fields::of(bytes).collect()
    }

    #[test]
    fn what_the_writer_writes_comes_back() {
        let mut message = pronghorn_pprof::Message::new();
        message.int(1, -1);
        message.bytes(2, b"text");
        message.packed(3, [0, 300, u64::MAX].into_iter());
        message.fixed64(4, 7);
        message.present(5, 0);
        let found = fields(message.as_bytes()).unwrap();
        assert_eq!(found.len(), 5);
        assert_eq!(found[0].int(), Ok(-1));
        assert_eq!(found[1].bytes(), Ok(&b"text"[..]));
        let mut list = Vec::new();
        found[2]
            .uints(|value| {
                list.push(value);
                Ok(())
            })
            .unwrap();
        assert_eq!(list, [0, 300, u64::MAX]);
        assert_eq!(found[3].value, Value::Fixed);
        assert_eq!((found[4].number, found[4].uint()), (5, Ok(0)));
    }

    #[test]
    fn numbers_come_in_the_order_of_their_fields() {
        let mut message = pronghorn_pprof::Message::new();
        message.uint(3, 30);
        message.uint(1, 10);
        message.bytes(4, b"beyond");
        assert_eq!(uints(message.as_bytes()), Ok([10, 0, 30]));
        assert_eq!(uints::<4>(message.as_bytes()), Err(WRONG_TYPE));
    }

    #[test]
    fn every_early_end_is_one() {
        let whole = [
            0x08, 0x96, 0x01, 0x12, 3, b'a', b'b', b'c', 0x1d, 1, 2, 3, 4,
        ];
        let borders = [0, 3, 8];
        assert_eq!(fields(&whole).unwrap().len(), 3);
        for end in 0..whole.len() {
            let read = fields(&whole[..end]);
            assert_eq!(read.is_ok(), borders.contains(&end), "{end}: {read:?}");
            if !borders.contains(&end) {
                assert_eq!(read, Err(Error::Truncated), "{end}");
            }
        }
    }

    #[test]
    fn lengths_and_numbers_beyond_all_bounds_are_errors() {
        let huge = [
            0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
        ];
        assert_eq!(fields(&huge), Err(Error::Truncated));
        let eleven = [&[0x08][..], &[0x80; 10], &[0]].concat();
        assert!(matches!(fields(&eleven), Err(Error::Wire(_))));
        let too_many_bits = [&[0x08][..], &[0x80; 9], &[2]].concat();
        assert!(matches!(fields(&too_many_bits), Err(Error::Wire(_))));
        assert!(
            matches!(fields(&[0x00, 0x00]), Err(Error::Wire(_))),
            "field 0"
        );
        assert!(matches!(fields(&[0x0b]), Err(Error::Wire(_))), "a group");
    }

    #[test]
    fn a_field_of_another_type_is_an_error() {
        let found = fields(&[0x08, 1, 0x12, 0, 0x1d, 0, 0, 0, 0]).unwrap();
        assert!(found[0].bytes().is_err());
        assert!(found[1].uint().is_err());
        assert!(found[2].uints(|_| Ok(())).is_err());
    }
}
