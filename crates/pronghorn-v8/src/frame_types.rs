//! V8's frame types: the ids that mark frames which are not plain JavaScript. They differ per version and are exported.

/// Frame type ids; −1 where a version has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameTypes {
    /// Frames by which C++ calls a function, and a constructor.
    pub(crate) entry: i32,
    pub(crate) construct_entry: i32,
    pub(crate) builtin_exit: i32,
    pub(crate) irregexp: i32,
    /// Frames whose code is compiled WebAssembly.
    pub(crate) wasm: i32,
    pub(crate) wasm_segment_start: i32,
}

impl FrameTypes {
    pub(crate) fn from_ints(lookup: &dyn Fn(&str) -> Option<i32>) -> Self {
        let id = |name: &str| lookup(&format!("frametype_{name}")).unwrap_or(-1);
        Self {
            entry: id("EntryFrame"),
            construct_entry: id("ConstructEntryFrame"),
            builtin_exit: id("BuiltinExitFrame"),
            irregexp: id("IrregexpFrame"),
            wasm: id("WasmFrame"),
            wasm_segment_start: id("WasmSegmentStartFrame"),
        }
    }

    /// True for the marker of a frame by which C++ calls JavaScript.
    #[inline]
    pub(crate) fn is_entry(&self, marker: u64) -> bool {
        let id = i32::try_from(marker >> 1).unwrap_or(-1);
        id >= 0 && (id == self.entry || id == self.construct_entry)
    }

    /// True for frames of compiled WebAssembly.
    #[inline]
    pub(crate) const fn is_wasm(&self, id: i32) -> bool {
        id == self.wasm || (id == self.wasm_segment_start && id >= 0)
    }
}
