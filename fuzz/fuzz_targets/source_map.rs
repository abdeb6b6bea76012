//! A source map, as a file's content and as a `data:` URL; then places are looked up in it.
#![no_main]

use std::sync::Arc;

use pronghorn_source_map::{Cache, Map, Script, load};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(map) = Map::parse(data, "/app/dist/bundle.js") {
        for place in 0..200 {
            let _ = map.original(place / 20, place % 20 * 7);
        }
        let _ = map.original(u32::MAX, u32::MAX);
        assert!(
            map.len() <= data.len(),
            "{} mappings of {} bytes",
            map.len(),
            data.len()
        );
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Nothing but what the URL itself holds: a fuzzer should not read files.
    let script = Script {
        file: "/app/dist/bundle.js".into(),
        url: Arc::from(format!("data:application/json,{text}")),
        url_length: text.len() as u32 + 22,
    };
    if let Some(loaded) = load(&script, None) {
        let mut cache = Cache::new(1 << 20);
        let _ = cache.put(&script, loaded);
        let _ = cache.get(&script);
        assert!(cache.bytes() <= 1 << 20);
    }
});
