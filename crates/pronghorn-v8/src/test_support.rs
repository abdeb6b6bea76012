//! What tests share: exported ints of the known versions, and a builder for heap images.

pub(crate) mod scene;

use crate::layout::Layout;
use crate::memory::Image;
use crate::ranges::{CodeRanges, Range};
use crate::version::Version;

/// Versions with ints below, in the order of the columns.
pub(crate) const VERSIONS: [Version; 5] = [
    Version::new(11, 3),
    Version::new(12, 4),
    Version::new(13, 6),
    Version::new(14, 1),
    Version::new(14, 6),
];

const NONE: i32 = i32::MIN;

#[rustfmt::skip]
const INTS: &[(&str, [i32; 5])] = &[
    ("SmiShiftSize", [31, 31, 31, 31, 31]),
    ("SmiValueShift", [1, 1, 1, 1, 1]),
    ("HeapObjectTag", [1, 1, 1, 1, 1]),
    ("CodeKindBaseline", [11, 10, 10, 10, 11]),
    ("CodeKindFieldMask", [15, 15, 15, 15, 15]),
    ("ConsStringTag", [1, 1, 1, 1, 1]),
    ("ExternalStringTag", [2, 2, 2, 2, 2]),
    ("SlicedStringTag", [3, 3, 3, 3, 3]),
    ("ThinStringTag", [5, 5, 5, 5, 5]),
    ("OneByteStringTag", [8, 8, 8, 8, 8]),
    ("StringEncodingMask", [8, 8, 8, 8, 8]),
    ("StringRepresentationMask", [7, 7, 7, 7, 7]),
    ("FirstNonstringType", [128, 128, 128, 128, 128]),
    ("FirstJSFunctionType", [NONE, 2066, 2065, 2065, 2066]),
    ("LastJSFunctionType", [NONE, 2082, 2081, 2081, 2082]),
    ("DeoptimizationDataInlinedFunctionCountIndex", [1, 1, 1, 1, 1]),
    ("DeoptimizationDataInliningPositionsIndex", [7, 7, 8, 8, 8]),
    ("DeoptimizationDataLiteralArrayIndex", [2, 2, 3, 3, 3]),
    ("DeoptimizationDataSharedFunctionInfoIndex", [6, 6, NONE, NONE, NONE]),
    ("DeoptimizationDataWrappedSharedFunctionInfoIndex", [NONE, NONE, 7, 7, 7]),
    ("class_BytecodeArray__data__uintptr_t", [54, 64, 64, 64, 64]),
    ("class_BytecodeArray__length__SMI", [NONE, 8, 8, 8, 8]),
    ("class_Code__flags__uint32_t", [NONE, 48, 52, 52, 52]),
    ("class_Code__instruction_size__int", [NONE, 52, 56, 56, 56]),
    ("class_Code__instruction_start__Address", [NONE, 40, 40, 40, 40]),
    ("class_ConsString__first__String", [16, 16, 16, 16, 16]),
    ("class_ConsString__second__String", [24, 24, 24, 24, 24]),
    ("class_ExternalString__resource__Object", [16, 16, 16, 16, 16]),
    ("class_FixedArrayBase__length__SMI", [8, 8, 8, 8, 8]),
    ("class_FixedArray__data__uintptr_t", [16, 16, 16, 16, 16]),
    ("class_InstructionStream__instruction_start__uintptr_t", [16, 32, 32, 32, 32]),
    ("class_JSFunction__shared__SharedFunctionInfo", [24, 32, 32, 32, 32]),
    ("class_Map__instance_type__uint16_t", [12, 12, 12, 12, 12]),
    ("class_Script__compiled_lazy_function_positions__Object", [96, NONE, NONE, NONE, NONE]),
    ("class_Script__compiled_lazy_function_positions__Tagged_Object_", [NONE, 96, 96, 96, 96]),
    ("class_Script__eval_from_shared_or_wrapped_arguments__Object", [72, NONE, NONE, NONE, NONE]),
    ("class_Script__eval_from_shared_or_wrapped_arguments__Tagged_Object_", [NONE, 72, 72, 72, 72]),
    ("class_Script__line_ends__Object", [56, 56, 56, 56, 56]),
    ("class_Script__name__Object", [16, 16, 16, 16, 16]),
    ("class_Script__source__Object", [8, 8, 8, 8, 8]),
    ("class_SeqOneByteString__chars__char", [16, 16, 16, 16, 16]),
    ("class_SeqTwoByteString__chars__char", [16, 16, 16, 16, 16]),
    ("class_SharedFunctionInfoWrapper__shared_info__Tagged_SharedFunctionInfo_", [NONE, NONE, 8, 8, 8]),
    ("class_SharedFunctionInfo__name_or_scope_info__Object", [16, NONE, NONE, NONE, NONE]),
    ("class_SharedFunctionInfo__name_or_scope_info__Tagged_NameOrScopeInfoT_", [NONE, NONE, 24, 24, 24]),
    ("class_SharedFunctionInfo__name_or_scope_info__Tagged_Object_", [NONE, 16, NONE, NONE, NONE]),
    ("class_SharedFunctionInfo__raw_function_token_offset__int16_t", [44, 44, 52, 52, 52]),
    ("class_SharedFunctionInfo__script__Tagged_HeapObject_", [NONE, 32, 40, 40, 40]),
    ("class_SharedFunctionInfo__script_or_debug_info__HeapObject", [32, NONE, NONE, NONE, NONE]),
    ("class_SlicedString__offset__SMI", [24, 24, 24, 24, 24]),
    ("class_SlicedString__parent__String", [16, 16, 16, 16, 16]),
    ("class_String__length__int32_t", [12, 12, 12, 12, 12]),
    ("class_ThinString__actual__String", [16, 16, 16, 16, 16]),
    ("frametype_EntryFrame", [1; 5]),
    ("frametype_ConstructEntryFrame", [2; 5]),
    ("frametype_BuiltinExitFrame", [25, 26, 27, 27, 17]),
    ("frametype_IrregexpFrame", [27, 29, 31, 31, 23]),
    ("frametype_WasmFrame", [4, 4, 4, 4, 24]),
    ("frametype_WasmSegmentStartFrame", [NONE, NONE, 13, 13, 34]),
    ("off_fp_bytecode_array", [-32, -32, -32, -32, -32]),
    ("off_fp_bytecode_offset", [-40, -40, -40, -40, -40]),
    ("off_fp_context_or_frame_type", [-8, -8, -8, -8, -8]),
    ("off_fp_function", [-16, -16, -16, -16, -16]),
    ("scopeinfo_idx_first_vars", [3, 3, 5, 5, 5]),
    ("scopeinfo_idx_ncontextlocals", [2, 2, 2, 2, 2]),
    ("type_ByteArray__BYTE_ARRAY_TYPE", [190, 186, 217, 218, 218]),
    ("type_BytecodeArray__BYTECODE_ARRAY_TYPE", [191, 205, 186, 184, 185]),
    ("type_Code__CODE_TYPE", [245, 206, 187, 185, 186]),
    ("type_FixedArray__FIXED_ARRAY_TYPE", [175, 174, 205, 205, 205]),
    ("type_InstructionStream__INSTRUCTION_STREAM_TYPE", [252, 210, 192, 191, 192]),
    ("type_JSFunction__JS_FUNCTION_TYPE", [2066, 2066, 2065, 2065, 2066]),
    ("type_ScopeInfo__SCOPE_INFO_TYPE", [261, 272, 280, 284, 286]),
    ("type_Script__SCRIPT_TYPE", [167, 167, 167, 165, 166]),
    ("type_SharedFunctionInfoWrapper__SHARED_FUNCTION_INFO_WRAPPER_TYPE", [NONE, NONE, 195, 194, 195]),
    ("type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE", [262, 274, 282, 286, 288]),
    ("type_TrustedByteArray__TRUSTED_BYTE_ARRAY_TYPE", [NONE, 212, 196, 195, 196]),
    ("type_Oddball__ODDBALL_TYPE", [131, 131, 131, 131, 131]),
];

/// The ints of one version.
pub(crate) fn int(version: Version, name: &str) -> Option<i32> {
    let column = VERSIONS
        .iter()
        .position(|&known| known == version)
        .unwrap_or(4);
    INTS.iter()
        .find(|(own, _)| *own == name)
        .map(|(_, values)| values[column])
        .filter(|&value| value != NONE)
}

/// The layout of one version.
pub(crate) fn layout(version: Version) -> Layout {
    Layout::from_ints(version, &|name| int(version, name)).unwrap()
}

pub(crate) const BASE: u64 = 0x7f00_0000_0000;
const HEAP: u64 = BASE + 0x1_0000;

/// Code range and builtins of the images: they lie at the image's start, the heap behind them.
pub(crate) fn ranges() -> CodeRanges {
    CodeRanges {
        code_range: Range {
            start: BASE,
            end: BASE + 0x4000,
        },
        embedded_blob: Range {
            start: BASE + 0x4000,
            end: BASE + 0x8000,
        },
        copied_blob: None,
    }
}

/// A heap that objects are appended to.
pub(crate) struct Heap {
    pub(crate) image: Image,
    pub(crate) layout: Layout,
    next: u64,
}

impl Heap {
    pub(crate) fn new(version: Version) -> Self {
        Self::with_room(version, 0x8_0000)
    }

    /// One of so many bytes.
    pub(crate) fn with_room(version: Version, bytes: usize) -> Self {
        Self {
            image: Image::new(BASE, bytes),
            layout: layout(version),
            next: HEAP,
        }
    }

    /// Room for `size` bytes, tagged.
    pub(crate) fn room(&mut self, size: u64) -> u64 {
        let at = self.next;
        self.next += (size + 15) & !7;
        at + 1
    }

    /// An object with a map of its own.
    pub(crate) fn object(&mut self, kind: u16, size: u64) -> u64 {
        let map = self.room(32);
        self.image
            .put_u16(map - 1 + self.layout.map_instance_type, kind);
        let object = self.room(size);
        self.image.put_u64(object - 1, map);
        object
    }

    pub(crate) fn set(&mut self, object: u64, offset: u64, value: u64) {
        self.image.put_u64(object - 1 + offset, value);
    }

    pub(crate) fn set_smi(&mut self, object: u64, offset: u64, value: i32) {
        self.set(object, offset, u64::from(value.cast_unsigned()) << 32);
    }

    /// A flat one-byte string.
    pub(crate) fn text(&mut self, text: &str) -> u64 {
        let string = self.object(8, 32 + text.len() as u64);
        self.image.put_u32(string - 1 + 12, text.len() as u32);
        self.image.put(string - 1 + 16, text.as_bytes());
        string
    }

    /// A flat two-byte string.
    pub(crate) fn wide(&mut self, text: &str) -> u64 {
        let units: Vec<u16> = text.encode_utf16().collect();
        let string = self.object(0, 32 + units.len() as u64 * 2);
        self.image.put_u32(string - 1 + 12, units.len() as u32);
        for (index, unit) in units.iter().enumerate() {
            self.image
                .put_u16(string - 1 + 16 + index as u64 * 2, *unit);
        }
        string
    }

    /// A string of two-byte characters that is two strings behind each other.
    pub(crate) fn cons(&mut self, first: u64, second: u64, length: u32) -> u64 {
        let string = self.object(1, 40);
        self.image.put_u32(string - 1 + 12, length);
        self.set(string, 16, first);
        self.set(string, 24, second);
        string
    }

    /// A FixedArray of these words.
    pub(crate) fn array(&mut self, words: &[u64]) -> u64 {
        let array = self.object(self.layout.types.fixed_array, 16 + 8 * words.len() as u64);
        self.set_smi(array, 8, words.len() as i32);
        for (index, &word) in words.iter().enumerate() {
            self.set(array, 16 + 8 * index as u64, word);
        }
        array
    }

    /// A byte array of this version's kind for code.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> u64 {
        let array = self.object(
            self.layout.types.trusted_byte_array,
            16 + bytes.len() as u64,
        );
        self.set_smi(array, 8, bytes.len() as i32);
        self.image.put(array - 1 + 16, bytes);
        array
    }

    /// A ScopeInfo: locals, name, inferred name, start and end, as this version has them.
    pub(crate) fn scope(
        &mut self,
        locals: u64,
        name: Option<u64>,
        inferred: Option<u64>,
        place: (i32, i32),
    ) -> u64 {
        let scope = self.object(self.layout.types.scope_info, 8 * (20 + 2 * locals));
        let mut flags = 0u32;
        let mut at = self.layout.scope_first_vars;
        let slot = |index: u64| 8 + 8 * index;
        self.set_smi(scope, slot(2), locals as i32);
        if at >= 5 {
            self.set_smi(scope, slot(3), place.0);
            self.set_smi(scope, slot(4), place.1);
        }
        let local = self.text("local");
        if locals >= 75 {
            self.set(scope, slot(at), local);
            at += 1 + locals;
        } else {
            for index in 0..locals {
                self.set(scope, slot(at + index), local);
            }
            at += 2 * locals;
        }
        if let Some(name) = name {
            flags |= 1 << 12;
            self.set(scope, slot(at), name);
            self.set_smi(scope, slot(at + 1), 0);
            at += 2;
        }
        if let Some(inferred) = inferred {
            flags |= 1 << 14;
            self.set(scope, slot(at), inferred);
            at += 1;
        }
        if self.layout.scope_first_vars < 5 {
            self.set_smi(scope, slot(at), place.0);
            self.set_smi(scope, slot(at + 1), place.1);
            self.set_smi(scope, slot(0), flags.cast_signed());
        } else {
            self.image.put_u32(scope - 1 + 8, flags);
        }
        scope
    }

    /// A Script.
    pub(crate) fn script(&mut self, id: i32, name: u64, source: u64) -> u64 {
        let script = self.object(self.layout.types.script, 160);
        let offsets = self.layout.script;
        self.set_smi(script, offsets.id, id);
        self.set(script, offsets.name, name);
        self.set(script, offsets.source, source);
        let undefined = self.object(self.layout.types.oddball, 16);
        self.set(script, offsets.line_ends, undefined);
        self.set(script, offsets.eval_from_shared, undefined);
        self.set(script, offsets.source_url, undefined);
        self.set(script, offsets.source_mapping_url, undefined);
        script
    }

    /// A SharedFunctionInfo.
    pub(crate) fn shared(&mut self, name_or_scope: u64, script: u64, token_distance: u16) -> u64 {
        let shared = self.object(self.layout.types.shared_function_info, 96);
        let offsets = self.layout.shared;
        self.set(shared, offsets.name_or_scope_info, name_or_scope);
        self.set(shared, offsets.script, script);
        self.image
            .put_u16(shared - 1 + offsets.token_offset, token_distance);
        shared
    }

    /// A JSFunction.
    pub(crate) fn function(&mut self, shared: u64) -> u64 {
        let function = self.object(self.layout.types.first_function, 64);
        self.set(function, self.layout.function_shared, shared);
        function
    }

    /// A BytecodeArray with a position table.
    pub(crate) fn bytecode(&mut self, bytecodes: &[u8], positions: u64) -> u64 {
        let array = self.object(
            self.layout.types.bytecode_array,
            80 + bytecodes.len() as u64,
        );
        self.set_smi(array, self.layout.bytecode_length, bytecodes.len() as i32);
        self.set(array, self.layout.unexported.bytecode_positions, positions);
        self.image
            .put(array - 1 + self.layout.bytecode_data, bytecodes);
        array
    }
}

/// Encodes a position table.
pub(crate) fn positions(layout: &Layout, entries: &[(u64, u64)]) -> Vec<u8> {
    use crate::table::PositionEncoding;
    let mut out = Vec::new();
    let (mut at, mut position) = (-1i64, 0i64);
    for &(offset, word) in entries {
        let delta = offset.cast_signed() - at;
        at = offset.cast_signed();
        let change = word.cast_signed() - position;
        position = word.cast_signed();
        match layout.unexported.encoding {
            PositionEncoding::ZigZag => signed(&mut out, delta),
            PositionEncoding::Packed => unsigned(&mut out, delta.cast_unsigned() << 2),
        }
        signed(&mut out, change);
    }
    out
}

pub(crate) fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn signed(out: &mut Vec<u8>, value: i64) {
    unsigned(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// The word of a script offset.
pub(crate) const fn word(offset: u64) -> u64 {
    (offset + 1) << 1
}

/// A small generator of numbers for property tests, from a fixed seed.
#[cfg(test)]
pub(crate) struct Random(pub(crate) u64);

#[cfg(test)]
impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ (self.0 >> 29)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}
