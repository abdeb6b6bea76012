//! The resolver, the namer, the walker and the reader of labels, over a damaged image of V8's heap.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pronghorn_v8::fuzz::image(data));
