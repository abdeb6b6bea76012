//! The list of images against what else is known of this process.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::ffi::CStr;
use std::process::Command;
use std::{env, fs, ptr};

use pronghorn_native::ImageList;

#[test]
fn own_program() {
    let images = ImageList::snapshot();
    let address = own_program as *const () as u64;
    let (image, segment) = images.find_segment(address).unwrap();
    assert!(image.is_main() && images.main_image_contains(address));
    assert_eq!(image.path(), env::current_exe().unwrap());
    assert!((segment.start..segment.end).contains(&address));
    assert!(image.unwind_table().is_some_and(|table| !table.is_empty()));
    assert!(!images.main_image_contains(libc::gnu_get_libc_version as *const () as u64));
}

#[test]
fn executable_mappings_are_known() {
    let images = ImageList::snapshot();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut checked = 0;
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = fields[0].split_once('-').unwrap();
        let name = fields.get(5).copied().unwrap_or_default();
        if fields[1].contains('x') && (name.starts_with('/') || name == "[vdso]") {
            let start = u64::from_str_radix(start, 16).unwrap();
            let end = u64::from_str_radix(end, 16).unwrap();
            // A segment may begin and end within its pages.
            let found = (start..end)
                .step_by(16)
                .find_map(|address| images.find_segment(address));
            let (image, segment) = found.unwrap_or_else(|| panic!("{line}"));
            assert_eq!(segment.start & !0xfff, start);
            assert_eq!(
                segment.file_offset & !0xfff,
                u64::from_str_radix(fields[2], 16).unwrap()
            );
            assert_eq!(
                image.path().file_name(),
                std::path::Path::new(name).file_name()
            );
            checked += 1;
        }
    }
    assert!(checked >= 4, "{maps}");
}

#[test]
fn edges() {
    let images = ImageList::snapshot();
    for image in images.images() {
        for segment in image.segments() {
            assert!(ptr::eq(images.find(segment.start).unwrap(), image));
            assert!(ptr::eq(images.find(segment.end - 1).unwrap(), image));
            assert!(
                images
                    .find(segment.end)
                    .is_none_or(|other| !ptr::eq(other, image))
            );
        }
    }
    for nowhere in [0, 1, u64::MAX, &raw const images as u64] {
        assert!(images.find(nowhere).is_none());
    }
}

/// Held against the linker's own tool.
#[test]
fn build_ids() {
    let images = ImageList::snapshot();
    let libc = images
        .find(libc::gnu_get_libc_version as *const () as u64)
        .unwrap();
    let ours: String = libc
        .build_id()
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let output = Command::new("readelf")
        .arg("-nW")
        .arg(libc.path())
        .output()
        .unwrap();
    let notes = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        notes.contains(&format!("Build ID: {ours}")),
        "{ours} is not in {notes}"
    );
}

#[test]
fn changes() {
    let before = ImageList::snapshot();
    let library = [
        c"libcrypto.so.3",
        c"libresolv.so.2",
        c"libnss_files.so.2",
        c"libanl.so.1",
        c"libutil.so.1",
    ]
    .into_iter()
    .find(|name| !is_loaded(name))
    .unwrap();
    // SAFETY: loads a system library; never unloaded.
    assert!(!unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW) }.is_null());
    assert!(before.has_changed());
    let after = ImageList::snapshot();
    assert!(!after.has_changed());
    assert!(after.generation() > before.generation());
    assert!(after.images().len() > before.images().len());
}

fn is_loaded(name: &CStr) -> bool {
    // SAFETY: asks for a loaded library only, without loading it.
    !unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) }.is_null()
}
