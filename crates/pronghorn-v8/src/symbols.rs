//! What the Node binary exports: V8's postmortem metadata (`v8dbg_*` ints) and a few C++ functions, found by `dlsym`.
//!
//! The mangled names are the same on Node 20 to 26. Lookups belong to the first start, see [`V8`](crate::V8); the handler uses the
//! function pointers only. A fork changes nothing.

use core::ffi::{c_int, c_void};
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

/// `v8::RegisterState`: input of [`Symbols::get_stack_sample`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RegisterState {
    /// Program counter.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer.
    pub fp: u64,
    /// Link register; unused on x64.
    pub lr: u64,
    /// Callee-saved registers; unused on x64.
    pub callee_saved: u64,
}

/// `v8::SampleInfo` with room to spare; `vm_state` is an int on Node 20 and 16 bits from 22 on: use its low 16 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SampleInfo {
    /// Number of PCs written.
    pub frames_count: u64,
    /// External callback entry, if any.
    pub external_callback_entry: u64,
    /// The top context, if any.
    pub context: u64,
    /// Embedder context, if any.
    pub embedder_context: u64,
    /// VM state: see the type's note.
    pub vm_state: u32,
    /// Embedder state on some versions.
    pub embedder_state: u32,
    /// Room for what later versions may add.
    pub reserve: [u64; 8],
}

/// An isolate, opaque.
pub type Isolate = *mut c_void;
/// A GC callback: isolate, GC type, flags, data.
pub type GcCallback = unsafe extern "C" fn(Isolate, c_int, c_int, *mut c_void);
/// `v8::Isolate::TryGetCurrent`.
pub type TryGetCurrent = unsafe extern "C" fn() -> Isolate;
/// `v8::Isolate::GetStackSample`.
pub type GetStackSample =
    unsafe extern "C" fn(Isolate, *const RegisterState, *mut *mut c_void, usize, *mut SampleInfo);
/// `v8::Isolate::GetCodeRange`.
pub type GetCodeRange = unsafe extern "C" fn(Isolate, *mut *mut c_void, *mut usize);
/// `v8::Isolate::CopyCodePages`.
pub type CopyCodePages = unsafe extern "C" fn(Isolate, usize, *mut MemoryRange) -> usize;
/// `v8::Isolate::GetJSEntryStubs`.
pub type GetJsEntryStubs = unsafe extern "C" fn(Isolate) -> JsEntryStubs;
/// `v8::Isolate::RequestInterrupt`.
pub type RequestInterrupt =
    unsafe extern "C" fn(Isolate, unsafe extern "C" fn(Isolate, *mut c_void), *mut c_void);
/// `v8::Isolate::AddGCPrologueCallback` and `AddGCEpilogueCallback`: callback, data, GC types.
pub type AddGcCallback = unsafe extern "C" fn(Isolate, GcCallback, *mut c_void, c_int);
/// `v8::Isolate::RemoveGCPrologueCallback` and `RemoveGCEpilogueCallback`.
pub type RemoveGcCallback = unsafe extern "C" fn(Isolate, GcCallback, *mut c_void);
/// `node::GetCurrentEventLoop`.
pub type GetCurrentEventLoop = unsafe extern "C" fn(Isolate) -> *mut c_void;
/// `node::AddEnvironmentCleanupHook` and `RemoveEnvironmentCleanupHook`.
pub type EnvironmentCleanupHook =
    unsafe extern "C" fn(Isolate, unsafe extern "C" fn(*mut c_void), *mut c_void);
/// `const int*` lookups; a function so that tests can stand in.
pub type IntLookup = fn(&str) -> Option<i32>;

/// The functions found, and the version. Every field is optional: [`Symbols::missing`] names what is not there.
#[derive(Clone, Copy, Debug)]
pub struct Symbols {
    /// V8's version.
    pub version: Option<Version>,
    /// See [`TryGetCurrent`]. Async-signal-safe; may name an isolate that is being torn down.
    pub try_get_current: Option<TryGetCurrent>,
    /// See [`GetStackSample`]. Async-signal-safe.
    pub get_stack_sample: Option<GetStackSample>,
    /// See [`GetCodeRange`].
    pub get_code_range: Option<GetCodeRange>,
    /// See [`CopyCodePages`].
    pub copy_code_pages: Option<CopyCodePages>,
    /// See [`GetJsEntryStubs`].
    pub get_js_entry_stubs: Option<GetJsEntryStubs>,
    /// See [`RequestInterrupt`].
    pub request_interrupt: Option<RequestInterrupt>,
    /// See [`AddGcCallback`].
    pub add_gc_prologue: Option<AddGcCallback>,
    /// See [`AddGcCallback`].
    pub add_gc_epilogue: Option<AddGcCallback>,
    /// See [`RemoveGcCallback`].
    pub remove_gc_prologue: Option<RemoveGcCallback>,
    /// See [`RemoveGcCallback`].
    pub remove_gc_epilogue: Option<RemoveGcCallback>,
    /// See [`GetCurrentEventLoop`].
    pub get_current_event_loop: Option<GetCurrentEventLoop>,
    /// See [`EnvironmentCleanupHook`].
    pub add_environment_cleanup_hook: Option<EnvironmentCleanupHook>,
    /// See [`EnvironmentCleanupHook`].
    pub remove_environment_cleanup_hook: Option<EnvironmentCleanupHook>,
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
            get_stack_sample: function!(
                "_ZN2v87Isolate14GetStackSampleERKNS_13RegisterStateEPPvmPNS_10SampleInfoE",
                GetStackSample
            ),
            get_code_range: function!("_ZN2v87Isolate12GetCodeRangeEPPvPm", GetCodeRange),
            copy_code_pages: function!(
                "_ZN2v87Isolate13CopyCodePagesEmPNS_11MemoryRangeE",
                CopyCodePages
            ),
            get_js_entry_stubs: function!("_ZN2v87Isolate15GetJSEntryStubsEv", GetJsEntryStubs),
            request_interrupt: function!(
                "_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_",
                RequestInterrupt
            ),
            add_gc_prologue: function!(
                "_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
                AddGcCallback
            ),
            add_gc_epilogue: function!(
                "_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
                AddGcCallback
            ),
            remove_gc_prologue: function!(
                "_ZN2v87Isolate24RemoveGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
                RemoveGcCallback
            ),
            remove_gc_epilogue: function!(
                "_ZN2v87Isolate24RemoveGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
                RemoveGcCallback
            ),
            get_current_event_loop: function!(
                "_ZN4node19GetCurrentEventLoopEPN2v87IsolateE",
                GetCurrentEventLoop
            ),
            add_environment_cleanup_hook: function!(
                "_ZN4node25AddEnvironmentCleanupHookEPN2v87IsolateEPFvPvES3_",
                EnvironmentCleanupHook
            ),
            remove_environment_cleanup_hook: function!(
                "_ZN4node28RemoveEnvironmentCleanupHookEPN2v87IsolateEPFvPvES3_",
                EnvironmentCleanupHook
            ),
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
