//! ELF headers, notes and symbol tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pronghorn_native::fuzz::elf_file(data));
