//! Compression: pprof files are gzip streams.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A profile gets 4% larger than by the usual level, 6, for a third of its time (docs/measurements.md).
const LEVEL: Compression = Compression::new(2);

/// A gzip stream of what `write` writes. Neither a name nor a time goes into the header, so equal input gives equal bytes.
///
/// # Errors
/// Those of `write` and of the compressor.
pub fn compress(
    write: impl FnOnce(&mut GzEncoder<Vec<u8>>) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), LEVEL);
    write(&mut encoder)?;
    encoder.finish()
}
