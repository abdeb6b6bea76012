//! Files of images are not trusted: cut off, overwritten or exchanged ones give fewer names, never a panic or a wrong name.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, process};

use pronghorn_native::{ImageList, Symbolizer, offline};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("pronghorn-native-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn libc_path() -> PathBuf {
    ImageList::snapshot()
        .find(libc::gnu_get_libc_version as *const () as u64)
        .unwrap()
        .path()
        .into()
}

/// Addresses spread over an image's code.
fn addresses(images: &ImageList) -> Vec<u64> {
    let segments = images
        .images()
        .iter()
        .flat_map(pronghorn_native::Image::segments);
    segments
        .flat_map(|code| (code.start..code.end.min(code.start + (1 << 22))).step_by(4093))
        .collect()
}

/// How many addresses are named when the file holds these bytes.
fn named(path: &Path, bytes: &[u8]) -> usize {
    fs::write(path, bytes).unwrap();
    let Ok(images) = offline::image_list(path) else {
        return 0;
    };
    let start = Instant::now();
    let symbols = Symbolizer::new().symbolize(&images, &addresses(&images));
    assert!(start.elapsed() < Duration::from_secs(10));
    symbols.iter().flatten().count()
}

#[test]
fn truncated_files() {
    let scratch = Scratch::new("truncated");
    let path = scratch.0.join("library.so");
    let whole = fs::read(libc_path()).unwrap();
    let all = named(&path, &whole);
    assert!(all > 100, "{all} names in the whole file");
    for length in (0..whole.len())
        .step_by(whole.len() / 61)
        .chain([1, 5, 40, 63, 64, 65, 100, 1000])
    {
        assert!(named(&path, &whole[..length]) <= all);
    }
}

#[test]
fn overwritten_files() {
    let scratch = Scratch::new("overwritten");
    let path = scratch.0.join("library.so");
    let whole = fs::read(libc_path()).unwrap();
    let mut random = 5_u64;
    let mut below = |bound: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 24) as usize % bound
    };
    let sections =
        usize::try_from(u64::from_le_bytes(*whole[40..].first_chunk().unwrap())).unwrap();
    for round in 0..120 {
        let mut bytes = whole.clone();
        for _ in 0..12 {
            // The headers decide what is read where; the rest only names.
            let place = match round % 3 {
                0 => below(1024),
                1 => sections + below(whole.len() - sections),
                _ => below(whole.len()),
            };
            bytes[place] = [0, 0xff, 0x7f, below(256) as u8][below(4)];
        }
        named(&path, &bytes);
    }
}

/// Builds a library with one function of this name, and with a build id.
fn build(library: &Path, function: &str) {
    let source = library.with_extension("c");
    fs::write(&source, format!("int {function}(void) {{ return 42; }}")).unwrap();
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let arguments = ["-shared", "-fPIC", "-Wl,--build-id", "-o"];
    let status = process::Command::new(compiler)
        .args(arguments)
        .args([library, &source])
        .status();
    assert!(status.unwrap().success());
}

/// A package update puts another file under the path of a loaded library: its names are not this image's.
#[test]
fn exchanged_file() {
    let scratch = Scratch::new("exchanged");
    let path = scratch.0.join("library.so");
    build(&path, "the_old_function");
    let images = offline::image_list(&path).unwrap();
    let code = images.images()[0].segments()[0];
    let addresses: Vec<u64> = (code.start..code.end).collect();
    let names = || {
        let symbols = Symbolizer::new().symbolize(&images, &addresses);
        symbols
            .into_iter()
            .flatten()
            .map(|symbol| symbol.name.to_string())
            .collect::<Vec<_>>()
    };
    assert!(names().contains(&"the_old_function".to_owned()));
    fs::remove_file(&path).unwrap();
    assert!(names().is_empty());
    build(&path, "the_new_function");
    assert!(names().is_empty());
    build(&path, "the_old_function");
    assert!(names().contains(&"the_old_function".to_owned()));
}

/// The file of a loaded library is gone: its public names are still in memory.
#[test]
fn deleted_library() {
    let scratch = Scratch::new("deleted");
    let library = scratch.0.join("library.so");
    build(&library, "pronghorn_still_here");
    let name = std::ffi::CString::new(library.to_str().unwrap()).unwrap();
    // SAFETY: loads the library just built, which is never unloaded, and looks its function up.
    let function = unsafe {
        let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW);
        assert!(!handle.is_null());
        libc::dlsym(handle, c"pronghorn_still_here".as_ptr())
    };
    fs::remove_file(&library).unwrap();
    let images = ImageList::snapshot();
    let symbols = Symbolizer::new().symbolize(&images, &[function as u64]);
    assert_eq!(&*symbols[0].as_ref().unwrap().name, "pronghorn_still_here");
}
