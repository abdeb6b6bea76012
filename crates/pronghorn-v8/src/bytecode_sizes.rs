//! How long each bytecode is, per V8 version: needed to count bytecodes along a baseline frame's table.
//!
//! One digit per bytecode: bytes with narrow operands, and how many of its operands grow with the Wide (twice) and
//! ExtraWide (four times) prefix. Measured from the table in the official Node binaries, which 11.3 and 12.4 export and
//! the later ones do not. A table that does not fit fails the proof of baseline frames.

use crate::version::Version;

/// The sizes of one version's bytecodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BytecodeSizes {
    narrow: &'static [u8],
    growing: &'static [u8],
}

impl BytecodeSizes {
    /// The table of a version; of its nearest known neighbour within the same major otherwise.
    pub(crate) const fn for_version(version: Version) -> Option<Self> {
        match (version.major, version.minor) {
            (11, _) => Some(Self {
                narrow: V11_3.0,
                growing: V11_3.1,
            }),
            (12, _) => Some(Self {
                narrow: V12_4.0,
                growing: V12_4.1,
            }),
            (13, _) => Some(Self {
                narrow: V13_6.0,
                growing: V13_6.1,
            }),
            (14, 0..=3) => Some(Self {
                narrow: V14_1.0,
                growing: V14_1.1,
            }),
            (14, _) => Some(Self {
                narrow: V14_6.0,
                growing: V14_6.1,
            }),
            _ => None,
        }
    }

    /// The length of the instruction at the start of `code`, prefix included.
    pub(crate) fn length(&self, code: &[u8]) -> Option<usize> {
        let digit = |digits: &[u8], bytecode: u8| {
            let digit = digits.get(usize::from(bytecode))?.checked_sub(b'0')?;
            Some(usize::from(digit))
        };
        // Wide, ExtraWide, and the debugger's stand-ins for them.
        let extra = match *code.first()? {
            0 | 2 => 1,
            1 | 3 => 3,
            bytecode => return digit(self.narrow, bytecode),
        };
        let bytecode = *code.get(1)?;
        Some(1 + digit(self.narrow, bytecode)? + extra * digit(self.growing, bytecode)?)
    }
}

type Digits = (&'static [u8], &'static [u8]);

const V11_3: Digits = (
    b"1111123455621211111244222322211123334224424434433344454533333333333333333333333322221112224554565345\
            55644553333333322221541241434233331114222222222222222222222242335211112112454412211111111111111111",
    b"0000012342310100000133111211100002223113313313322233333322222222222222222222222211110001113443454234\
            42322442222222211110220120222122220003111111111111111111111131224100001001343301100000000000000000",
);

const V12_4: Digits = (
    b"1111123455621211111244222322211123334242244244344353344454533333333333333333333333322221112224554565\
            3455564455333333333122211541241434233331114222222222222222222222242335211112112454412211111111111111\
            111",
    b"0000012342310100000133111211100002223131133133133242233333322222222222222222222222211110001113443454\
            2344232244222222222011100220120222122220003111111111111111111111131224100001001343301100000000000000\
            000",
);

const V13_6: Digits = (
    b"1111123455621211111244422223222111233342422444244434435334445453333333333333333333333332222112222455\
            4565345556445533333333312221154124143423333111422222222224222222222222442352111121124544122111111111\
            11111111",
    b"0000012342310100000133311112111000022231311333133313324223333332222222222222222222222221111001111344\
            3454234423224422222222201110022012022212222000311111111113111111111111331241000010013433011000000000\
            00000000",
);

const V14_1: Digits = (
    b"1111123455621211111244422223222111233342422444244434435334445452333333333333433333333333322221122224\
            5545653455564455333333333122211541241434233333111422222222224222222222222442352411112112454412211111\
            111111111111",
    b"0000012342310100000133311112111000022231311333133313324223333331222222222222222222222222211110011113\
            4434542344232244222222222011100220120222122222000311111111113111111111111331241300001001343301100000\
            000000000000",
);

const V14_6: Digits = (
    b"1111123455621211111244422223222111233342422444244434435334445453333333333333433333333333322221122224\
            5545653455564455344444433122211541241434233333111422222222224222222222222442352511112112454412211111\
            111111111111",
    b"0000012342310100000133311112111000022231311333133313324223333332222222222222222222222222211110011113\
            4434542344232244211111122011100220120222122222000311111111113111111111111331241400001001343301000000\
            000000000000",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_version_has_a_whole_table() {
        for (version, count) in [
            ((11, 3), 198),
            ((12, 4), 203),
            ((13, 6), 208),
            ((14, 1), 212),
            ((14, 6), 212),
        ] {
            let sizes = BytecodeSizes::for_version(Version::new(version.0, version.1)).unwrap();
            assert_eq!(sizes.narrow.len(), count, "{version:?}");
            assert_eq!(sizes.growing.len(), count, "{version:?}");
        }
        assert!(BytecodeSizes::for_version(Version::new(15, 0)).is_none());
    }

    #[test]
    fn prefixes_widen_operands() {
        let sizes = BytecodeSizes::for_version(Version::new(13, 6)).unwrap();
        // LdaZero has no operand.
        assert_eq!(sizes.length(&[0x0c]), Some(1));
        // LdaSmi has one that grows.
        assert_eq!(sizes.length(&[0x0d, 1]), Some(2));
        assert_eq!(sizes.length(&[0x00, 0x0d]), Some(4));
        assert_eq!(sizes.length(&[0x01, 0x0d]), Some(6));
        // The debugger's stand-ins.
        assert_eq!(sizes.length(&[0x02, 0x0d]), Some(4));
        assert_eq!(sizes.length(&[0x03, 0x0d]), Some(6));
        assert_eq!(sizes.length(&[0x00]), None);
        assert_eq!(sizes.length(&[]), None);
        assert_eq!(sizes.length(&[0xff]), None);
    }
}
