//! malloc and its like: what is asked for in a handler is counted, and glibc's own functions do the work.

use std::ffi::c_void;

use libc::{c_int, off_t, size_t};

use crate::{ALL, ALLOCATED, FREED, MAPPED};
use std::sync::atomic::Ordering::Relaxed;

// glibc's functions under the names that nobody stands in for.
unsafe extern "C" {
    fn __libc_malloc(size: size_t) -> *mut c_void;
    fn __libc_calloc(count: size_t, size: size_t) -> *mut c_void;
    fn __libc_realloc(place: *mut c_void, size: size_t) -> *mut c_void;
    fn __libc_memalign(alignment: size_t, size: size_t) -> *mut c_void;
    fn __libc_free(place: *mut c_void);
}

/// An allocation of this size is counted, and served without glibc: one that interrupted another would wait for its lock for ever.
pub(crate) const HARMLESS: size_t = 0xa110c;
static PLACE: u64 = 0;

fn harmless() -> *mut c_void {
    std::ptr::from_ref(&PLACE).cast_mut().cast()
}

fn count() {
    ALL.1.fetch_add(1, Relaxed);
    ALLOCATED.count_in_handler();
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn malloc(size: size_t) -> *mut c_void {
    count();
    if size == HARMLESS {
        return harmless();
    }
    // SAFETY: passed on.
    unsafe { __libc_malloc(size) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(number: size_t, size: size_t) -> *mut c_void {
    count();
    // SAFETY: passed on.
    unsafe { __libc_calloc(number, size) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(place: *mut c_void, size: size_t) -> *mut c_void {
    count();
    // SAFETY: passed on.
    unsafe { __libc_realloc(place, size) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memalign(alignment: size_t, size: size_t) -> *mut c_void {
    count();
    // SAFETY: passed on.
    unsafe { __libc_memalign(alignment, size) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(alignment: size_t, size: size_t) -> *mut c_void {
    count();
    // SAFETY: passed on.
    unsafe { __libc_memalign(alignment, size) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(
    into: *mut *mut c_void,
    alignment: size_t,
    size: size_t,
) -> c_int {
    count();
    // SAFETY: passed on.
    let place = unsafe { __libc_memalign(alignment, size) };
    if place.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: the caller's place for the result.
    unsafe { into.write(place) };
    0
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn free(place: *mut c_void) {
    FREED.count_in_handler();
    if place == harmless() {
        return;
    }
    // SAFETY: passed on.
    unsafe { __libc_free(place) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off_t,
) -> *mut c_void {
    MAPPED.count_in_handler();
    // SAFETY: passed on.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mmap,
            address,
            length,
            protection,
            flags,
            file,
            offset,
        )
    };
    std::ptr::with_exposed_provenance_mut(result as usize)
}
