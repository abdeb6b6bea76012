//! Keeps this image loaded: signal handlers, hooks and threads of ours point into it, and Node closes an addon when the
//! environment that loaded it ends. What is set up once per image is set up here.

use std::ffi::CStr;

/// Opens the image that this function lies in once more, and never closes it.
#[napi_derive::module_init]
fn retain_image() {
    // From here on a fork of this process is noticed, whether or not anything was started before it.
    pronghorn_sync::fork::install();
    pronghorn_sampler::failure::tell_panics_in_a_line();
    // SAFETY: the address is in this image; `info` is a place of ours; dlopen with RTLD_NOLOAD runs nothing.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let here = (retain_image as *const ()).cast::<libc::c_void>();
        if libc::dladdr(here, &raw mut info) != 0 && !info.dli_fname.is_null() {
            let name = CStr::from_ptr(info.dli_fname);
            libc::dlopen(
                name.as_ptr(),
                libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE,
            );
        }
    }
}
