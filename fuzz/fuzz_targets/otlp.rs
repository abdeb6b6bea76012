//! The encoder of OTLP requests, over a pprof that may be anybody's.
#![no_main]

use pronghorn_otlp::{Options, encode};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(request) = encode(data, &Options::default()) {
        // A gzip stream may expand a lot; of what is plain each byte stands in the request a bounded number of times.
        assert!(
            data.starts_with(&[0x1f, 0x8b]) || request.len() <= 4096 + 64 * data.len(),
            "{} bytes of {}",
            request.len(),
            data.len()
        );
    }
});
