//! Where things lie in V8's objects, for the V8 that runs in this process.
//!
//! Offsets are in bytes from the untagged object. What the binary exports is read from it; the few that no version
//! exports come from a table per version ([`table`]). Everything is a plain value: the signal handler holds a copy.

mod ints;
mod offsets;

use crate::frame_types::FrameTypes;
use crate::symbols::Symbols;
use crate::table::{self, Unexported};
use crate::version::Version;
use ints::Ints;
pub(crate) use offsets::{
    CompiledOffsets, FrameSlots, ScriptOffsets, SharedOffsets, StringOffsets, Types,
};

/// How much of a frame can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Functions, executed lines and inlined functions.
    Full,
    /// An unknown V8: the physical function at its start line only.
    Physical,
}

/// This runtime cannot be read; the sentence says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// One sentence without a full stop.
    pub reason: String,
}

impl core::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unsupported {}

/// The layout of one V8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The version whose table is in use.
    pub version: Version,
    /// What frames can show.
    pub frames: Frames,
    pub(crate) types: Types,
    pub(crate) frame_types: FrameTypes,
    pub(crate) slots: FrameSlots,
    pub(crate) function_shared: u64,
    pub(crate) map_instance_type: u64,
    pub(crate) shared: SharedOffsets,
    pub(crate) script: ScriptOffsets,
    pub(crate) string: StringOffsets,
    pub(crate) scope_first_vars: u64,
    pub(crate) scope_local_count: u64,
    pub(crate) bytecode_data: u64,
    pub(crate) bytecode_length: u64,
    pub(crate) array_length: u64,
    pub(crate) array_data: u64,
    pub(crate) compiled: CompiledOffsets,
    pub(crate) unexported: Unexported,
}

impl Layout {
    /// Finds the layout of the V8 in this process.
    ///
    /// `pretend` is for tests: the table of that version instead of the real one.
    /// Needs the fault handler installed. Any thread; allocates.
    ///
    /// # Errors
    /// [`Unsupported`], with the reason: not V8, a pointer-compressed build, missing exports.
    pub fn discover(symbols: &Symbols, pretend: Option<(u32, u32)>) -> Result<Self, Unsupported> {
        symbols.missing().map_err(|missing| Unsupported {
            reason: missing.to_string(),
        })?;
        let version = match (pretend, symbols.version) {
            (Some((major, minor)), _) => Version::new(major, minor),
            (None, Some(version)) => version,
            (None, None) => {
                return Err(Unsupported {
                    reason: "this runtime does not state its V8 version".into(),
                });
            }
        };
        Self::from_ints(version, &symbols.int)
    }

    pub(crate) fn from_ints(
        version: Version,
        lookup: &dyn Fn(&str) -> Option<i32>,
    ) -> Result<Self, Unsupported> {
        let ints = Ints { lookup };
        if ints.any(&["SmiShiftSize"])? != 31
            || ints.any(&["SmiValueShift"])? != 1
            || ints.any(&["HeapObjectTag"])? != 1
        {
            return Err(Unsupported {
                reason: "this V8 is built with pointer compression, whose heap this profiler cannot read".into(),
            });
        }
        let known = table::for_version(version);
        let frames = if known.is_some() {
            Frames::Full
        } else {
            Frames::Physical
        };
        let unexported = known.unwrap_or(table::NEWEST);
        let function_type = ints.type_of(&["type_JSFunction__JS_FUNCTION_TYPE"])?;
        let first_function = ints.type_or(&["FirstJSFunctionType"], function_type);
        let fixed_array = ints.type_of(&["type_FixedArray__FIXED_ARRAY_TYPE"])?;
        let byte_array = ints.type_of(&["type_ByteArray__BYTE_ARRAY_TYPE"])?;
        let line_ends = ints.offset(&["class_Script__line_ends__Object"])?;
        let lazy_positions = ints.offset(&[
            "class_Script__compiled_lazy_function_positions__Object",
            "class_Script__compiled_lazy_function_positions__Tagged_Object_",
        ])?;
        let script_name = ints.offset(&["class_Script__name__Object"])?;
        let wrapped_shared = (ints.lookup)("DeoptimizationDataWrappedSharedFunctionInfoIndex");
        Ok(Self {
            version,
            frames,
            types: Types {
                first_function,
                // 11.3 does not export the last one; 16 subtypes follow the first there as in the later versions.
                last_function: ints.type_or(&["LastJSFunctionType"], first_function + 16),
                shared_function_info: ints
                    .type_of(&["type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE"])?,
                shared_function_info_wrapper: ints.type_or(
                    &["type_SharedFunctionInfoWrapper__SHARED_FUNCTION_INFO_WRAPPER_TYPE"],
                    u16::MAX,
                ),
                scope_info: ints.type_of(&["type_ScopeInfo__SCOPE_INFO_TYPE"])?,
                script: ints.type_of(&["type_Script__SCRIPT_TYPE"])?,
                bytecode_array: ints.type_of(&["type_BytecodeArray__BYTECODE_ARRAY_TYPE"])?,
                code: ints.type_of(&["type_Code__CODE_TYPE"])?,
                instruction_stream: ints
                    .type_of(&["type_InstructionStream__INSTRUCTION_STREAM_TYPE"])?,
                byte_array,
                trusted_byte_array: ints.type_or(
                    &["type_TrustedByteArray__TRUSTED_BYTE_ARRAY_TYPE"],
                    byte_array,
                ),
                fixed_array,
                oddball: ints.type_of(&["type_Oddball__ODDBALL_TYPE"])?,
                first_nonstring: ints.type_of(&["FirstNonstringType"])?,
            },
            frame_types: FrameTypes::from_ints(ints.lookup),
            slots: FrameSlots {
                context: ints.slot("off_fp_context_or_frame_type")?,
                function: ints.slot("off_fp_function")?,
                bytecode_array: ints.slot("off_fp_bytecode_array")?,
                bytecode_offset: ints.slot("off_fp_bytecode_offset")?,
            },
            function_shared: ints.offset(&["class_JSFunction__shared__SharedFunctionInfo"])?,
            map_instance_type: ints.offset(&["class_Map__instance_type__uint16_t"])?,
            shared: SharedOffsets {
                name_or_scope_info: ints.offset(&[
                    "class_SharedFunctionInfo__name_or_scope_info__Object",
                    "class_SharedFunctionInfo__name_or_scope_info__Tagged_Object_",
                    "class_SharedFunctionInfo__name_or_scope_info__Tagged_NameOrScopeInfoT_",
                ])?,
                script: ints.offset(&[
                    "class_SharedFunctionInfo__script_or_debug_info__HeapObject",
                    "class_SharedFunctionInfo__script__Tagged_HeapObject_",
                    "class_SharedFunctionInfo__raw_script__Tagged_Object_",
                ])?,
                token_offset: ints
                    .offset(&["class_SharedFunctionInfo__raw_function_token_offset__int16_t"])?,
            },
            script: ScriptOffsets {
                source: ints.offset(&["class_Script__source__Object"])?,
                name: script_name,
                line_offset: script_name + 8,
                column_offset: script_name + 16,
                line_ends,
                id: line_ends + 8,
                eval_from_shared: ints.offset(&[
                    "class_Script__eval_from_shared_or_wrapped_arguments__Object",
                    "class_Script__eval_from_shared_or_wrapped_arguments__Tagged_Object_",
                ])?,
                // Behind the lazy positions and the flags.
                source_url: lazy_positions + 16,
                source_mapping_url: lazy_positions + 24,
            },
            string: StringOffsets {
                length: ints.offset(&["class_String__length__int32_t"])?,
                one_byte_chars: ints.offset(&["class_SeqOneByteString__chars__char"])?,
                two_byte_chars: ints.offset(&["class_SeqTwoByteString__chars__char"])?,
                cons_first: ints.offset(&["class_ConsString__first__String"])?,
                cons_second: ints.offset(&["class_ConsString__second__String"])?,
                sliced_parent: ints.offset(&["class_SlicedString__parent__String"])?,
                sliced_offset: ints.offset(&["class_SlicedString__offset__SMI"])?,
                thin_actual: ints.offset(&["class_ThinString__actual__String"])?,
                external_resource: ints.offset(&["class_ExternalString__resource__Object"])?,
                representation_mask: ints.type_of(&["StringRepresentationMask"])?,
                encoding_mask: ints.type_of(&["StringEncodingMask"])?,
                one_byte: ints.type_of(&["OneByteStringTag"])?,
                cons: ints.type_of(&["ConsStringTag"])?,
                external: ints.type_of(&["ExternalStringTag"])?,
                sliced: ints.type_of(&["SlicedStringTag"])?,
                thin: ints.type_of(&["ThinStringTag"])?,
            },
            scope_first_vars: ints.offset(&["scopeinfo_idx_first_vars"])?,
            scope_local_count: ints.offset(&["scopeinfo_idx_ncontextlocals"])?,
            bytecode_data: ints.offset(&["class_BytecodeArray__data__uintptr_t"])?,
            bytecode_length: ints.offset_or(&["class_BytecodeArray__length__SMI"], 8),
            array_length: ints.offset(&["class_FixedArrayBase__length__SMI"])?,
            array_data: ints.offset(&["class_FixedArray__data__uintptr_t"])?,
            compiled: CompiledOffsets {
                kind_mask: u32::from(ints.type_of(&["CodeKindFieldMask"])?),
                kind_baseline: u32::from(ints.type_of(&["CodeKindBaseline"])?),
                inlined_count: ints.offset_or(&["DeoptimizationDataInlinedFunctionCountIndex"], 1),
                literals: ints.offset_or(
                    &["DeoptimizationDataLiteralArrayIndex"],
                    unexported.deopt_literals,
                ),
                inlining_positions: ints.offset_or(
                    &["DeoptimizationDataInliningPositionsIndex"],
                    unexported.deopt_literals + 5,
                ),
                shared: match wrapped_shared {
                    Some(index) => u64::try_from(index).unwrap_or(7),
                    None => ints.offset_or(&["DeoptimizationDataSharedFunctionInfoIndex"], 6),
                },
                shared_is_wrapped: wrapped_shared.is_some(),
                wrapper_shared: ints.offset_or(
                    &["class_SharedFunctionInfoWrapper__shared_info__Tagged_SharedFunctionInfo_"],
                    8,
                ),
            },
            unexported: Unexported {
                code_start: ints.offset_or(
                    &["class_Code__instruction_start__Address"],
                    unexported.code_start,
                ),
                code_flags: ints.offset_or(&["class_Code__flags__uint32_t"], unexported.code_flags),
                code_size: ints
                    .offset_or(&["class_Code__instruction_size__int"], unexported.code_size),
                stream_header: ints.offset_or(
                    &["class_InstructionStream__instruction_start__uintptr_t"],
                    unexported.stream_header,
                ),
                ..unexported
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{VERSIONS, int};

    #[test]
    fn known_versions_are_full() {
        for version in VERSIONS {
            let layout = Layout::from_ints(version, &|name| int(version, name)).unwrap();
            assert_eq!(layout.frames, Frames::Full, "{version}");
            assert_eq!(
                layout.types.last_function - layout.types.first_function,
                16,
                "{version}"
            );
        }
    }

    #[test]
    fn an_unknown_major_shows_physical_functions() {
        let layout =
            Layout::from_ints(Version::new(99, 0), &|name| int(VERSIONS[4], name)).unwrap();
        assert_eq!(layout.frames, Frames::Physical);
    }

    #[test]
    fn a_compressed_build_is_refused_with_its_reason() {
        let lookup = |name: &str| {
            if name == "SmiShiftSize" {
                Some(0)
            } else {
                int(VERSIONS[3], name)
            }
        };
        let refused = Layout::from_ints(VERSIONS[3], &lookup).unwrap_err();
        assert!(refused.reason.contains("pointer compression"), "{refused}");
    }

    #[test]
    fn what_is_missing_or_absurd_is_named() {
        let lookup = |name: &str| {
            if name.ends_with("SHARED_FUNCTION_INFO_TYPE") {
                None
            } else {
                int(VERSIONS[2], name)
            }
        };
        let refused = Layout::from_ints(VERSIONS[2], &lookup).unwrap_err();
        assert!(
            refused.reason.contains("SHARED_FUNCTION_INFO_TYPE"),
            "{refused}"
        );
        let lookup = |name: &str| {
            if name == "off_fp_function" {
                Some(16)
            } else {
                int(VERSIONS[2], name)
            }
        };
        assert!(
            Layout::from_ints(VERSIONS[2], &lookup)
                .unwrap_err()
                .reason
                .contains("off_fp_function")
        );
    }
}
