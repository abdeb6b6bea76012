//! Images of files that are not loaded, for tests and benchmarks only.

use std::io;
use std::path::Path;

use crate::elf::{self, PF_X, PT_GNU_EH_FRAME, PT_LOAD};
use crate::images::{Image, ImageList, Segment};
use crate::symbol_source::Source;
use crate::unwind::UnwindTable;

/// A list of the one image that the file at `path` would be at the addresses it asks for.
///
/// # Errors
///
/// The file cannot be opened or has no code.
pub fn image_list(path: &Path) -> io::Result<ImageList> {
    let source = Source::file(path)?;
    let headers = elf::program_headers(&source, 0);
    let loaded = || headers.iter().filter(|header| header.kind == PT_LOAD);
    let segments: Vec<Segment> = loaded()
        .filter(|header| header.flags & PF_X != 0)
        .map(|header| Segment {
            start: header.address,
            end: header.address.saturating_add(header.memory_size),
            file_offset: header.offset,
        })
        .collect();
    if segments.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let memory = |address: u64| {
        let header =
            loaded().find(|header| address.wrapping_sub(header.address) < header.file_size)?;
        source.u64(
            address
                .wrapping_sub(header.address)
                .checked_add(header.offset)?,
        )
    };
    let table = headers
        .iter()
        .find(|header| header.kind == PT_GNU_EH_FRAME)
        .and_then(|header| {
            let end = header.address.checked_add(header.memory_size)?;
            UnwindTable::parse(&memory, header.address, end).ok()
        });
    let image = Image {
        path: path.into(),
        load_bias: 0,
        header: loaded()
            .find(|header| header.offset == 0)
            .map_or(0, |header| header.address),
        segments: segments.into(),
        build_id: elf::identity(&source).build_id,
        unwind_table: table,
        is_main: false,
    };
    Ok(ImageList::new(vec![image], 1))
}
