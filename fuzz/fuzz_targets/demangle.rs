//! Names of C++ and Rust symbols.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pronghorn_native::fuzz::name(data));
