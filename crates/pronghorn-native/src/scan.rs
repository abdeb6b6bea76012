//! Asking the dynamic loader for its images.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{mem, ptr, slice};

use pronghorn_sync::failpoint;

use crate::build_id;
use crate::images::{Image, Segment, VDSO};
use crate::unwind::UnwindTable;

/// `p_flags` of a segment that may be executed or read.
const EXECUTABLE: u32 = libc::PF_X;
const READABLE: u32 = libc::PF_R;
/// More program headers than this are taken for damage.
const MAX_HEADERS: u16 = 512;

struct Scan {
    images: Vec<Image>,
    generation: u64,
    vdso: u64,
}

/// All images and their generation.
pub(crate) fn scan() -> (Vec<Image>, u64) {
    // SAFETY: getauxval only reads the process's auxiliary vector.
    let vdso = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    let mut scan = Scan {
        images: Vec::new(),
        generation: 0,
        vdso,
    };
    // SAFETY: the callback gets the pointer given here, a Scan that outlives the call, and matches the expected type.
    unsafe { libc::dl_iterate_phdr(Some(visit), ptr::from_mut(&mut scan).cast()) };
    (scan.images, scan.generation)
}

/// The loader's present generation.
pub(crate) fn generation() -> u64 {
    let mut generation = 0_u64;
    // SAFETY: the callback gets the pointer given here, a u64 that outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit_first), ptr::from_mut(&mut generation).cast()) };
    generation
}

/// Reads the generation and ends the iteration.
unsafe extern "C" fn visit_first(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: dl_iterate_phdr passes a valid info and the pointer that `generation` gave it.
    unsafe { *data.cast::<u64>() = generation_of(&*info) };
    failpoint!("linker");
    1
}

unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: dl_iterate_phdr passes a valid info, and the pointer that `scan` gave it, which nothing else uses now.
    let (info, scan) = unsafe { (&*info, &mut *data.cast::<Scan>()) };
    scan.generation = generation_of(info);
    let is_first = scan.images.is_empty();
    // SAFETY: the loader's lock is held: the image stays mapped during the callback.
    if let Some(image) = unsafe { read_image(info, scan.vdso, is_first) } {
        scan.images.push(image);
    }
    0
}

/// Both counters only grow, so their sum is different after every change.
fn generation_of(info: &libc::dl_phdr_info) -> u64 {
    info.dlpi_adds.wrapping_add(info.dlpi_subs)
}

/// What the loader's entry says, or `None` for an image without code.
///
/// # Safety
///
/// `info` describes a mapped image that is not unmapped during the call.
unsafe fn read_image(info: &libc::dl_phdr_info, vdso: u64, is_main: bool) -> Option<Image> {
    if info.dlpi_phdr.is_null() || info.dlpi_phnum > MAX_HEADERS {
        return None;
    }
    // SAFETY: the loader's table of `dlpi_phnum` program headers, mapped as the caller says.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let bias = info.dlpi_addr;
    let loaded = || {
        headers
            .iter()
            .filter(|header| header.p_type == libc::PT_LOAD)
    };
    let mut segments: Vec<Segment> = loaded()
        .filter(|header| header.p_flags & EXECUTABLE != 0)
        .map(|header| {
            let start = bias.wrapping_add(header.p_vaddr);
            Segment {
                start,
                end: start.wrapping_add(header.p_memsz),
                file_offset: header.p_offset,
            }
        })
        .filter(|segment| segment.start < segment.end)
        .collect();
    if segments.is_empty() {
        return None;
    }
    segments.sort_unstable_by_key(|segment| segment.start);
    // Reads eight bytes that lie within one readable segment of the image, and nothing else.
    let memory = |address: u64| {
        let last = address.checked_add(7)?;
        let is_inside = loaded()
            .filter(|header| header.p_flags & READABLE != 0)
            .any(|header| {
                let start = bias.wrapping_add(header.p_vaddr);
                // The rest of a segment's last page is mapped too.
                let end = start
                    .wrapping_add(header.p_memsz)
                    .checked_next_multiple_of(PAGE)
                    .unwrap_or(0);
                start & !(PAGE.wrapping_sub(1)) <= address && last < end
            });
        // SAFETY: inside a mapped readable segment, as just checked.
        is_inside.then(|| unsafe {
            ptr::read_unaligned(ptr::with_exposed_provenance::<u64>(address as usize))
        })
    };
    let mut build_id = None;
    let mut unwind_table = None;
    for header in headers {
        let start = bias.wrapping_add(header.p_vaddr);
        let end = start.wrapping_add(header.p_memsz);
        match header.p_type {
            libc::PT_NOTE if build_id.is_none() => build_id = build_id::find(&memory, start, end),
            libc::PT_GNU_EH_FRAME => unwind_table = UnwindTable::parse(&memory, start, end).ok(),
            _ => {}
        }
    }
    let header = loaded()
        .find(|header| header.p_offset == 0)
        .map_or(0, |header| bias.wrapping_add(header.p_vaddr));
    let is_vdso = vdso != 0 && header == vdso;
    // SAFETY: the name is null or a string of the loader.
    let path = unsafe { path(info, is_vdso, is_main) };
    Some(Image {
        path: path.into(),
        load_bias: bias,
        header,
        segments: segments.into(),
        build_id,
        unwind_table,
        is_main,
    })
}

/// The smallest page size on x86-64.
const PAGE: u64 = 4096;

/// The image's path: the loader names the program itself with an empty string.
///
/// # Safety
///
/// `info.dlpi_name` is null or points at a string.
unsafe fn path(info: &libc::dl_phdr_info, is_vdso: bool, is_main: bool) -> PathBuf {
    if is_vdso {
        return Path::new(VDSO).into();
    }
    if !info.dlpi_name.is_null() {
        // SAFETY: checked for null; otherwise the caller's promise.
        let name = unsafe { CStr::from_ptr(info.dlpi_name) };
        if !name.is_empty() {
            return Path::new(OsStr::from_bytes(name.to_bytes())).into();
        }
    }
    if is_main {
        std::env::current_exe().unwrap_or_default()
    } else {
        PathBuf::new()
    }
}

const _: () = assert!(mem::size_of::<usize>() == mem::size_of::<u64>());
