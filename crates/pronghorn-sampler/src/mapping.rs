//! Anonymous memory of our own, outside the allocator: for what a signal handler writes.

use pronghorn_sync::mapping::{Kind, for_good};

/// Maps `bytes` of zeroed private memory; the pages cost nothing until they are touched. `None` if the kernel refuses.
/// The memory is never given back: a late signal may still name what lies in it. A forked child uses it again.
pub(crate) fn map(bytes: usize) -> Option<*mut u8> {
    for_good(bytes, Kind::Buffer)
        .ok()
        .map(std::ptr::NonNull::as_ptr)
}
