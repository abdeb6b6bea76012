//! What a process needs to know of its V8, looked up once.
//!
//! `dlsym` takes the dynamic linker's lock, which glibc (2.36) makes anew in the child of fork(3) alone, not in one of `_Fork` or a bare clone: a
//! lookup under way on another thread at such a fork would leave it taken, and the child's own would wait for ever. So neither a worker thread that
//! joins nor a child that starts again looks anything up.
//!
//! Threads: any. Two that look at the same time find the same; one of the two records is dropped.
//!
//! Orderings: a record is written before it is published with release, read after an acquire load, and never changed or freed.

use std::sync::atomic::{
    AtomicPtr,
    Ordering::{AcqRel, Acquire},
};

use crate::layout::{Layout, Unsupported};
use crate::symbols::Symbols;

/// The functions of this process's V8, and its layout or why there is none.
#[derive(Debug)]
pub struct V8 {
    /// Its functions.
    pub symbols: Symbols,
    layout: Result<Layout, Unsupported>,
}

// Fork: kept; the child has the same images at the same addresses. No lock guards it, so a thread that was about to fill it leaves it empty.
static FOUND: AtomicPtr<V8> = AtomicPtr::new(std::ptr::null_mut());

impl V8 {
    /// What there is. The first call looks, and needs the fault handler ([`crate::fault::install`]); the others read a word.
    pub fn get() -> &'static Self {
        if let Some(found) = Self::known() {
            return found;
        }
        let symbols = Symbols::find();
        let layout = Layout::discover(&symbols, None);
        let fresh = Box::into_raw(Box::new(Self { symbols, layout }));
        match FOUND.compare_exchange(std::ptr::null_mut(), fresh, AcqRel, Acquire) {
            // SAFETY: made above, published now, never freed.
            Ok(_) => unsafe { &*fresh },
            Err(other) => {
                // SAFETY: made above and not published: nobody else knows it.
                drop(unsafe { Box::from_raw(fresh) });
                // SAFETY: not null, and published as above.
                unsafe { &*other }
            }
        }
    }

    fn known() -> Option<&'static Self> {
        // SAFETY: null, or published by `get`, whole, and never freed.
        unsafe { FOUND.load(Acquire).as_ref() }
    }

    /// The layout of this V8.
    ///
    /// `pretend` is for tests: the table of that version instead of the real one, looked up anew.
    ///
    /// # Errors
    /// See [`Layout::discover`].
    pub fn layout(&self, pretend: Option<(u32, u32)>) -> Result<Layout, Unsupported> {
        match pretend {
            None => self.layout.clone(),
            Some(_) => Layout::discover(&self.symbols, pretend),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_gets_the_same_record() {
        // The test program is no V8: there is nothing to read, and no fault to handle.
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| std::ptr::from_ref(V8::get()).addr()))
            .collect();
        let own = std::ptr::from_ref(V8::get()).addr();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), own);
        }
        assert!(V8::get().layout(None).is_err());
    }
}
