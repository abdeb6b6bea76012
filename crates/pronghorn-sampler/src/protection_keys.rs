//! Memory behind protection keys (pkeys(7)), which the handler has to read.
//!
//! Where the processor has such keys, V8 11.3 (Node 20) puts the code of WebAssembly behind one (`--wasm-memory-protection-keys`, on by default;
//! src/base/platform/memory-protection-key.cc). The program may read it, but the kernel enters every signal handler with access to nothing that has a key (`init_pkru_value`,
//! arch/x86/mm/pkeys.c): the walk, which reads instructions, faulted in nine of ten samples. What a handler may do is its own affair: the kernel puts the
//! program's rights back when it returns.
//!
//! Threads: [`find`] at a start; [`allow_reading`] in the handler, whose thread alone it concerns. Async-signal-safe. Fork: the processor stays the same.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

// Fork: kept, it is about the processor and the kernel.
static KEYS: AtomicU8 = AtomicU8::new(UNKNOWN);

const UNKNOWN: u8 = 0;
const NONE: u8 = 1;
const IN_USE: u8 = 2;

/// Of each key's two bits the lower one: no access. The upper one: no writing.
const NO_ACCESS: u32 = 0x5555_5555;

/// Asks the processor, once: it may take a virtual machine tens of microseconds.
pub(crate) fn find() {
    if KEYS.load(Relaxed) != UNKNOWN {
        return;
    }
    KEYS.store(NONE, Relaxed);
    #[cfg(target_arch = "x86_64")]
    {
        // OSPKE: there are keys, and the kernel uses them (leaf 7, ECX bit 4; Intel's manual, volume 2, CPUID).
        let (leaf, bit) = (7, 1 << 4);
        let most = std::arch::x86_64::__cpuid(0).eax;
        let used = most >= leaf && std::arch::x86_64::__cpuid_count(leaf, 0).ecx & bit != 0;
        if used {
            KEYS.store(IN_USE, Relaxed);
        }
    }
}

/// From here to the handler's return, memory with a key can be read. Not written: whoever has a bug must not damage code.
#[inline]
pub(crate) fn allow_reading() {
    if KEYS.load(Relaxed) != IN_USE {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    {
        let rights = read_rights();
        let wanted = readable(rights);
        if wanted != rights {
            write_rights(wanted);
        }
    }
}

/// Without access becomes without writing.
const fn readable(rights: u32) -> u32 {
    let closed = rights & NO_ACCESS;
    (rights & !NO_ACCESS) | closed << 1
}

#[cfg(target_arch = "x86_64")]
fn read_rights() -> u32 {
    let rights;
    // SAFETY: the instruction exists (`KEYS`); it wants 0 in ecx and clears edx.
    unsafe {
        core::arch::asm!("rdpkru", in("ecx") 0, out("eax") rights, out("edx") _, options(nomem, nostack, preserves_flags));
    }
    rights
}

#[cfg(target_arch = "x86_64")]
fn write_rights(rights: u32) {
    // SAFETY: as above; it wants 0 in ecx and edx. No right that the program's code relies on is taken away. Loads behind it must not be moved before it, so it counts as
    // touching memory.
    unsafe {
        core::arch::asm!("wrpkru", in("eax") rights, in("ecx") 0, in("edx") 0, options(nostack, preserves_flags));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_accessed_can_be_read_and_not_written() {
        // As the kernel enters a handler: all but key 0 closed.
        assert_eq!(readable(0x5555_5554), 0xAAAA_AAA8);
        assert_eq!(readable(0), 0);
        assert_eq!(readable(0b1011), 0b1010);
    }

    #[test]
    fn memory_with_a_key_is_readable_in_a_handler_that_allows_it() {
        extern "C" fn handler(_number: i32) {
            allow_reading();
            let place = PLACE.load(Relaxed) as *const u64;
            // SAFETY: the test's page, if the reading is allowed.
            SEEN.store(unsafe { place.read_volatile() }, Relaxed);
        }
        static PLACE: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        static SEEN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        find();
        // SAFETY: a page and a key of this test's own; the signal is used by nobody else in these tests.
        unsafe {
            let key = libc::syscall(libc::SYS_pkey_alloc, 0, 2);
            if key < 0 {
                // No keys here: nothing to be allowed.
                assert_ne!(KEYS.load(Relaxed), UNKNOWN);
                return;
            }
            let page = libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            page.cast::<u64>().write(42);
            let both = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(
                libc::syscall(libc::SYS_pkey_mprotect, page, 4096, both, key),
                0
            );
            PLACE.store(page as usize, Relaxed);
            libc::signal(libc::SIGUSR2, handler as extern "C" fn(i32) as usize);
            libc::raise(libc::SIGUSR2);
            libc::signal(libc::SIGUSR2, libc::SIG_DFL);
            libc::munmap(page, 4096);
            libc::syscall(libc::SYS_pkey_free, key);
        }
        assert_eq!(SEEN.load(Relaxed), 42);
    }
}
