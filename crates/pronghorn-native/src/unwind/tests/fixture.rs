//! Builds and loads `fixture.c`, and loads other libraries.

use std::ffi::{CString, c_void};
use std::path::Path;
use std::process::Command;
use std::{env, fs, mem, process, ptr};

/// A loaded library; never unloaded.
pub(super) struct Library(ptr::NonNull<c_void>);

impl Library {
    /// The library of this name or path, bound lazily.
    pub(super) fn open(name: &str) -> Option<Self> {
        let name = CString::new(name).unwrap();
        // SAFETY: loads a library whose initialisers are those of the fixture or of a system library.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
        ptr::NonNull::new(handle).map(Self)
    }

    /// The C fixture, built by the C compiler that also links Rust programs here.
    pub(super) fn fixture() -> Self {
        let directory = env::temp_dir().join(format!("pronghorn-native-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let object = directory.join("fixture.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/unwind/tests/fixture.c");
        let status = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()))
            .args([
                "-O2",
                "-w",
                "-fomit-frame-pointer",
                "-shared",
                "-fPIC",
                "-fno-builtin",
                "-Wl,-z,lazy",
                "-o",
            ])
            .args([&object, &source])
            .status()
            .unwrap();
        assert!(status.success());
        let library = Self::open(object.to_str().unwrap()).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        library
    }

    /// The function of this name.
    ///
    /// # Safety
    ///
    /// `F` is the type of a pointer to a C function with that function's arguments and result.
    pub(super) unsafe fn function<F: Copy>(&self, name: &str) -> F {
        let symbol = CString::new(name).unwrap();
        // SAFETY: a loaded library's handle and a string.
        let address = unsafe { libc::dlsym(self.0.as_ptr(), symbol.as_ptr()) };
        assert!(!address.is_null(), "no symbol {name}");
        assert_eq!(size_of::<F>(), size_of::<*mut c_void>());
        // SAFETY: the caller's promise.
        unsafe { mem::transmute_copy(&address) }
    }
}
