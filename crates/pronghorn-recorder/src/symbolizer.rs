//! What the recorder asks of whoever can name native addresses and originals of generated code.

use std::error::Error;
use std::sync::Arc;

use crate::Position;

/// One mapped file of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingInfo {
    /// The first address.
    pub start: u64,
    /// The address after the last.
    pub limit: u64,
    /// Where in the file `start` lies, in bytes.
    pub file_offset: u64,
    /// The file's path, or a name in brackets such as `[vdso]`.
    pub path: String,
    /// The build id in lower-case hexadecimal; empty if the file has none.
    pub build_id: String,
}

/// What is known about one native address. The default is: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NativeLocation {
    /// Position of its mapping among [`Symbolizer::mappings`].
    pub mapping: Option<usize>,
    /// The demangled name of its function.
    pub function: Option<String>,
    /// The source file, if known; used only together with `function`.
    pub file: Option<String>,
    /// The source line, counted from 1; 0 if unknown.
    pub line: u32,
}

/// A script of the period that names a source map.
#[derive(Debug, Clone, Copy)]
pub struct MappedScript<'a> {
    /// Its name.
    pub file: &'a str,
    /// The map's URL. Of a very long inline one, the beginning.
    pub url: &'a Arc<str>,
    /// The length of the whole URL.
    pub url_length: u32,
}

/// What somebody wrote, of which generated code was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The file.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u32,
    /// If an identifier begins just here: what it was called.
    pub name: Option<Arc<str>>,
}

/// Names native addresses, and finds the originals of generated code. Called off the main thread, while a period is serialized, with no lock of the recorder held that
/// a recording thread could want.
pub trait Symbolizer {
    /// What is known about each of these addresses, in their order: as many answers as addresses. Each address is
    /// asked for once per profile. An unknown address is no error but `NativeLocation::default()`.
    fn symbolize(
        &mut self,
        addresses: &[u64],
    ) -> Result<Vec<NativeLocation>, Box<dyn Error + Send + Sync>>;

    /// The mappings that the answers refer to, the program's own file first. Asked for after [`Symbolizer::symbolize`].
    fn mappings(&self) -> &[MappingInfo];

    /// The scripts of the period that name a source map, before any is asked for.
    fn expect_scripts(&mut self, _scripts: &[MappedScript<'_>]) {}

    /// Whether anything is known of one of these scripts' originals. It has a deadline of its own.
    fn has_originals(&mut self, _script: usize) -> bool {
        false
    }

    /// The originals of places of the script that this was last said of, in their order: none where there is none.
    fn originals(&mut self, _script: usize, _places: &[Position]) -> Vec<Option<Original>> {
        Vec::new()
    }
}

/// Knows nothing: native frames become bare addresses.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSymbols;

impl Symbolizer for NoSymbols {
    fn symbolize(
        &mut self,
        addresses: &[u64],
    ) -> Result<Vec<NativeLocation>, Box<dyn Error + Send + Sync>> {
        Ok(vec![NativeLocation::default(); addresses.len()])
    }

    fn mappings(&self) -> &[MappingInfo] {
        &[]
    }
}
