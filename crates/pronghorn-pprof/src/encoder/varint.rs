//! Numbers of variable length: seven bits a byte, least significant first, the top bit set on all but the last.

/// Appends `value`, one to ten bytes.
pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// How many bytes [`put_varint`] appends for `value`.
pub(crate) fn length(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        bytes
    }

    #[test]
    fn small_numbers_take_one_byte_and_the_largest_ten() {
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(127), [0x7f]);
        assert_eq!(encoded(128), [0x80, 0x01]);
        assert_eq!(encoded(300), [0xac, 0x02]);
        assert_eq!(
            encoded(u64::MAX),
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
        );
    }

    #[test]
    fn the_length_is_the_number_of_bytes_written_at_every_border() {
        for bit in 0..64 {
            for value in [1 << bit, (1 << bit) - 1, (1 << bit) + 1] {
                assert_eq!(length(value), encoded(value).len(), "{value}");
            }
        }
        assert_eq!(length(u64::MAX), 10);
    }
}
