//! Anonymous memory of our own, outside the allocator: for what a signal handler writes.

/// Maps `bytes` of zeroed private memory; the pages cost nothing until they are touched. `None` if the kernel refuses.
/// The memory is never given back: a late signal may still name what lies in it.
pub(crate) fn map(bytes: usize) -> Option<*mut u8> {
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing that exists.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    (base != libc::MAP_FAILED).then_some(base.cast())
}
