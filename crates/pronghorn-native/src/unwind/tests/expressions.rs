//! The expression evaluator.

use crate::unwind::UnwindError;
use crate::unwind::expression::evaluate;
use crate::unwind::registers::Registers;

const BASE: u64 = 0x20_0000;

/// The value of these operations with a frame at pc 0x40_100b, sp 0x1000, fp 0x2000, and 77 at 0x1010.
fn run(operations: &[u8], first: Option<u64>) -> Result<u64, UnwindError> {
    let mut bytes = vec![u8::try_from(operations.len()).unwrap()];
    bytes.extend(operations);
    bytes.resize(600, 0);
    let memory = |address: u64| {
        if address == 0x1010 {
            return Some(77);
        }
        let offset = usize::try_from(address.checked_sub(BASE)?).ok()?;
        bytes
            .get(offset..)?
            .first_chunk()
            .map(|word| u64::from_le_bytes(*word))
    };
    evaluate(
        &memory,
        BASE,
        first,
        &Registers::new(0x40_100b, 0x1000, 0x2000, true),
    )
}

/// GNU ld describes a whole linkage table by one expression: rsp+8, and 8 more from the eleventh byte of an entry on.
#[test]
fn linkage_table() {
    let entry = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];
    assert_eq!(run(&entry, None), Ok(0x1010));
}

#[test]
fn operations() {
    for (operations, value) in [
        // breg7 0x10, deref
        (&[0x77, 0x10, 0x06][..], 77),
        // breg6 -8
        (&[0x76, 0x78], 0x1ff8),
        // lit5, lit3, minus; mul, or, xor
        (&[0x35, 0x33, 0x1c], 2),
        (&[0x35, 0x33, 0x1e], 15),
        (&[0x35, 0x33, 0x21], 7),
        (&[0x35, 0x33, 0x27], 6),
        // lit1, lit4, shl; neg; not; abs
        (&[0x31, 0x34, 0x24], 16),
        (&[0x31, 0x1f, 0x19], 1),
        (&[0x30, 0x20], u64::MAX),
        // const1s -1, const1u 60, shr
        (&[0x09, 0xff, 0x08, 60, 0x25], 15),
        // const1s -16, lit2, shra
        (&[0x09, 0xf0, 0x32, 0x26], (-4_i64).cast_unsigned()),
        // constu 300, plus_uconst 300
        (&[0x10, 0xac, 0x02, 0x23, 0xac, 0x02], 600),
        // consts -2, dup, mul
        (&[0x11, 0x7e, 0x12, 0x1e], 4),
        // lit1 lit2 over, swap, drop: leaves 1 on top
        (&[0x31, 0x32, 0x14, 0x16, 0x13], 1),
        // lit7 lit8 lit9 pick 2
        (&[0x37, 0x38, 0x39, 0x15, 2], 7),
        // comparisons: -1 < 1 signed
        (&[0x09, 0xff, 0x31, 0x2d], 1),
        (&[0x09, 0xff, 0x31, 0x2b], 0),
        // lit1, bra over one byte, lit9: leaves what was below
        (&[0x34, 0x31, 0x28, 1, 0, 0x39], 4),
        // skip over lit9, lit2
        (&[0x2f, 1, 0, 0x39, 0x32], 2),
        // const2u, const4u, const8u
        (&[0x0a, 1, 2], 0x201),
        (&[0x0c, 1, 0, 0, 1], 0x0100_0001),
        (&[0x0e, 1, 0, 0, 0, 0, 0, 0, 1], 0x0100_0000_0000_0001),
        // bregx 7 + 1, deref_size 1 of 0x1010
        (&[0x92, 7, 1], 0x1001),
        (&[0x77, 0x10, 0x94, 1], 77),
        // nop
        (&[0x96, 0x3f], 15),
    ] {
        assert_eq!(run(operations, None), Ok(value), "{operations:x?}");
    }
    assert_eq!(run(&[0x23, 8], Some(0x100)), Ok(0x108));
}

#[test]
fn refused() {
    // Nothing on the stack, an unknown operation, an unreadable address, an unknown register, half an operand.
    assert_eq!(run(&[], None), Err(UnwindError::Malformed));
    assert_eq!(run(&[0xf0], None), Err(UnwindError::Unsupported(0xf0)));
    assert_eq!(run(&[0x31, 0x06], None), Err(UnwindError::Unreadable));
    assert_eq!(run(&[0x70, 0], None), Err(UnwindError::UnknownRegister(0)));
    assert_eq!(run(&[0x0c, 1], None), Err(UnwindError::Malformed));
    // A loop, and a stack that overflows.
    assert_eq!(run(&[0x2f, 0xfd, 0xff], None), Err(UnwindError::Malformed));
    assert_eq!(run(&[0x31; 40], None), Err(UnwindError::Malformed));
}
