//! Names of this process's own functions, libc's, the vdso's, and those of damaged files.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use pronghorn_native::{ImageList, Symbolizer};

#[inline(never)]
fn a_function_of_this_test() -> u64 {
    std::hint::black_box(7)
}

/// The name found for one address.
fn name(symbolizer: &mut Symbolizer, images: &ImageList, address: u64) -> Option<String> {
    let symbols = symbolizer.symbolize(images, &[address]);
    assert_eq!(symbols.len(), 1);
    symbols[0].as_ref().map(|symbol| symbol.name.to_string())
}

#[test]
fn own_functions() {
    let images = ImageList::snapshot();
    let mut symbolizer = Symbolizer::new();
    assert_eq!(a_function_of_this_test(), 7);
    let address = a_function_of_this_test as *const () as u64;
    let first = symbolizer.symbolize(&images, &[address, 1, address + 1, address]);
    assert_eq!(
        &*first[0].as_ref().unwrap().name,
        "symbolize::a_function_of_this_test"
    );
    assert_eq!(first[0].as_ref().unwrap().start, address);
    assert_eq!(first[1], None);
    assert_eq!(first[2], first[0]);
    assert_eq!(
        symbolizer.symbolize(&images, &[address, 1, address + 1, address]),
        first
    );
}

#[test]
fn functions_of_libc() {
    let images = ImageList::snapshot();
    let mut symbolizer = Symbolizer::new();
    for (address, wanted) in [
        (libc::qsort as *const () as u64, "qsort"),
        (libc::snprintf as *const () as u64, "snprintf"),
        (libc::getenv as *const () as u64, "getenv"),
    ] {
        let name = name(&mut symbolizer, &images, address).unwrap();
        assert!(name.contains(wanted), "{name}, wanted {wanted}");
    }
}

/// The vdso has no file: its names come from memory.
#[test]
fn functions_of_the_kernel() {
    let images = ImageList::snapshot();
    let vdso = images
        .images()
        .iter()
        .find(|image| image.is_vdso())
        .expect("this kernel has a vdso");
    let mut symbolizer = Symbolizer::new();
    let segment = vdso.segments()[0];
    let addresses: Vec<u64> = (segment.start..segment.end).step_by(16).collect();
    let symbols = symbolizer.symbolize(&images, &addresses);
    let found = |wanted: &str| {
        symbols
            .iter()
            .flatten()
            .any(|symbol| symbol.name.contains(wanted))
    };
    assert!(found("clock_gettime") && found("getcpu"), "{symbols:?}");
}
