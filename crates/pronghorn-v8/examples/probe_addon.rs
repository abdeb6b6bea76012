//! A Node addon for tests: walks its own thread's stack with this crate, on demand and from a signal handler.
//!
//! `stackHere()`, `prove()`, `call(function)`, `start(micros)`, `stop()`, `faults(step)`: see tests/program.cjs, which
//! __test__/v8-view.test.mjs runs. Native frames are followed by
//! frame pointer here, which Node's own code keeps; the profiler proper unwinds them with CFI.
//!
//! Not a product: one thread, process-wide statics.

#![allow(
    clippy::undocumented_unsafe_blocks,
    clippy::missing_safety_doc,
    reason = "a test addon: every block calls N-API or libc on this thread, or reads the statics that this thread set up"
)]

use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::fmt::Write;

use pronghorn_v8::{
    Broken, CodeRanges, Entries, FunctionInfo, Isolate, IsolateView, Kind, Layout, LeafRegisters,
    Origin, RawFrame, Registers, Resolved, Resolver, Symbols, classify, fault,
};

/// `v8::RegisterState`: input of `GetStackSample`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(dead_code, reason = "V8 reads or writes them")]
struct RegisterState {
    /// Program counter.
    pc: u64,
    /// Stack pointer.
    sp: u64,
    /// Frame pointer.
    fp: u64,
    /// Link register; unused on x64.
    lr: u64,
    /// Callee-saved registers; unused on x64.
    callee_saved: u64,
}

/// `v8::SampleInfo` with room to spare; `vm_state` is an int on Node 20 and 16 bits from 22 on: use its low 16 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(dead_code, reason = "V8 reads or writes them")]
struct SampleInfo {
    /// Number of PCs written.
    frames_count: u64,
    /// External callback entry, if any.
    external_callback_entry: u64,
    /// The top context, if any.
    context: u64,
    /// Embedder context, if any.
    embedder_context: u64,
    /// VM state: see the type's note.
    vm_state: u32,
    /// Embedder state on some versions.
    embedder_state: u32,
    /// Room for what later versions may add.
    reserve: [u64; 8],
}

/// A GC callback: isolate, GC type, flags, data.
type GcCallback = unsafe extern "C" fn(Isolate, c_int, c_int, *mut c_void);

unsafe extern "C" {
    #[link_name = "_ZN2v87Isolate14GetStackSampleERKNS_13RegisterStateEPPvmPNS_10SampleInfoE"]
    fn get_stack_sample(
        isolate: Isolate,
        registers: *const RegisterState,
        frames: *mut *mut c_void,
        room: usize,
        info: *mut SampleInfo,
    );
    #[link_name = "_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_"]
    fn add_gc_prologue(isolate: Isolate, callback: GcCallback, data: *mut c_void, types: c_int);
    #[link_name = "_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_"]
    fn add_gc_epilogue(isolate: Isolate, callback: GcCallback, data: *mut c_void, types: c_int);
}

type Value = *mut c_void;
type Env = *mut c_void;

unsafe extern "C" {
    fn napi_create_function(
        env: Env,
        name: *const c_char,
        length: usize,
        callback: unsafe extern "C" fn(Env, *mut c_void) -> Value,
        data: *mut c_void,
        result: *mut Value,
    ) -> c_int;
    fn napi_set_named_property(env: Env, object: Value, name: *const c_char, value: Value)
    -> c_int;
    fn napi_create_string_utf8(
        env: Env,
        text: *const c_char,
        length: usize,
        result: *mut Value,
    ) -> c_int;
    fn napi_get_cb_info(
        env: Env,
        info: *mut c_void,
        count: *mut usize,
        values: *mut Value,
        this: *mut Value,
        data: *mut *mut c_void,
    ) -> c_int;
    fn napi_get_value_int32(env: Env, value: Value, result: *mut i32) -> c_int;
    fn napi_get_undefined(env: Env, result: *mut Value) -> c_int;
    fn napi_call_function(
        env: Env,
        receiver: Value,
        function: Value,
        count: usize,
        values: *const Value,
        result: *mut Value,
    ) -> c_int;
}

const DEPTH: usize = 100;
const CAPACITY: usize = 4000;

#[derive(Clone, Copy)]
struct Sample {
    count: usize,
    broken: u8,
    top: u64,
    frames: [RawFrame; DEPTH],
}

struct State {
    view: IsolateView,
    isolate: Isolate,
    resolver: Resolver<Shown>,
    stacks: BTreeMap<String, u64>,
    broken_at: BTreeMap<String, u64>,
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq)]
struct Shown {
    name: String,
    file: String,
    start: u32,
    origin: Origin,
}

static STATE: AtomicPtr<State> = AtomicPtr::new(core::ptr::null_mut());
static TAKEN: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
static IN_GC: AtomicU64 = AtomicU64::new(0);
static BROKEN: AtomicU64 = AtomicU64::new(0);
static TOTAL: AtomicU64 = AtomicU64::new(0);
static NATIVE_LEAF: AtomicU64 = AtomicU64::new(0);
static COLLECTING: AtomicI32 = AtomicI32::new(0);
static RUNNING: AtomicBool = AtomicBool::new(false);
static TARGET: AtomicI32 = AtomicI32::new(0);
static CLASSIFY_FAULTS: AtomicU64 = AtomicU64::new(0);
/// Walks that met the first entry into V8, and frames of V8's met behind it.
static FIRST_ENTRIES: AtomicU64 = AtomicU64::new(0);
static BEHIND_FIRST: AtomicU64 = AtomicU64::new(0);
static RESOLVE_FAULTS: AtomicU64 = AtomicU64::new(0);
static NANOS: AtomicU64 = AtomicU64::new(0);
static IMAGES: [[AtomicU64; 2]; 128] = [const { [const { AtomicU64::new(0) }; 2] }; 128];

fn in_image(pc: u64) -> bool {
    IMAGES.iter().any(|range| {
        pc >= range[0].load(Ordering::Relaxed) && pc < range[1].load(Ordering::Relaxed)
    })
}

unsafe extern "C" fn each_image(
    info: *mut libc::dl_phdr_info,
    _: usize,
    data: *mut c_void,
) -> c_int {
    unsafe {
        let next = &mut *data.cast::<usize>();
        for index in 0..(*info).dlpi_phnum {
            let header = &*(*info).dlpi_phdr.add(index as usize);
            if header.p_type == libc::PT_LOAD
                && header.p_flags & libc::PF_X != 0
                && *next < IMAGES.len()
            {
                let start = (*info).dlpi_addr + header.p_vaddr;
                IMAGES[*next][0].store(start, Ordering::Relaxed);
                IMAGES[*next][1].store(start + header.p_memsz, Ordering::Relaxed);
                *next += 1;
            }
        }
        0
    }
}

/// Walks from `registers`; the number of frames and whether the walk broke (1 V8 frame, 2 native frame, 3 too deep).
fn walk(
    view: &IsolateView,
    registers: Registers,
    leaf: Option<&LeafRegisters>,
    into: &mut [RawFrame],
) -> (usize, u8) {
    let mut at = registers;
    let mut leaf = leaf;
    let (mut count, mut is_behind, mut entries) = (0, false, Entries::default());
    // A native leaf may keep no frame pointer: its rbp is then some caller's, or garbage.
    for _ in 0..400 {
        if count >= into.len() {
            return (count, 3);
        }
        let builtin_of_image = view.ranges.contains_v8(at.pc);
        if builtin_of_image || !in_image(at.pc) {
            let before = fault::fixups();
            let outcome = classify(view, at, leaf);
            CLASSIFY_FAULTS.fetch_add(fault::fixups() - before, Ordering::Relaxed);
            match outcome {
                Ok(classified) => {
                    let is_last = classified.entry.is_some_and(|entry| entries.is_last(entry));
                    BEHIND_FIRST.fetch_add(u64::from(is_behind), Ordering::Relaxed);
                    FIRST_ENTRIES.fetch_add(u64::from(is_last), Ordering::Relaxed);
                    is_behind |= is_last;
                    if let Some(frame) = classified.frame {
                        into[count] = frame;
                        count += 1;
                    }
                    at = classified.caller;
                }
                Err(Broken::BadLoad | Broken::BadFramePointer) => return (count, 1),
            }
        } else {
            into[count] = RawFrame::native(at.pc, leaf.is_some());
            count += 1;
            if at.fp & 7 != 0 || at.fp < at.sp || at.fp + 16 > view.stack_end {
                // main's caller has no frame pointer to speak of.
                return (count, if at.fp == 0 || count > 12 { 0 } else { 2 });
            }
            let (Some(pc), Some(fp)) = (
                pronghorn_v8::load::u64(at.fp + 8),
                pronghorn_v8::load::u64(at.fp),
            ) else {
                return (count, 2);
            };
            at = Registers {
                pc,
                sp: at.fp + 16,
                fp,
            };
        }
        leaf = None;
        if at.pc < 4096 {
            return (count, 0);
        }
    }
    (count, 3)
}

unsafe extern "C" fn on_tick(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    unsafe {
        let errno = *libc::__errno_location();
        let state = STATE.load(Ordering::Acquire);
        if !state.is_null()
            && RUNNING.load(Ordering::Relaxed)
            && COLLECTING.load(Ordering::Relaxed) == 0
        {
            tick(&mut *state, &*context.cast::<libc::ucontext_t>());
        }
        *libc::__errno_location() = errno;
    }
}

fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn tick(state: &mut State, context: &libc::ucontext_t) {
    let gregs = &context.uc_mcontext.gregs;
    let registers = Registers {
        pc: gregs[libc::REG_RIP as usize] as u64,
        sp: gregs[libc::REG_RSP as usize] as u64,
        fp: gregs[libc::REG_RBP as usize] as u64,
    };
    // The state of the VM: 1 is GC.
    let input = RegisterState {
        pc: registers.pc,
        sp: registers.sp,
        fp: registers.fp,
        ..Default::default()
    };
    let mut frames = [core::ptr::null_mut(); 1];
    let mut info = SampleInfo::default();
    unsafe {
        get_stack_sample(
            state.isolate,
            &raw const input,
            frames.as_mut_ptr(),
            1,
            &raw mut info,
        );
    };
    if info.vm_state & 0xffff == 1 {
        IN_GC.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let index = TAKEN.load(Ordering::Relaxed);
    let Some(sample) = state.samples.get_mut(index) else {
        DROPPED.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let begin = now();
    let leaf = LeafRegisters::from_context(&context.uc_mcontext);
    let (count, broken) = walk(&state.view, registers, Some(&leaf), &mut sample.frames);
    NANOS.fetch_add(now() - begin, Ordering::Relaxed);
    sample.count = count;
    sample.broken = broken;
    sample.top = registers.pc;
    if broken == 1 || broken == 2 {
        BROKEN.fetch_add(1, Ordering::Relaxed);
    }
    if !state.view.ranges.contains_v8(registers.pc) {
        NATIVE_LEAF.fetch_add(1, Ordering::Relaxed);
    }
    TOTAL.fetch_add(1, Ordering::Relaxed);
    TAKEN.store(index + 1, Ordering::Relaxed);
}

fn make(info: &FunctionInfo<'_>) -> Shown {
    Shown {
        name: info.name.to_string(),
        file: info.file.to_string(),
        start: info.start_line,
        origin: info.origin,
    }
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn show(resolver: &mut Resolver<Shown>, frames: &[RawFrame]) -> String {
    let mut out = String::from("[");
    let mut resolved: Vec<Resolved<Shown>> = Vec::new();
    for raw in frames {
        resolved.clear();
        resolver.resolve(raw, None, &mut make, &mut resolved);
        let inlined = resolved.len();
        if raw.kind() == Kind::Unknown {
            let _ = write!(
                out,
                "{}{{\"kind\":\"Unknown\",\"name\":\"{:x}\"}}",
                if out.len() > 1 { "," } else { "" },
                raw.pc()
            );
        }
        for (index, frame) in resolved.iter().enumerate() {
            let _ = write!(
                out,
                "{}{{\"name\":{},\"file\":{},\"line\":{},\"start\":{},\"kind\":\"{:?}\",\"origin\":\"{:?}\",\"inlined\":{}}}",
                if out.len() > 1 { "," } else { "" },
                quote(&frame.function.name),
                quote(&frame.function.file),
                frame.place.line,
                frame.function.start,
                raw.kind(),
                frame.function.origin,
                index + 1 < inlined,
            );
        }
    }
    out.push(']');
    out
}

fn drain(state: &mut State) {
    let before = fault::fixups();
    let count = TAKEN.load(Ordering::Relaxed);
    for sample in state.samples.iter().take(count) {
        let stack = show(&mut state.resolver, &sample.frames[..sample.count]);
        if sample.broken == 1 || sample.broken == 2 {
            let place = format!("{}:{:x}", sample.broken, sample.top);
            *state
                .broken_at
                .entry(format!(
                    "{place} {}",
                    stack.chars().take(300).collect::<String>()
                ))
                .or_default() += 1;
        }
        *state.stacks.entry(stack).or_default() += 1;
    }
    TAKEN.store(0, Ordering::Relaxed);
    RESOLVE_FAULTS.fetch_add(fault::fixups() - before, Ordering::Relaxed);
}

unsafe extern "C" fn gc_begin(_: Isolate, _: c_int, _: c_int, _: *mut c_void) {
    COLLECTING.fetch_add(1, Ordering::Relaxed);
    let state = STATE.load(Ordering::Acquire);
    if !state.is_null() {
        let state = unsafe { &mut *state };
        drain(state);
        state.resolver.forget_pointers(&mut |_| None);
    }
}

unsafe extern "C" fn gc_end(_: Isolate, _: c_int, _: c_int, _: *mut c_void) {
    COLLECTING.fetch_sub(1, Ordering::Relaxed);
}

fn text(env: Env, text: &str) -> Value {
    let mut value = core::ptr::null_mut();
    unsafe { napi_create_string_utf8(env, text.as_ptr().cast(), text.len(), &raw mut value) };
    value
}

fn state() -> Result<&'static mut State, String> {
    let state = STATE.load(Ordering::Acquire);
    if !state.is_null() {
        return Ok(unsafe { &mut *state });
    }
    fault::install().map_err(|error| error.to_string())?;
    let symbols = Symbols::find();
    let layout = Layout::discover(&symbols, None).map_err(|error| error.to_string())?;
    let isolate = unsafe { symbols.try_get_current.ok_or("no TryGetCurrent")?() };
    let ranges = unsafe { CodeRanges::of(&symbols, isolate) }.map_err(|error| error.to_string())?;
    let mut next = 0usize;
    unsafe { libc::dl_iterate_phdr(Some(each_image), (&raw mut next).cast()) };
    let stack_end = unsafe {
        let mut attributes: libc::pthread_attr_t = core::mem::zeroed();
        libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes);
        let (mut low, mut size) = (core::ptr::null_mut(), 0usize);
        libc::pthread_attr_getstack(&raw const attributes, &raw mut low, &raw mut size);
        low as u64 + size as u64
    };
    let view = IsolateView {
        layout,
        ranges,
        stack_end,
    };
    let empty = Sample {
        count: 0,
        broken: 0,
        top: 0,
        frames: [RawFrame::default(); DEPTH],
    };
    let state = Box::new(State {
        view,
        isolate,
        resolver: Resolver::new(layout, ranges, false),
        stacks: BTreeMap::new(),
        broken_at: BTreeMap::new(),
        samples: vec![empty; CAPACITY],
    });
    unsafe {
        add_gc_prologue(isolate, gc_begin, core::ptr::null_mut(), 31);
        add_gc_epilogue(isolate, gc_end, core::ptr::null_mut(), 31);
    }
    let state = Box::into_raw(state);
    STATE.store(state, Ordering::Release);
    Ok(unsafe { &mut *state })
}

fn proofs(state: &State) -> String {
    let proofs = state.resolver.proofs();
    format!(
        "{{\"interpreted\":\"{:?}\",\"baseline\":\"{:?}\",\"optimized\":\"{:?}\",\"inlined\":\"{:?}\",\"failures\":{},\"unknown\":{}}}",
        proofs.interpreted,
        proofs.baseline,
        proofs.optimized,
        proofs.inlined,
        proofs.failures,
        proofs.unknown
    )
}

/// The stack of the caller, leaf first.
#[inline(never)]
unsafe extern "C" fn stack_here(env: Env, _: *mut c_void) -> Value {
    let (sp, fp): (u64, u64);
    unsafe { core::arch::asm!("mov {}, rsp", "mov {}, rbp", out(reg) sp, out(reg) fp) };
    let state = match state() {
        Ok(state) => state,
        Err(error) => return text(env, &format!("{{\"error\":{}}}", quote(&error))),
    };
    let mut frames = [RawFrame::default(); DEPTH];
    let registers = Registers {
        pc: stack_here as *const () as u64 + 1,
        sp,
        fp,
    };
    let (count, broken) = walk(&state.view, registers, None, &mut frames);
    let shown = show(&mut state.resolver, &frames[..count]);
    let reply = format!(
        "{{\"broken\":{broken},\"frames\":{shown},\"proofs\":{}}}",
        proofs(state)
    );
    text(env, &reply)
}

/// Proves the interpreted layout on the caller, whose name is "probe".
unsafe extern "C" fn prove(env: Env, _: *mut c_void) -> Value {
    let (sp, fp): (u64, u64);
    unsafe { core::arch::asm!("mov {}, rsp", "mov {}, rbp", out(reg) sp, out(reg) fp) };
    let state = match state() {
        Ok(state) => state,
        Err(error) => return text(env, &error),
    };
    let mut frames = [RawFrame::default(); DEPTH];
    let registers = Registers {
        pc: prove as *const () as u64 + 1,
        sp,
        fp,
    };
    let (count, _) = walk(&state.view, registers, None, &mut frames);
    let shared = |frame: &&RawFrame| matches!(frame.kind(), Kind::Interpreted | Kind::Compiled);
    let Some(raw) = frames[..count].iter().find(shared) else {
        return text(env, "no JavaScript frame");
    };
    match state.resolver.prove_interpreted(raw, "probe") {
        Ok(()) => text(env, "ok"),
        Err(error) => text(env, &error),
    }
}

fn argument(env: Env, info: *mut c_void) -> i32 {
    let mut count = 1usize;
    let mut values = [core::ptr::null_mut(); 1];
    let mut number = 0;
    unsafe {
        napi_get_cb_info(
            env,
            info,
            &raw mut count,
            values.as_mut_ptr(),
            core::ptr::null_mut(),
            core::ptr::null_mut(),
        );
        napi_get_value_int32(env, values[0], &raw mut number);
    }
    number
}

fn signal() -> c_int {
    libc::SIGRTMIN() + 9
}

unsafe extern "C" fn start(env: Env, info: *mut c_void) -> Value {
    let micros = argument(env, info).max(20) as u64;
    if let Err(error) = state() {
        return text(env, &error);
    }
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = on_tick as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigaction(signal(), &raw const action, core::ptr::null_mut());
        TARGET.store(libc::syscall(libc::SYS_gettid) as i32, Ordering::Relaxed);
    }
    RUNNING.store(true, Ordering::Release);
    std::thread::spawn(move || {
        unsafe {
            let mut all: libc::sigset_t = core::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, core::ptr::null_mut());
        }
        while RUNNING.load(Ordering::Acquire) {
            std::thread::sleep(std::time::Duration::from_micros(micros));
            unsafe {
                libc::syscall(
                    libc::SYS_tgkill,
                    libc::getpid(),
                    TARGET.load(Ordering::Relaxed),
                    signal(),
                )
            };
        }
    });
    text(env, "")
}

unsafe extern "C" fn stop(env: Env, _: *mut c_void) -> Value {
    RUNNING.store(false, Ordering::Release);
    let state = match state() {
        Ok(state) => state,
        Err(error) => return text(env, &error),
    };
    drain(state);
    let mut stacks = String::from("[");
    for (stack, count) in core::mem::take(&mut state.stacks) {
        let _ = write!(
            stacks,
            "{}{{\"count\":{count},\"frames\":{stack}}}",
            if stacks.len() > 1 { "," } else { "" }
        );
    }
    stacks.push(']');
    let mut places = String::from("[");
    for (place, count) in core::mem::take(&mut state.broken_at) {
        let _ = write!(
            places,
            "{}{}",
            if places.len() > 1 { "," } else { "" },
            quote(&format!("{count}x {place}"))
        );
    }
    places.push(']');
    let total = TOTAL.swap(0, Ordering::Relaxed);
    let reply = format!(
        "{{\"total\":{total},\"broken\":{},\"dropped\":{},\"gc\":{},\"nativeLeaf\":{},\"faults\":{},\"firstEntries\":{},\"behindFirst\":{},\"meanNanos\":{},\"stacks\":{stacks},\"brokenAt\":{places},\"proofs\":{},\"ranges\":{}}}",
        BROKEN.swap(0, Ordering::Relaxed),
        DROPPED.swap(0, Ordering::Relaxed),
        IN_GC.swap(0, Ordering::Relaxed),
        NATIVE_LEAF.swap(0, Ordering::Relaxed),
        quote(&format!(
            "{}+{}",
            CLASSIFY_FAULTS.swap(0, Ordering::Relaxed),
            RESOLVE_FAULTS.swap(0, Ordering::Relaxed)
        )),
        FIRST_ENTRIES.swap(0, Ordering::Relaxed),
        BEHIND_FIRST.swap(0, Ordering::Relaxed),
        NANOS
            .swap(0, Ordering::Relaxed)
            .checked_div(total)
            .unwrap_or(0),
        proofs(state),
        quote(&format!("{:x?}", state.view.ranges)),
    );
    text(env, &reply)
}

/// Fault handlers: 0 install, 1 restore, 2 is_ours, 3 a bad load, 4 a real bad store, 5 SIGSEGV by kill, 6 a real SIGBUS.
unsafe extern "C" fn faults(env: Env, info: *mut c_void) -> Value {
    let reply = match argument(env, info) {
        0 => format!("{:?}", fault::install()),
        1 => fault::restore().to_string(),
        2 => fault::is_ours().to_string(),
        3 => format!(
            "{:?} {:?} {}",
            pronghorn_v8::load::u64(16),
            pronghorn_v8::load::u8(u64::MAX - 3),
            fault::fixups()
        ),
        4 => unsafe {
            (16 as *mut u64).write_volatile(1);
            "still here".to_owned()
        },
        5 => unsafe {
            libc::kill(libc::getpid(), libc::SIGSEGV);
            "still here".to_owned()
        },
        6 => unsafe {
            let file = libc::memfd_create(c"empty".as_ptr(), 0);
            let page = libc::mmap(
                core::ptr::null_mut(),
                4096,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file,
                0,
            );
            let load = pronghorn_v8::load::u64(page as u64);
            assert!(load.is_none());
            page.cast::<u8>().read_volatile().to_string()
        },
        _ => "?".to_owned(),
    };
    text(env, &reply)
}

/// Calls its argument from native code.
unsafe extern "C" fn call(env: Env, info: *mut c_void) -> Value {
    let mut count = 1usize;
    let mut values = [core::ptr::null_mut(); 1];
    let (mut undefined, mut result) = (core::ptr::null_mut(), core::ptr::null_mut());
    unsafe {
        napi_get_cb_info(
            env,
            info,
            &raw mut count,
            values.as_mut_ptr(),
            core::ptr::null_mut(),
            core::ptr::null_mut(),
        );
        napi_get_undefined(env, &raw mut undefined);
        napi_call_function(
            env,
            undefined,
            values[0],
            0,
            core::ptr::null(),
            &raw mut result,
        );
    }
    if result.is_null() { undefined } else { result }
}

/// The addon's entry.
///
/// # Safety
/// Node calls it once per environment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(env: Env, exports: Value) -> Value {
    type Callback = unsafe extern "C" fn(Env, *mut c_void) -> Value;
    let functions: [(&core::ffi::CStr, Callback); 6] = [
        (c"stackHere", stack_here),
        (c"prove", prove),
        (c"start", start),
        (c"stop", stop),
        (c"faults", faults),
        (c"call", call),
    ];
    for (name, callback) in functions {
        let mut value = core::ptr::null_mut();
        unsafe {
            napi_create_function(
                env,
                name.as_ptr(),
                name.count_bytes(),
                callback,
                core::ptr::null_mut(),
                &raw mut value,
            );
            napi_set_named_property(env, exports, name.as_ptr(), value);
        }
    }
    exports
}
