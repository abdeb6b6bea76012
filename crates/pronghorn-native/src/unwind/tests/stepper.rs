//! Runs a function one instruction at a time and demands the whole right stack at every one of them.
//!
//! The processor's trap flag raises SIGTRAP after each instruction. The handler keeps a stack of its own of the return
//! addresses that calls push and returns pop: that is the truth that the unwinder is held against.

use std::arch::asm;
use std::ffi::{CStr, c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{fmt, mem, ptr};

use super::maps::Maps;
use crate::images::ImageList;
use crate::memory::Memory;
use crate::unwind::registers::Registers;
use crate::unwind::{UnwindCache, UnwindError, step};

/// One run at a time: the handler finds its run in a static.
static ONE: Mutex<()> = Mutex::new(());
static RUN: AtomicPtr<Run> = AtomicPtr::new(ptr::null_mut());

const MAX_DEPTH: usize = 256;
const MAX_FAILURES: usize = 16;
const CALLEE_SAVED: [u8; 6] = [3, 6, 12, 13, 14, 15];

/// What one run saw.
pub(super) struct Outcome {
    pub(super) instructions: u64,
    pub(super) frames: u64,
    pub(super) deepest: usize,
    pub(super) failed: u64,
    failures: Vec<Failure>,
}

#[derive(Clone, Copy)]
struct Failure {
    pc: u64,
    frame_pc: u64,
    frame: usize,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "the fields are printed")]
enum Reason {
    Step(UnwindError),
    WrongFrame {
        pc: u64,
        sp: u64,
        wanted_pc: u64,
        wanted_sp: u64,
    },
    WrongRegister {
        register: u8,
        value: Option<u64>,
        wanted: u64,
    },
    CacheDiffers,
}

struct Run {
    images: ImageList,
    cache: Box<UnwindCache>,
    maps: Maps,
    /// Return address and the stack pointer after the return, outermost first.
    shadow: [(u64, u64); MAX_DEPTH],
    depth: usize,
    /// The registers that calls preserve, as they were before the outermost call.
    saved: [u64; CALLEE_SAVED.len()],
    last: Option<(u64, u64)>,
    outcome: Outcome,
}

/// Runs `body` instruction by instruction.
pub(super) fn run(body: &mut dyn FnMut()) -> Outcome {
    let _one = ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut body = body;
    let mut state = Box::new(Run {
        images: ImageList::snapshot(),
        cache: Box::new(UnwindCache::new()),
        maps: Maps::snapshot(),
        shadow: [(0, 0); MAX_DEPTH],
        depth: 0,
        saved: [0; CALLEE_SAVED.len()],
        last: None,
        outcome: Outcome {
            instructions: 0,
            frames: 0,
            deepest: 0,
            failed: 0,
            failures: Vec::with_capacity(MAX_FAILURES),
        },
    });
    RUN.store(&raw mut *state, Ordering::Release);
    let mut old: libc::sigaction = unsafe_zeroed();
    let mut new: libc::sigaction = unsafe_zeroed();
    new.sa_sigaction = on_trap as *const () as usize;
    new.sa_flags = libc::SA_SIGINFO;
    // SAFETY: both point at sigaction structs; the handler has the three-argument form that SA_SIGINFO asks for.
    let installed = unsafe { libc::sigaction(libc::SIGTRAP, &raw const new, &raw mut old) };
    assert_eq!(installed, 0);
    // SAFETY: calls `trampoline`, which has the C calling convention, with the argument it expects; sets and clears the trap
    // flag around it, which the handler just installed serves. All that a C call may change is declared.
    unsafe {
        asm!(
            "lea rax, [rip + 2f]",
            "mov [rsi], rax",
            "mov [rsi + 8], rsp",
            "mov qword ptr [rdx], 1",
            "pushfq",
            "or qword ptr [rsp], 0x100",
            "popfq",
            "call {trampoline}",
            "2:",
            "pushfq",
            "and qword ptr [rsp], ~0x100",
            "popfq",
            "nop",
            trampoline = sym trampoline,
            in("rdi") &raw mut body,
            in("rsi") &raw mut state.shadow,
            in("rdx") &raw mut state.depth,
            out("rax") _,
            clobber_abi("C"),
        );
    }
    // SAFETY: puts the earlier disposition back.
    let restored = unsafe { libc::sigaction(libc::SIGTRAP, &raw const old, ptr::null_mut()) };
    assert_eq!(restored, 0);
    RUN.store(ptr::null_mut(), Ordering::Release);
    mem::replace(
        &mut state.outcome,
        Outcome {
            instructions: 0,
            frames: 0,
            deepest: 0,
            failed: 0,
            failures: Vec::new(),
        },
    )
}

extern "C" fn trampoline(body: &mut &mut dyn FnMut()) {
    body();
}

extern "C" fn on_trap(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: set by `run`, which waits for the traced call; only this thread has the trap flag set.
    let Some(run) = (unsafe { RUN.load(Ordering::Acquire).as_mut() }) else {
        return;
    };
    // SAFETY: the kernel passes a valid context to SA_SIGINFO handlers.
    let registers = Registers::interrupted(unsafe { &*context.cast::<libc::ucontext_t>() });
    run.follow(&registers);
    if run.depth > 0 {
        run.outcome.instructions += 1;
        run.outcome.deepest = run.outcome.deepest.max(run.depth);
        let result = run.check(registers);
        if let Err(failure) = result {
            run.outcome.failed += 1;
            if run.outcome.failures.len() < MAX_FAILURES {
                run.outcome.failures.push(failure);
            }
        }
    }
}

impl Run {
    /// Follows calls and returns by what the last instruction did to pc and sp.
    fn follow(&mut self, now: &Registers) {
        match self.last {
            None => {
                for (value, register) in self.saved.iter_mut().zip(CALLEE_SAVED) {
                    *value = now.get(&self.maps, register).unwrap();
                }
            }
            Some((pc, sp)) if now.sp == sp.wrapping_sub(8) => {
                let pushed = self.maps.u64(now.sp).unwrap_or(0);
                // A call pushes the address behind itself: two to eight bytes long.
                if (2..=8).contains(&pushed.wrapping_sub(pc)) && self.depth < MAX_DEPTH {
                    self.shadow[self.depth] = (pushed, sp);
                    self.depth += 1;
                }
            }
            // A return, or a jump out of several functions: what called below the stack pointer has returned.
            Some(_) => {
                while self.depth > 0 && self.shadow[self.depth - 1].1 <= now.sp {
                    self.depth -= 1;
                }
            }
        }
        self.last = Some((now.pc, now.sp));
    }

    fn check(&mut self, interrupted: Registers) -> Result<(), Failure> {
        let mut registers = interrupted;
        for frame in 0..self.depth {
            let failure = |reason| Failure {
                pc: interrupted.pc,
                frame_pc: registers.pc,
                frame,
                reason,
            };
            let mut caller = registers;
            step(&self.images, &self.cache, &self.maps, &mut caller)
                .map_err(|error| failure(Reason::Step(error)))?;
            let (wanted_pc, wanted_sp) = self.shadow[self.depth - 1 - frame];
            if (caller.pc, caller.sp) != (wanted_pc, wanted_sp) {
                return Err(failure(Reason::WrongFrame {
                    pc: caller.pc,
                    sp: caller.sp,
                    wanted_pc,
                    wanted_sp,
                }));
            }
            // Once more, now perhaps from the cache.
            let mut again = registers;
            let repeated = step(&self.images, &self.cache, &self.maps, &mut again);
            let same =
                |register| again.get(&self.maps, register) == caller.get(&self.maps, register);
            if repeated.is_err()
                || again.pc != caller.pc
                || again.exact != caller.exact
                || !(0..16).all(same)
            {
                return Err(failure(Reason::CacheDiffers));
            }
            registers = caller;
            self.outcome.frames += 1;
        }
        for (wanted, register) in self.saved.into_iter().zip(CALLEE_SAVED) {
            let value = registers.get(&self.maps, register).ok();
            if value != Some(wanted) {
                let reason = Reason::WrongRegister {
                    register,
                    value,
                    wanted,
                };
                return Err(Failure {
                    pc: interrupted.pc,
                    frame_pc: registers.pc,
                    frame: self.depth,
                    reason,
                });
            }
        }
        Ok(())
    }
}

impl Outcome {
    /// Fails the test unless every instruction showed the right stack.
    pub(super) fn expect_perfect(&self, what: &str, least: u64) {
        self.expect_failures(what, least, 0);
    }

    /// Fails the test unless at most so many instructions showed a wrong stack: known faults of the code's own tables.
    pub(super) fn expect_failures(&self, what: &str, least: u64, failures: u64) {
        println!("{what}: {self}");
        assert!(
            self.instructions >= least,
            "{what}: only {} instructions were traced",
            self.instructions
        );
        assert!(self.failed <= failures, "{what}: {self}");
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} instructions, {} frames, depth {}, {} failed",
            self.instructions, self.frames, self.deepest, self.failed
        )?;
        for failure in &self.failures {
            let Failure {
                pc,
                frame_pc,
                frame,
                reason,
            } = failure;
            write!(
                formatter,
                "\n  at {} frame {frame} {}: {reason:x?}",
                describe(*pc),
                describe(*frame_pc)
            )?;
        }
        Ok(())
    }
}

/// Library, symbol and offset of an address.
fn describe(pc: u64) -> String {
    let mut info: libc::Dl_info = unsafe_zeroed();
    // SAFETY: dladdr only looks the address up and fills the struct.
    if unsafe { libc::dladdr(pc as *const c_void, &raw mut info) } == 0 {
        return format!("{pc:#x}");
    }
    let text = |name: *const libc::c_char| {
        if name.is_null() {
            return "?".to_owned();
        }
        // SAFETY: not null, so a string of the loader.
        unsafe { CStr::from_ptr(name) }
            .to_string_lossy()
            .into_owned()
    };
    let offset = pc.wrapping_sub(info.dli_fbase as u64);
    format!(
        "{}+{offset:#x} ({})",
        text(info.dli_fname),
        text(info.dli_sname)
    )
}

fn unsafe_zeroed<T: Copy>() -> T {
    // SAFETY: used for C structs of integers and pointers only, for which zeros are valid.
    unsafe { mem::zeroed() }
}
