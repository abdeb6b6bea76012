//! A heap with one script, two functions, and room for the code that was compiled of them.

use super::{BASE, Heap};
use crate::memory::Memory;
use crate::version::Version;

const SOURCE: &str =
    "line one\nfunction outer() {\n  inner();\n}\nfunction inner() {\n  work();\n}\n";
pub(crate) const START: u64 = BASE + 0x1000;

/// A script with `outer` (24..43, inlining inner) and `inner` (59..77), and room for code.
pub(crate) struct Scene {
    pub(crate) heap: Heap,
    pub(crate) script: u64,
    pub(crate) outer: u64,
    pub(crate) inner: u64,
}

impl Scene {
    pub(crate) fn new(version: Version) -> Self {
        let mut heap = Heap::new(version);
        let (name, source) = (heap.text("/app.js"), heap.text(SOURCE));
        let script = heap.script(3, name, source);
        let mut function = |name: &str, place| {
            let name = heap.text(name);
            let scope = heap.scope(1, Some(name), None, place);
            heap.shared(scope, script, 14)
        };
        let outer = function("outer", (23, 42));
        let inner = function("inner", (57, 74));
        Self {
            heap,
            script,
            outer,
            inner,
        }
    }

    /// A Code with its InstructionStream at `START`.
    pub(crate) fn code(&mut self, kind: u32, size: u32, table: u64, data: u64) -> u64 {
        let layout = self.heap.layout;
        let offsets = layout.unexported;
        let code = self.heap.object(layout.types.code, 96);
        self.heap.set(code, offsets.code_deopt, data);
        self.heap.set(code, offsets.code_positions, table);
        self.heap.set(code, offsets.code_start, START);
        self.heap.image.put_u32(code - 1 + offsets.code_flags, kind);
        self.heap.image.put_u32(code - 1 + offsets.code_size, size);
        // A stream's own map, copied to where the stream lies.
        let model = self.heap.object(layout.types.instruction_stream, 16);
        let map = self.heap.image.u64(model - 1).unwrap();
        let stream = START - offsets.stream_header;
        self.heap.image.put_u64(stream, map);
        self.heap.image.put_u64(stream + offsets.stream_code, code);
        code
    }

    /// Deoptimization data that knows `outer` as the function and `inner` as inlined once, at `position`.
    pub(crate) fn data(&mut self, inlined: u64, position: u64) -> u64 {
        let layout = self.heap.layout;
        let compiled = layout.compiled;
        let mut entry = position.to_le_bytes().to_vec();
        entry.extend_from_slice(&0u64.to_le_bytes());
        let entries = self.heap.bytes(&entry);
        let literals = self.heap.object(layout.types.fixed_array, 32);
        self.heap.set_smi(literals, 8, 1);
        self.heap.set(literals, 16, inlined);
        let data = self.heap.object(layout.types.fixed_array, 128);
        self.heap.set_smi(data, 8, 12);
        self.heap.set_smi(data, 16 + 8 * compiled.inlined_count, 1);
        self.heap.set(data, 16 + 8 * compiled.literals, literals);
        self.heap
            .set(data, 16 + 8 * compiled.inlining_positions, entries);
        let mut shared = self.outer;
        if compiled.shared_is_wrapped {
            shared = self
                .heap
                .object(layout.types.shared_function_info_wrapper, 16);
            self.heap.set(shared, compiled.wrapper_shared, self.outer);
        }
        self.heap.set(data, 16 + 8 * compiled.shared, shared);
        data
    }
}
