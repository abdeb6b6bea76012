//! Where the calling thread's stack ends.

use pronghorn_sync::own_tid;
use std::mem::MaybeUninit;

use crate::host;

/// The first address behind the calling thread's stack; the largest address there is if the system does not tell.
pub(crate) fn end_of_own_stack() -> u64 {
    main_stack_end().unwrap_or_else(thread_stack_end)
}

/// Of the main thread the loader remembers where its stack began (`__libc_stack_end`); asking pthread reads all of
/// /proc/self/maps.
fn main_stack_end() -> Option<u64> {
    // SAFETY: no preconditions.
    if own_tid() != unsafe { libc::getpid() } {
        return None;
    }
    let place = host::get_found().ok()?.main_stack_end?;
    // SAFETY: the symbol is a word, a pointer (glibc's rtld).
    Some(unsafe { place.read() })
}

fn thread_stack_end() -> u64 {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the attributes are initialised by the first call, read by the second, destroyed by the third.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return u64::MAX;
        }
        let (mut low, mut size) = (std::ptr::null_mut(), 0);
        let result = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut low, &raw mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        if result == 0 {
            low as u64 + size as u64
        } else {
            u64::MAX
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_lies_below_the_end() {
        let local = 0u8;
        let end = end_of_own_stack();
        let here = std::ptr::from_ref(&local) as u64;
        assert!(here < end && end - here < 1 << 30);
    }
}
