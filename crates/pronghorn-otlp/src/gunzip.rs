//! The bytes of a profile without their compression, if they have one.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use crate::Error;

/// The largest profile that is read, without compression: as lib/pprof/bytes.ts has it.
pub(crate) const MAX_BYTES: usize = 512 * 1024 * 1024;

/// Plain bytes come back as they are.
pub(crate) fn plain(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    plain_up_to(bytes, MAX_BYTES)
}

fn plain_up_to(bytes: &[u8], most: usize) -> Result<Cow<'_, [u8]>, Error> {
    let too_large = Error::TooLarge {
        what: "bytes",
        most,
    };
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return match bytes.len() {
            length if length > most => Err(too_large),
            _ => Ok(Cow::Borrowed(bytes)),
        };
    }
    let mut expanded = Vec::new();
    // One byte more than there may be shows that there are more.
    MultiGzDecoder::new(bytes)
        .take(most as u64 + 1)
        .read_to_end(&mut expanded)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::Truncated,
            _ => Error::Gzip(error.to_string()),
        })?;
    if expanded.len() > most {
        return Err(too_large);
    }
    Ok(Cow::Owned(expanded))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_not_gzip_is_taken_as_it_is() {
        assert_eq!(plain(b"profile").unwrap(), &b"profile"[..]);
        assert_eq!(plain(&gzip(b"profile")).unwrap(), &b"profile"[..]);
        assert_eq!(plain(b""), Err(Error::Empty));
    }

    #[test]
    fn a_stream_of_two_members_is_both() {
        let both = [gzip(b"pro"), gzip(b"file")].concat();
        assert_eq!(plain(&both).unwrap(), &b"profile"[..]);
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 100_000);
        assert!(plain_up_to(&bomb, 10_000_000).is_ok());
        let too_large = Error::TooLarge {
            what: "bytes",
            most: 9_999_999,
        };
        assert_eq!(plain_up_to(&bomb, 9_999_999), Err(too_large.clone()));
        assert_eq!(plain_up_to(&vec![1; 10_000_000], 9_999_999), Err(too_large));
    }

    #[test]
    fn damage_is_told_from_an_early_end() {
        let good = gzip(b"a profile that is long enough to be damaged in the middle");
        assert_eq!(plain(&good[..good.len() - 9]), Err(Error::Truncated));
        assert_eq!(plain(&good[..2]), Err(Error::Truncated));
        let mut bad = good;
        let middle = bad.len() / 2;
        bad[middle] ^= 0xff;
        assert!(
            matches!(plain(&bad), Err(Error::Gzip(_))),
            "{:?}",
            plain(&bad)
        );
    }
}
