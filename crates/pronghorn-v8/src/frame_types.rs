//! V8's frame types: the ids that mark frames which are not plain JavaScript. They differ per version and are exported.

/// Frame type ids; −1 where a version has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameTypes {
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
            builtin_exit: id("BuiltinExitFrame"),
            irregexp: id("IrregexpFrame"),
            wasm: id("WasmFrame"),
            wasm_segment_start: id("WasmSegmentStartFrame"),
        }
    }

    /// True for frames of compiled WebAssembly.
    #[inline]
    pub(crate) const fn is_wasm(&self, id: i32) -> bool {
        id == self.wasm || (id == self.wasm_segment_start && id >= 0)
    }
}
