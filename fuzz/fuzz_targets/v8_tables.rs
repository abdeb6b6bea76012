//! Position tables, baseline's offset tables, bytecodes and translations of the deoptimizer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pronghorn_v8::fuzz::tables(data));
