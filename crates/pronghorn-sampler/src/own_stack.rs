//! Runs a thread of ours on a stack in memory that no fork copies.
//!
//! A fork write-protects what it copies, and a thread that ticks writes to its stack at once: for each page a fault, a copy, and an interrupt to
//! every processor that runs the program. The stack that the C library gives a thread cannot lie in wiped memory itself: its end holds
//! the library's record of the thread, which stands in lists that a child walks (glibc, `nptl/descr.h`). So the thread begins there, and goes on here.
//!
//! Layout: a guard page that nothing may touch, then the stack. Threads: called on the thread that moves, once in its life. Fork: the
//! child has no use for the stack; its reset unmaps it.

use pronghorn_sync::Mapping;
use pronghorn_sync::mapping::{Kind, MapError};

const GUARD: usize = 4096;

/// A stack that is not in use yet, or any more.
#[derive(Debug)]
pub(crate) struct OwnStack(Mapping);

impl OwnStack {
    /// With room for that many bytes; those that are not used cost nothing.
    ///
    /// # Errors
    /// There is no memory.
    pub(crate) fn new(bytes: usize) -> Result<Self, MapError> {
        let mapping = Mapping::new(bytes + GUARD, Kind::Stack)?;
        // SAFETY: the lowest page of a mapping of ours. Without it an overflow is only found later.
        unsafe { libc::mprotect(mapping.base().as_ptr().cast(), GUARD, libc::PROT_NONE) };
        Ok(Self(mapping))
    }

    /// Runs `work` on it, on the calling thread. `work` must not let a panic out: nothing unwinds across the switch.
    pub(crate) fn run(&self, work: extern "C" fn()) {
        // SAFETY: the end of the mapping.
        let top = unsafe { self.0.base().add(self.0.bytes()) };
        // SAFETY: `&self` keeps the memory, nobody else uses it (one thread moves here), and its end is aligned to a page.
        unsafe { call_on(top.as_ptr(), work) };
    }
}

/// Calls `work` with the stack pointer at `top`.
///
/// # Safety
/// Below `top`, which is aligned to 16 bytes, lies a stack that nobody uses. `work` returns.
unsafe fn call_on(top: *mut u8, work: extern "C" fn()) {
    // SAFETY: r12 survives a call by the C ABI, so the old stack pointer is put back; the stack is aligned at the call.
    unsafe {
        core::arch::asm!(
            "mov r12, rsp",
            "mov rsp, {top}",
            "call {work}",
            "mov rsp, r12",
            top = in(reg) top,
            work = in(reg) work,
            out("r12") _,
            clobber_abi("C"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[test]
    fn work_runs_on_it_and_comes_back() {
        static AT: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn work() {
            let here = [0u8; 1000];
            AT.store(std::hint::black_box(&here).as_ptr().addr(), SeqCst);
            // What is called from there is aligned as it has to be, too.
            assert_eq!(std::hint::black_box(1.5_f64).to_string(), "1.5");
        }
        let stack = OwnStack::new(64 * 1024).unwrap();
        let low = stack.0.base().addr().get() + GUARD;
        let here = std::hint::black_box([7u8; 64]);
        for _ in 0..2 {
            AT.store(0, SeqCst);
            stack.run(work);
            assert!((low..low + 64 * 1024).contains(&AT.load(SeqCst)));
        }
        assert_eq!(here, [7u8; 64]);
    }
}
