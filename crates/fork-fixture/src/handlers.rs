//! Forks from where nobody expects one: inside a signal handler, and inside a garbage collection.
//!
//! `armFork()` says how; then [`fork_now`] is called on the thread that is there, by a failpoint of the profiler or by V8. `lastFork()`
//! tells what came of it, in the parent and in the child. The child's JavaScript calls `loopFork()` before its loop turns.

use crate::napi::{Env, arguments, from_number};
use crate::recipe::{self, Kind};
use crate::values::{UNDEFINED, from_bits, text};
use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::OnceLock;

const NONE: i32 = i32::MIN;
const PROLOGUE: u32 = 1;
const EPILOGUE: u32 = 2;
/// Scavenges, minor and major mark-sweeps (`GCType` in v8-callbacks.h).
const ALL_COLLECTIONS: c_int = 1 | 2 | 4;

static KIND: AtomicU32 = AtomicU32::new(0);
static PARTS: AtomicU32 = AtomicU32::new(recipe::PAGES | recipe::DIES_WITH_PARENT);
static LAST: AtomicI32 = AtomicI32::new(NONE);
static PHASE: AtomicU32 = AtomicU32::new(0);
static HOOKS_ENTERED: AtomicU64 = AtomicU64::new(0);
static HOOKED: OnceLock<bool> = OnceLock::new();

/// The fork itself. Async-signal-safe.
extern "C" fn fork_now() {
    let kind = Kind::from_code(KIND.load(Relaxed));
    LAST.store(recipe::fork_here(kind, PARTS.load(Relaxed)), Relaxed);
}

/// `armFork(kind, parts)`: how the next fork in a handler is to be done, and forgets the last one's result.
pub(crate) unsafe extern "C" fn arm_fork(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [kind, parts] = arguments::<2>(env, info);
    let Some((kind, parts)) = recipe::how(env, kind, parts) else {
        return from_number(env, f64::from(-libc::EINVAL));
    };
    KIND.store(kind as u32, Relaxed);
    PARTS.store(parts, Relaxed);
    LAST.store(NONE, Relaxed);
    from_number(env, 0.0)
}

/// `forkFunctionAddress()`: where an `extern "C" fn()` stands that forks as armed; a BigInt.
pub(crate) unsafe extern "C" fn fork_function_address(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    from_bits(Env(env), fork_now as *const () as usize as u64)
}

/// `lastFork()`: what the fork in a handler returned; `undefined` if there was none since it was armed.
pub(crate) unsafe extern "C" fn last_fork(env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    match LAST.load(Relaxed) {
        NONE => UNDEFINED,
        result => from_number(Env(env), f64::from(result)),
    }
}

/// `forkInGc(phase)`: forks as armed when the next collection of this isolate begins ("prologue") or ends ("epilogue"). Returns 0,
/// or -1 where V8's functions are not found. On the main thread only.
pub(crate) unsafe extern "C" fn fork_in_gc(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [phase] = arguments::<1>(env, info);
    if !*HOOKED.get_or_init(|| hook().is_some()) {
        return from_number(env, -1.0);
    }
    let phase = if text(env, phase) == "epilogue" {
        EPILOGUE
    } else {
        PROLOGUE
    };
    PHASE.store(phase, Relaxed);
    from_number(env, 0.0)
}

/// `collectionHooks()`: how often a hook at the ends of this isolate's collections has been entered since the first call here, twice for
/// each collection; -1 where V8's functions are not found. On the main thread only.
pub(crate) unsafe extern "C" fn collection_hooks(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    let is_hooked = *HOOKED.get_or_init(|| hook().is_some());
    let entered = HOOKS_ENTERED.load(Relaxed) as f64;
    from_number(Env(env), if is_hooked { entered } else { -1.0 })
}

type GcCallback = unsafe extern "C" fn(*mut c_void, c_int, c_int, *mut c_void);
type AddCallback = unsafe extern "C" fn(*mut c_void, GcCallback, *mut c_void, c_int);

/// Registers both callbacks with this thread's isolate, for good. The names are those of Node 20 to 26.
fn hook() -> Option<()> {
    // SAFETY: the types follow v8-isolate.h; the isolate is this thread's, and it is alive since it runs JavaScript.
    unsafe {
        let current: unsafe extern "C" fn() -> *mut c_void =
            core::mem::transmute(function(c"_ZN2v87Isolate13TryGetCurrentEv")?);
        let prologue: AddCallback = core::mem::transmute(function(
            c"_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
        )?);
        let epilogue: AddCallback = core::mem::transmute(function(
            c"_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
        )?);
        let isolate = current();
        if isolate.is_null() {
            return None;
        }
        prologue(
            isolate,
            on_collection,
            PROLOGUE as usize as *mut c_void,
            ALL_COLLECTIONS,
        );
        epilogue(
            isolate,
            on_collection,
            EPILOGUE as usize as *mut c_void,
            ALL_COLLECTIONS,
        );
    }
    Some(())
}

fn function(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a name that ends with NUL.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

unsafe extern "C" fn on_collection(
    _isolate: *mut c_void,
    _kind: c_int,
    _flags: c_int,
    phase: *mut c_void,
) {
    HOOKS_ENTERED.fetch_add(1, Relaxed);
    let phase = phase as usize as u32;
    if PHASE.compare_exchange(phase, 0, Relaxed, Relaxed).is_ok() {
        fork_now();
    }
}
