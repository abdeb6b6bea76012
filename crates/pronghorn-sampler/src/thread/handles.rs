//! Handles of V8's, for objects that stacks need while they are kept (`thread/drain.rs`): V8 keeps them alive, and the handle up to date.
//!
//! Threads: the isolate's own, not during a collection; its prologue is in front of one.
//!
//! Fork: handles are part of the isolate's heap, which goes on in the child.

use crate::host::{Host, IsolatePtr};

/// A handle of the object at `tagged`; nothing where V8 has none that can be given back.
pub(super) fn hold(host: &Host, isolate: IsolatePtr, tagged: u64) -> Option<u64> {
    host.dispose_global?;
    // SAFETY: on the isolate's thread; `tagged` was read from the heap since the last collection, so an object is there.
    let place = unsafe {
        match (host.globalize, host.globalize_place) {
            (Some(globalize), _) => globalize(isolate, tagged),
            (None, Some(globalize)) => globalize(isolate, &raw const tagged),
            (None, None) => return None,
        }
    };
    (!place.is_null()).then(|| place.addr() as u64)
}

/// Gives a handle back.
pub(super) fn dispose(host: &Host, handle: u64) {
    if let Some(dispose) = host.dispose_global {
        // SAFETY: made by `hold`, on this thread, and given back once.
        unsafe { dispose(std::ptr::with_exposed_provenance(handle as usize)) };
    }
}
