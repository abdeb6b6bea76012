//! What a process needs to know of its V8, looked up once.
//!
//! `dlsym` takes the dynamic linker's lock, which glibc (2.36) makes anew in the child of fork(3) alone, not in one of `_Fork` or a bare clone: a
//! lookup under way on another thread at such a fork would leave it taken, and the child's own would wait for ever. So neither a worker thread that
//! joins nor a child that starts again looks anything up.
//!
//! Threads, orderings, fork: those of [`Published`].

use pronghorn_sync::Published;

use crate::layout::{Layout, Unsupported};
use crate::symbols::Symbols;

/// The functions of this process's V8, and its layout or why there is none.
#[derive(Debug)]
pub struct V8 {
    /// Its functions.
    pub symbols: Symbols,
    layout: Result<Layout, Unsupported>,
}

// Fork: kept; the child has the same images at the same addresses.
static FOUND: Published<V8> = Published::new();

impl V8 {
    /// What there is. The first call looks, and needs the fault handler ([`crate::fault::install`]); the others read a word.
    pub fn get() -> &'static Self {
        FOUND.get_or_find(|| {
            let symbols = Symbols::find();
            let layout = Layout::discover(&symbols, None);
            Self { symbols, layout }
        })
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
