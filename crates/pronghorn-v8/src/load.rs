//! Checked loads: reading memory that may not be there.
//!
//! Every read of the JavaScript heap or of a stack goes through one small assembly block. If a load in that block faults,
//! the fault handler ([`crate::fault`]) sets the instruction pointer to the block's fix-up label, and the load reports
//! failure instead of killing the process. Only program counters inside the block are fixed up.
//!
//! The loads allocate nothing, take no lock and touch no thread-local, so a signal handler may use them. They need
//! [`crate::fault::install`] to have succeeded and SIGSEGV and SIGBUS to be unblocked on the calling thread
//! ([`crate::fault::signals_open`]). A fork changes nothing about them.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod block {
    use core::arch::global_asm;

    // Each routine takes an address in rdi and returns the value in rax and 1 in rdx. The fix-up label returns 0 and 0.
    // The stack pointer does not move inside the block, so that `ret` at the fix-up label returns to the caller.
    global_asm!(
        ".pushsection .text.pronghorn_v8_load,\"ax\",@progbits",
        ".p2align 5",
        ".globl pronghorn_v8_load_begin",
        ".hidden pronghorn_v8_load_begin",
        "pronghorn_v8_load_begin:",
        ".globl pronghorn_v8_load_u64",
        ".hidden pronghorn_v8_load_u64",
        ".type pronghorn_v8_load_u64,@function",
        "pronghorn_v8_load_u64:",
        ".cfi_startproc",
        "mov rax, qword ptr [rdi]",
        "mov edx, 1",
        "ret",
        ".size pronghorn_v8_load_u64, . - pronghorn_v8_load_u64",
        ".globl pronghorn_v8_load_u32",
        ".hidden pronghorn_v8_load_u32",
        ".type pronghorn_v8_load_u32,@function",
        "pronghorn_v8_load_u32:",
        "mov eax, dword ptr [rdi]",
        "mov edx, 1",
        "ret",
        ".size pronghorn_v8_load_u32, . - pronghorn_v8_load_u32",
        ".globl pronghorn_v8_load_u16",
        ".hidden pronghorn_v8_load_u16",
        ".type pronghorn_v8_load_u16,@function",
        "pronghorn_v8_load_u16:",
        "movzx eax, word ptr [rdi]",
        "mov edx, 1",
        "ret",
        ".size pronghorn_v8_load_u16, . - pronghorn_v8_load_u16",
        ".globl pronghorn_v8_load_u8",
        ".hidden pronghorn_v8_load_u8",
        ".type pronghorn_v8_load_u8,@function",
        "pronghorn_v8_load_u8:",
        "movzx eax, byte ptr [rdi]",
        "mov edx, 1",
        "ret",
        ".size pronghorn_v8_load_u8, . - pronghorn_v8_load_u8",
        // copy(destination: rdi, source: rsi, bytes: rdx)
        ".globl pronghorn_v8_load_copy",
        ".hidden pronghorn_v8_load_copy",
        ".type pronghorn_v8_load_copy,@function",
        "pronghorn_v8_load_copy:",
        "mov rcx, rdx",
        "rep movsb",
        "xor eax, eax",
        "mov edx, 1",
        "ret",
        ".size pronghorn_v8_load_copy, . - pronghorn_v8_load_copy",
        ".globl pronghorn_v8_load_end",
        ".hidden pronghorn_v8_load_end",
        "pronghorn_v8_load_end:",
        ".globl pronghorn_v8_load_fixup",
        ".hidden pronghorn_v8_load_fixup",
        "pronghorn_v8_load_fixup:",
        "xor eax, eax",
        "xor edx, edx",
        "ret",
        ".cfi_endproc",
        ".popsection",
    );

    #[repr(C)]
    pub(super) struct Loaded {
        pub(super) value: u64,
        pub(super) ok: u64,
    }

    unsafe extern "C" {
        static pronghorn_v8_load_begin: u8;
        static pronghorn_v8_load_end: u8;
        static pronghorn_v8_load_fixup: u8;
        pub(super) fn pronghorn_v8_load_u64(address: u64) -> Loaded;
        pub(super) fn pronghorn_v8_load_u32(address: u64) -> Loaded;
        pub(super) fn pronghorn_v8_load_u16(address: u64) -> Loaded;
        pub(super) fn pronghorn_v8_load_u8(address: u64) -> Loaded;
        pub(super) fn pronghorn_v8_load_copy(to: *mut u8, from: u64, length: usize) -> Loaded;
    }

    pub(super) fn fixup(pc: u64) -> Option<u64> {
        let begin = &raw const pronghorn_v8_load_begin as u64;
        let end = &raw const pronghorn_v8_load_end as u64;
        (pc >= begin && pc < end).then_some(&raw const pronghorn_v8_load_fixup as u64)
    }
}

/// Where a fault at `pc` is to go on: the fix-up label if `pc` lies in the load block, else nothing.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) fn fixup_for(pc: u64) -> Option<u64> {
    block::fixup(pc)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
macro_rules! load {
    ($name:ident, $type:ty, $routine:ident, $size:literal) => {
        #[doc = concat!("Reads ", $size, " at `address` (any alignment), or nothing if the memory cannot be read.")]
        #[inline]
        #[must_use]
        pub fn $name(address: u64) -> Option<$type> {
            // SAFETY: the routine only reads at `address`, and a fault there ends at its fix-up label.
            let loaded = unsafe { block::$routine(address) };
            (loaded.ok != 0).then_some(loaded.value as $type)
        }
    };
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
macro_rules! load {
    ($name:ident, $type:ty, $routine:ident, $size:literal) => {
        #[doc = concat!("Reads ", $size, " at `address`; on this platform never.")]
        #[must_use]
        pub fn $name(_address: u64) -> Option<$type> {
            None
        }
    };
}

load!(u64, u64, pronghorn_v8_load_u64, "8 bytes");
load!(u32, u32, pronghorn_v8_load_u32, "4 bytes");
load!(u16, u16, pronghorn_v8_load_u16, "2 bytes");
load!(u8, u8, pronghorn_v8_load_u8, "1 byte");

/// Copies `into.len()` bytes from `address`. False if any of them cannot be read; `into` then holds a part of them.
#[must_use]
pub fn copy(address: u64, into: &mut [u8]) -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        // SAFETY: writes at most `into.len()` bytes to `into`; a fault on the source ends at the fix-up label.
        let loaded =
            unsafe { block::pronghorn_v8_load_copy(into.as_mut_ptr(), address, into.len()) };
        loaded.ok != 0
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    {
        let _ = (address, into);
        false
    }
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::fault;

    #[test]
    fn what_is_there_is_read() {
        let _serial = fault::serial();
        fault::install().unwrap();
        let bytes = [1u8, 2, 3, 4, 5, 6, 7, 8, 9];
        let at = bytes.as_ptr() as u64;
        assert_eq!(u64(at + 1), Some(0x0908_0706_0504_0302));
        assert_eq!(u32(at + 1), Some(0x0504_0302));
        assert_eq!(u16(at + 1), Some(0x0302));
        assert_eq!(u8(at + 8), Some(9));
        let mut into = [0u8; 4];
        assert!(copy(at + 2, &mut into));
        assert_eq!(into, [3, 4, 5, 6]);
        assert!(copy(8, &mut []));
    }

    #[test]
    fn what_is_not_there_is_nothing_and_counted() {
        let _serial = fault::serial();
        fault::install().unwrap();
        let before = fault::fixups();
        // Unmapped, not canonical, wrapping around.
        for address in [
            8,
            0x8000_0000_0000_0000,
            0xdead_beef_dead_beef,
            u64::MAX - 2,
        ] {
            assert_eq!(u64(address), None, "{address:x}");
            assert_eq!(u8(address), None, "{address:x}");
        }
        assert_eq!(fault::fixups() - before, 8);
    }

    #[test]
    fn a_copy_that_runs_out_of_memory_fails() {
        let _serial = fault::serial();
        fault::install().unwrap();
        // SAFETY: a fresh mapping of two pages whose second becomes unreadable.
        let page = unsafe {
            let page = libc::mmap(
                core::ptr::null_mut(),
                8192,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            libc::mprotect(page.add(4096), 4096, libc::PROT_NONE);
            page as u64
        };
        let mut into = [0u8; 64];
        assert!(copy(page + 4096 - 64, &mut into));
        assert!(!copy(page + 4096 - 63, &mut into));
        assert_eq!(u64(page + 4096 - 7), None);
    }

    #[test]
    fn a_file_cut_short_is_nothing_too() {
        let _serial = fault::serial();
        fault::install().unwrap();
        // SAFETY: an empty file, mapped: reading it raises SIGBUS.
        let page = unsafe {
            let file = libc::memfd_create(c"empty".as_ptr(), 0);
            libc::mmap(
                core::ptr::null_mut(),
                4096,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file,
                0,
            ) as u64
        };
        assert_eq!(u64(page), None);
    }
}
