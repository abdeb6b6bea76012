//! Tagged values and object types. Every read is checked; usable in the signal handler.

use crate::layout::Layout;
use crate::memory::Memory;

/// True for what can be a strong heap pointer: the tag, and an address where mappings lie. Anything else would be a fault,
/// which costs microseconds and counts as one.
#[inline]
pub(crate) const fn is_pointer(value: u64) -> bool {
    value & 3 == 1 && is_address(value)
}

/// True for addresses in user space and not right at its start.
#[inline]
pub(crate) const fn is_address(value: u64) -> bool {
    value >> 47 == 0 && value >> 24 != 0
}

/// The number in a 32-bit Smi word, if it is one.
#[inline]
pub(crate) const fn smi(value: u64) -> Option<i32> {
    if value & 0xffff_ffff == 0 {
        Some((value >> 32) as u32 as i32)
    } else {
        None
    }
}

/// The word at `offset` of the object that `tagged` points at.
#[inline]
pub(crate) fn field<M: Memory>(memory: &M, tagged: u64, offset: u64) -> Option<u64> {
    if !is_pointer(tagged) {
        return None;
    }
    memory.u64((tagged - 1).wrapping_add(offset))
}

/// The Smi at `offset`.
#[inline]
pub(crate) fn smi_field<M: Memory>(memory: &M, tagged: u64, offset: u64) -> Option<i32> {
    smi(field(memory, tagged, offset)?)
}

/// The 32-bit word at `offset`.
#[inline]
pub(crate) fn u32_field<M: Memory>(memory: &M, tagged: u64, offset: u64) -> Option<u32> {
    if !is_pointer(tagged) {
        return None;
    }
    memory.u32((tagged - 1).wrapping_add(offset))
}

/// The instance type of the object that `tagged` points at.
#[inline]
pub(crate) fn instance_type<M: Memory>(memory: &M, layout: &Layout, tagged: u64) -> Option<u16> {
    let map = field(memory, tagged, 0)?;
    if !is_pointer(map) {
        return None;
    }
    memory.u16((map - 1).wrapping_add(layout.map_instance_type))
}

/// True if `tagged` points at an object of that type.
#[inline]
pub(crate) fn has_type<M: Memory>(memory: &M, layout: &Layout, tagged: u64, wanted: u16) -> bool {
    instance_type(memory, layout, tagged) == Some(wanted)
}

/// The SharedFunctionInfo of a JSFunction, if `tagged` points at one.
#[inline]
pub(crate) fn shared_of_function<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
) -> Option<u64> {
    let kind = instance_type(memory, layout, tagged)?;
    if kind < layout.types.first_function || kind > layout.types.last_function {
        return None;
    }
    let shared = field(memory, tagged, layout.function_shared)?;
    has_type(memory, layout, shared, layout.types.shared_function_info).then_some(shared)
}

/// Start and length of the bytes of a ByteArray or TrustedByteArray, at most 16 MiB.
pub(crate) fn bytes_of<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
) -> Option<(u64, usize)> {
    let kind = instance_type(memory, layout, tagged)?;
    if kind != layout.types.byte_array && kind != layout.types.trusted_byte_array {
        return None;
    }
    let length = usize::try_from(smi_field(memory, tagged, layout.array_length)?).ok()?;
    (length <= 16 << 20).then_some((tagged - 1 + layout.array_data, length))
}
