//! Compression: pprof files are gzip streams.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// A gzip stream of what `write` writes. Neither a name nor a time goes into the header, so equal input gives equal bytes.
pub(crate) fn compress(
    write: impl FnOnce(&mut GzEncoder<Vec<u8>>) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    write(&mut encoder)?;
    encoder.finish()
}

/// What `bytes`, a gzip stream, held: for tests of this crate.
#[cfg(test)]
pub(crate) fn decompress(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::write::GzDecoder::new(&mut plain)
        .write_all(bytes)
        .expect("a gzip stream");
    plain
}
