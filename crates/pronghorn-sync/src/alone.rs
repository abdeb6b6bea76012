//! The proof that a reset may overwrite what other threads could have been using: there are none.
//!
//! A fork leaves one thread. Whatever the others were doing to a value they do no more, so that one thread may put a fresh
//! value in place without asking any lock. No type can see that; the one place that knows it says so here, and every reset below it
//! takes the proof by reference. So the components themselves need no `unsafe` of their own.

use std::marker::PhantomData;

/// See the module's description. Stays on the thread that made it.
pub struct Alone(PhantomData<*const ()>);

impl Alone {
    /// Vouches for the thread that resets.
    ///
    /// # Safety
    /// As long as the proof exists: no other thread of this process uses a value of pronghorn, since this process was
    /// forked off and its reset has not made any thread yet; no signal handler of ours does; and the calling thread
    /// has no access to such a value open further up its stack. What the parent kept in mappings of ours
    /// ([`crate::Mapping`]) is not looked into any more, except through types that notice the fork.
    #[must_use]
    pub unsafe fn vouch() -> Self {
        Self(PhantomData)
    }
}
