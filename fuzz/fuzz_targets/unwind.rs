//! `.eh_frame_hdr`, `.eh_frame`, their programs and expressions, stubs and frame pointers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pronghorn_native::fuzz::unwind(data));
