//! The parts of a layout: plain numbers, in bytes from the untagged object where nothing else is said.

/// Instance types, as a map's 16-bit word holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types {
    pub(crate) first_function: u16,
    pub(crate) last_function: u16,
    pub(crate) shared_function_info: u16,
    pub(crate) shared_function_info_wrapper: u16,
    pub(crate) scope_info: u16,
    pub(crate) script: u16,
    pub(crate) bytecode_array: u16,
    pub(crate) code: u16,
    pub(crate) instruction_stream: u16,
    pub(crate) byte_array: u16,
    pub(crate) trusted_byte_array: u16,
    pub(crate) fixed_array: u16,
    pub(crate) oddball: u16,
    pub(crate) first_nonstring: u16,
}

/// Slots of a JavaScript frame, relative to the frame pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameSlots {
    pub(crate) context: i64,
    pub(crate) function: i64,
    pub(crate) bytecode_array: i64,
    pub(crate) bytecode_offset: i64,
}

/// SharedFunctionInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedOffsets {
    pub(crate) name_or_scope_info: u64,
    pub(crate) script: u64,
    pub(crate) token_offset: u64,
}

/// Script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScriptOffsets {
    pub(crate) source: u64,
    pub(crate) name: u64,
    pub(crate) line_offset: u64,
    pub(crate) column_offset: u64,
    pub(crate) line_ends: u64,
    pub(crate) id: u64,
    pub(crate) eval_from_shared: u64,
    pub(crate) source_url: u64,
    pub(crate) source_mapping_url: u64,
}

/// Strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StringOffsets {
    pub(crate) length: u64,
    pub(crate) one_byte_chars: u64,
    pub(crate) two_byte_chars: u64,
    pub(crate) cons_first: u64,
    pub(crate) cons_second: u64,
    pub(crate) sliced_parent: u64,
    pub(crate) sliced_offset: u64,
    pub(crate) thin_actual: u64,
    pub(crate) external_resource: u64,
    pub(crate) representation_mask: u16,
    pub(crate) encoding_mask: u16,
    pub(crate) one_byte: u16,
    pub(crate) cons: u16,
    pub(crate) external: u16,
    pub(crate) sliced: u16,
    pub(crate) thin: u16,
}

/// DeoptimizationData indices and code kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompiledOffsets {
    pub(crate) kind_mask: u32,
    pub(crate) kind_baseline: u32,
    pub(crate) inlined_count: u64,
    pub(crate) literals: u64,
    pub(crate) inlining_positions: u64,
    pub(crate) shared: u64,
    pub(crate) shared_is_wrapped: bool,
    pub(crate) wrapper_shared: u64,
}
