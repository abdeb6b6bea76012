//! What the Node binary exports: V8's postmortem metadata (`v8dbg_*` ints) and a few C++ functions, found by `dlsym`.
//!
//! The mangled names are the same on Node 20 to 26. Lookups belong to the first start, see [`V8`](crate::V8); the handler uses the
//! function pointers only. A fork changes nothing.

use core::ffi::c_void;
use std::ffi::CString;

use crate::version::Version;

/// A memory range as V8 hands it out: start and length in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MemoryRange {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub length: u64,
}

/// `v8::JSEntryStubs`: the three stubs through which C++ enters JavaScript.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct JsEntryStubs {
    /// JSEntry.
    pub entry: MemoryRange,
    /// JSConstructEntry.
    pub construct_entry: MemoryRange,
    /// JSRunMicrotasksEntry.
    pub run_microtasks_entry: MemoryRange,
}

/// An isolate, opaque.
pub type Isolate = *mut c_void;
/// `v8::Isolate::TryGetCurrent`.
pub type TryGetCurrent = unsafe extern "C" fn() -> Isolate;
/// `v8::Isolate::GetCodeRange`.
pub type GetCodeRange = unsafe extern "C" fn(Isolate, *mut *mut c_void, *mut usize);
/// `v8::Isolate::CopyCodePages`.
pub type CopyCodePages = unsafe extern "C" fn(Isolate, usize, *mut MemoryRange) -> usize;
/// `v8::Isolate::GetJSEntryStubs`.
pub type GetJsEntryStubs = unsafe extern "C" fn(Isolate) -> JsEntryStubs;
/// `const int*` lookups; a function so that tests can stand in.
pub type IntLookup = fn(&str) -> Option<i32>;

/// The functions found, and the version. Every field is optional: [`Symbols::missing`] names what is not there.
#[derive(Clone, Copy, Debug)]
pub struct Symbols {
    /// V8's version.
    pub version: Option<Version>,
    /// See [`TryGetCurrent`]. Async-signal-safe; may name an isolate that is being torn down.
    pub try_get_current: Option<TryGetCurrent>,
    /// See [`GetCodeRange`].
    pub get_code_range: Option<GetCodeRange>,
    /// See [`CopyCodePages`].
    pub copy_code_pages: Option<CopyCodePages>,
    /// See [`GetJsEntryStubs`].
    pub get_js_entry_stubs: Option<GetJsEntryStubs>,
    /// How `v8dbg_` ints are found.
    pub int: IntLookup,
}

/// Something the binary does not export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSymbols {
    /// The names, readable.
    pub names: Vec<&'static str>,
}

impl core::fmt::Display for MissingSymbols {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "this runtime does not export {}", self.names.join(", "))
    }
}

impl std::error::Error for MissingSymbols {}

fn address(name: &str) -> Option<*mut c_void> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is a C string; RTLD_DEFAULT searches the images that are loaded already.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// The address of an exported object or function, by its exact (mangled) name.
#[must_use]
pub fn exported(name: &str) -> Option<u64> {
    address(name).map(|found| found as u64)
}

fn int_at(name: &str) -> Option<i32> {
    crate::load::u32(exported(name)?).map(u32::cast_signed)
}

fn v8dbg(name: &str) -> Option<i32> {
    int_at(&format!("v8dbg_{name}"))
}

macro_rules! function {
    ($name:literal, $type:ty) => {
        // SAFETY: the mangled name spells out this function's parameters, and the type repeats them.
        address($name).map(|found| unsafe { core::mem::transmute::<*mut c_void, $type>(found) })
    };
}

impl Symbols {
    /// Looks everything up. Needs the fault handler ([`crate::fault::install`]), since ints are read with checked loads.
    #[must_use]
    pub fn find() -> Self {
        let number = |name: &str| int_at(name).and_then(|value| u32::try_from(value).ok());
        let version = match (
            number("_ZN2v88internal7Version6major_E"),
            number("_ZN2v88internal7Version6minor_E"),
        ) {
            (Some(major), Some(minor)) => Some(Version::new(major, minor)),
            _ => None,
        };
        Self {
            version,
            try_get_current: function!("_ZN2v87Isolate13TryGetCurrentEv", TryGetCurrent),
            get_code_range: function!("_ZN2v87Isolate12GetCodeRangeEPPvPm", GetCodeRange),
            copy_code_pages: function!(
                "_ZN2v87Isolate13CopyCodePagesEmPNS_11MemoryRangeE",
                CopyCodePages
            ),
            get_js_entry_stubs: function!("_ZN2v87Isolate15GetJSEntryStubsEv", GetJsEntryStubs),
            int: v8dbg,
        }
    }

    /// Fails with the names of what a walk cannot do without.
    ///
    /// # Errors
    /// [`MissingSymbols`], if anything is missing.
    pub fn missing(&self) -> Result<(), MissingSymbols> {
        let mut names = Vec::new();
        let mut need = |there: bool, name: &'static str| {
            if !there {
                names.push(name);
            }
        };
        need(self.version.is_some(), "v8::internal::Version");
        need(self.try_get_current.is_some(), "v8::Isolate::TryGetCurrent");
        need(self.get_code_range.is_some(), "v8::Isolate::GetCodeRange");
        need(self.copy_code_pages.is_some(), "v8::Isolate::CopyCodePages");
        need(
            self.get_js_entry_stubs.is_some(),
            "v8::Isolate::GetJSEntryStubs",
        );
        need(
            (self.int)("HeapObjectTag").is_some(),
            "the v8dbg_ constants",
        );
        if names.is_empty() {
            Ok(())
        } else {
            Err(MissingSymbols { names })
        }
    }
}
