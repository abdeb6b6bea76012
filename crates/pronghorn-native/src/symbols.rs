//! Names for native addresses.
//!
//! # Threads
//!
//! A [`Symbolizer`] belongs to one thread at a time, one that may read files: never a handler, and not the main thread,
//! since the first pass over a large binary takes tens of milliseconds.
//!
//! # What is kept
//!
//! The results for addresses asked before, [`MAX_CACHED`] at most, and nothing of the symbol tables: a table of 150,000
//! symbols is read once in pieces for all unknown addresses of a call, and forgotten. A fork copies the results, which stay
//! right.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::demangle::demangle;
use crate::elf::{self, SymbolTable};
use crate::images::{Image, ImageList};
use crate::symbol_scan;
use crate::symbol_source::Source;

/// Addresses whose result is remembered, in all images together; beyond that all are forgotten at once.
const MAX_CACHED: usize = 32 * 1024;

/// The function that an address lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Demangled, without parameters. Addresses of one function share it.
    pub name: Arc<str>,
    /// Where the function starts in this process.
    pub start: u64,
}

/// Looks names up in the files of the images. See the module for threads and memory.
#[derive(Debug, Default)]
pub struct Symbolizer {
    images: HashMap<ImageKey, Known>,
    cached: usize,
}

/// What names an image's content across snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ImageKey {
    path: Box<Path>,
    build_id: Option<Box<[u8]>>,
    header: u64,
}

/// Results for one image; addresses are relative to the load bias.
#[derive(Debug, Default)]
struct Known {
    /// The start of each asked address's function.
    addresses: HashMap<u64, Option<u64>>,
    /// The names of functions, by start.
    functions: HashMap<u64, Arc<str>>,
}

impl Symbolizer {
    /// A symbolizer that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The function of each address, in the order of `addresses`.
    ///
    /// For a return address give [`Registers::lookup_pc`](crate::unwind::Registers::lookup_pc), the address of the call, since a
    /// call may be its function's last instruction; nothing is subtracted here. `None` stands for an address in no image of the list, in
    /// one whose file has no symbol for it (where that is missing, or is another one by now: whose memory), or in an image that cannot be read. Never fails.
    pub fn symbolize(&mut self, images: &ImageList, addresses: &[u64]) -> Vec<Option<Symbol>> {
        if self.cached > MAX_CACHED {
            self.images.clear();
            self.cached = 0;
        }
        let mut by_image: HashMap<usize, Vec<u64>> = HashMap::new();
        let places: Vec<Option<(&Image, u64)>> = addresses
            .iter()
            .map(|&address| {
                let index = images.find_index(address)?;
                let image = images.images().get(index)?;
                by_image
                    .entry(index)
                    .or_default()
                    .push(address.wrapping_sub(image.load_bias));
                Some((image, address.wrapping_sub(image.load_bias)))
            })
            .collect();
        for (index, wanted) in by_image {
            if let Some(image) = images.images().get(index) {
                let known = self.images.entry(ImageKey::of(image)).or_default();
                self.cached = self.cached.saturating_add(known.learn(image, wanted));
            }
        }
        let results = places.into_iter().map(|place| {
            let (image, address) = place?;
            self.images
                .get(&ImageKey::of(image))?
                .symbol(image, address)
        });
        results.collect()
    }
}

impl ImageKey {
    fn of(image: &Image) -> Self {
        Self {
            path: image.path.clone(),
            build_id: image.build_id.clone(),
            header: image.header,
        }
    }
}

impl Known {
    fn symbol(&self, image: &Image, address: u64) -> Option<Symbol> {
        let start = (*self.addresses.get(&address)?)?;
        let name = Arc::clone(self.functions.get(&start)?);
        Some(Symbol {
            name,
            start: start.wrapping_add(image.load_bias),
        })
    }

    /// Finds the functions of those addresses that were not asked before; returns how many these were.
    fn learn(&mut self, image: &Image, mut wanted: Vec<u64>) -> usize {
        wanted.retain(|address| !self.addresses.contains_key(address));
        wanted.sort_unstable();
        wanted.dedup();
        let count = wanted.len();
        if count > 0 {
            self.addresses
                .extend(wanted.iter().map(|&address| (address, None)));
            // What the loader has mapped of a file's symbols is in the file: only where that is missing has the memory more to say.
            let has_file = self.learn_from_file(image, &mut wanted);
            if !wanted.is_empty() {
                self.learn_from_debug_file(image, &mut wanted);
            }
            if !wanted.is_empty() && !has_file {
                self.learn_from_memory(image, &mut wanted);
            }
        }
        count
    }

    /// Whether the image's file could be read, and has a table of the symbols that others can see.
    fn learn_from_file(&mut self, image: &Image, wanted: &mut Vec<u64>) -> bool {
        if image.is_vdso() {
            return false;
        }
        // The program's own file can be read through this link even when it was deleted or replaced.
        let path = if image.is_main {
            Path::new("/proc/self/exe")
        } else {
            image.path()
        };
        self.learn_from_sections(image, path, wanted)
    }

    /// Distributions keep the symbols of stripped libraries in files named by build id.
    fn learn_from_debug_file(&mut self, image: &Image, wanted: &mut Vec<u64>) {
        if let Some(path) = image.build_id().and_then(debug_file) {
            self.learn_from_sections(image, &path, wanted);
        }
    }

    /// Whether the file is the image's, and has a table of the symbols that others can see.
    fn learn_from_sections(&mut self, image: &Image, path: &Path, wanted: &mut Vec<u64>) -> bool {
        let Ok(source) = Source::file(path) else {
            return false;
        };
        if !is_file_of(&source, image) {
            return false;
        }
        let sections = elf::sections(&source);
        let has_dynamic = sections.dynamic.is_some();
        for table in [sections.all, sections.dynamic].into_iter().flatten() {
            if !wanted.is_empty() {
                self.learn_from_table(&source, &table, &sections.code, wanted);
            }
        }
        has_dynamic
    }

    fn learn_from_memory(&mut self, image: &Image, wanted: &mut Vec<u64>) {
        let Ok(source) = Source::process() else {
            return;
        };
        if let Some(table) = elf::loaded_symbols(&source, image.header, image.load_bias) {
            self.learn_from_table(&source, &table, &[], wanted);
        }
    }

    /// Takes those out of `wanted` whose function the table has.
    fn learn_from_table(
        &mut self,
        source: &Source,
        table: &SymbolTable,
        code: &[Option<Range<u64>>],
        wanted: &mut Vec<u64>,
    ) {
        for (&address, found) in wanted
            .iter()
            .zip(symbol_scan::scan(source, table, code, wanted))
        {
            let Some(found) = found else { continue };
            if let Entry::Vacant(unknown) = self.functions.entry(found.start) {
                let Some(name) = symbol_scan::name(source, table, &found) else {
                    continue;
                };
                unknown.insert(demangle(&name).into());
            }
            self.addresses.insert(address, Some(found.start));
        }
        wanted.retain(|address| self.addresses.get(address).is_none_or(Option::is_none));
    }
}

/// Whether a file is the one that the image was loaded from, and not its successor under the same path.
fn is_file_of(source: &Source, image: &Image) -> bool {
    let identity = elf::identity(source);
    let code = image
        .segments
        .first()
        .map(|segment| segment.start.wrapping_sub(image.load_bias));
    identity.build_id == image.build_id && identity.code == code
}

fn debug_file(build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first()?;
    let mut path = format!("/usr/lib/debug/.build-id/{first:02x}/");
    for byte in rest {
        write!(path, "{byte:02x}").ok()?;
    }
    path.push_str(".debug");
    Some(path.into())
}
