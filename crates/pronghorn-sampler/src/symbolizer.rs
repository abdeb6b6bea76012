//! Names for native addresses, for the recorder: the symbols and images of `pronghorn_native`, in its terms.
//!
//! Used while a period is serialized, off the main thread.

use std::error::Error;

use pronghorn_native::{ImageList, Symbolizer as Symbols};
use pronghorn_recorder::{MappingInfo, NativeLocation, Symbolizer};

use crate::event_loop;

/// Keeps what it has looked up: addresses repeat from one profile to the next.
pub struct ImageSymbolizer {
    symbols: Symbols,
    mappings: Vec<MappingInfo>,
}

impl ImageSymbolizer {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self {
            symbols: Symbols::new(),
            mappings: Vec::new(),
        }
    }
}

impl Default for ImageSymbolizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Symbolizer for ImageSymbolizer {
    fn symbolize(
        &mut self,
        addresses: &[u64],
    ) -> Result<Vec<NativeLocation>, Box<dyn Error + Send + Sync>> {
        match event_loop::own_slot() {
            // When the program ends. No section is needed, and a fork by a handler of its own would wait for itself.
            Some(_) => crate::session::refresh_images(),
            None => crate::session::refresh_images_beside(),
        }
        let images = crate::session::images();
        if images.is_null() {
            return Ok(vec![NativeLocation::default(); addresses.len()]);
        }
        // SAFETY: image lists are never freed.
        let images: &ImageList = unsafe { &*images };
        let symbols = self.symbols.symbolize(images, addresses);
        self.mappings.clear();
        let mut known = Vec::new();
        let locations = addresses
            .iter()
            .zip(symbols)
            .map(|(&address, symbol)| {
                let found = images.find_segment(address);
                let mapping = found.map(|(image, segment)| {
                    let place = known.iter().position(|start| *start == segment.start);
                    place.unwrap_or_else(|| {
                        known.push(segment.start);
                        self.mappings.push(MappingInfo {
                            start: segment.start,
                            limit: segment.end,
                            file_offset: segment.file_offset,
                            path: image.path().display().to_string(),
                            build_id: image.build_id().map(hexadecimal).unwrap_or_default(),
                        });
                        known.len() - 1
                    })
                });
                let function = symbol.map(|symbol| symbol.name.to_string()).or_else(|| {
                    let (image, _) = found?;
                    let name = image.path().file_name()?.to_string_lossy();
                    Some(format!("[{name}]"))
                });
                NativeLocation {
                    mapping,
                    function,
                    file: None,
                    line: 0,
                }
            })
            .collect();
        Ok(locations)
    }

    fn mappings(&self) -> &[MappingInfo] {
        &self.mappings
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
