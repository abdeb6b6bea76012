//! Names for native addresses.

use std::sync::Arc;

use crate::images::ImageList;

/// The function that an address lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Demangled, without parameters.
    pub name: Arc<str>,
    /// Where the function starts in this process.
    pub start: u64,
}

/// Looks names up in the files of the images. Reads files: for a thread that may block, never for a handler.
#[derive(Debug, Default)]
pub struct Symbolizer {}

impl Symbolizer {
    /// A symbolizer that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The function of each address, in the order of `addresses`; `None` where no symbol covers it. For a return address
    /// give [`Registers::lookup_pc`](crate::unwind::Registers::lookup_pc).
    pub fn symbolize(&mut self, _images: &ImageList, addresses: &[u64]) -> Vec<Option<Symbol>> {
        vec![None; addresses.len()]
    }
}
