//! Walks that begin in a signal handler: from the interrupted frame, and from the handler itself through the signal's
//! frame.

use std::arch::asm;
use std::ffi::{c_int, c_void};
use std::sync::Mutex;
use std::{mem, ptr};

use super::maps::Maps;
use crate::images::ImageList;
use crate::unwind::registers::Registers;
use crate::unwind::{UnwindCache, UnwindError, step, step_by_frame_pointer};

struct Seen {
    interrupted: u64,
    pcs: Vec<u64>,
    end: Option<UnwindError>,
}

static SEEN: Mutex<Option<Seen>> = Mutex::new(None);

/// A whole walk from these registers: program counters, and why it ended.
fn walk(mut registers: Registers) -> (Vec<u64>, UnwindError) {
    let (images, maps) = (ImageList::snapshot(), Maps::snapshot());
    let cache = Box::new(UnwindCache::new());
    let mut pcs = vec![registers.pc];
    loop {
        match step(&images, &cache, &maps, &mut registers) {
            Ok(()) => pcs.push(registers.pc),
            Err(error) => return (pcs, error),
        }
        assert!(pcs.len() < 500, "the walk does not end");
    }
}

/// The registers of the frame this is inlined into.
#[allow(clippy::inline_always, reason = "the frame is the caller's")]
#[inline(always)]
fn here() -> Registers {
    let (pc, sp, fp): (u64, u64, u64);
    // SAFETY: reads three registers.
    unsafe {
        asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", out(reg) pc, out(reg) sp, out(reg) fp);
    }
    Registers::new(pc, sp, fp, true)
}

/// Raised synchronously, so the handler may allocate and lock.
extern "C" fn on_signal(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid context to SA_SIGINFO handlers.
    let interrupted = Registers::interrupted(unsafe { &*context.cast::<libc::ucontext_t>() });
    let (pcs, end) = walk(here());
    *SEEN.lock().unwrap() = Some(Seen {
        interrupted: interrupted.pc,
        pcs,
        end: Some(end),
    });
}

#[inline(never)]
fn raise_here() -> u64 {
    // SAFETY: raises a signal that has a handler.
    unsafe { libc::raise(libc::SIGUSR2) };
    here().pc
}

#[test]
fn through_a_signal_frame() {
    // SAFETY: an all-zero sigaction is valid; the handler has the three-argument form that SA_SIGINFO asks for.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(
            libc::sigaction(libc::SIGUSR2, &raw const action, ptr::null_mut()),
            0
        );
    }
    let behind = raise_here();
    let seen = SEEN.lock().unwrap().take().unwrap();
    let end = seen.end.unwrap();
    assert_eq!(end, UnwindError::EndOfStack, "{:x?}", seen.pcs);
    // The interrupted instruction itself is one of the frames, and the function that raised the signal a later one.
    let interrupted = seen
        .pcs
        .iter()
        .position(|&pc| pc == seen.interrupted)
        .expect("no signal frame");
    assert!(interrupted >= 2);
    let raiser = raise_here as *const () as u64..behind;
    assert!(
        seen.pcs[interrupted..].iter().any(|pc| raiser.contains(pc)),
        "{:x?}",
        seen.pcs
    );
    assert!(seen.pcs.len() > interrupted + 5);
}

#[test]
fn to_the_end_of_the_stack() {
    let (pcs, end) = std::thread::spawn(|| walk(here())).join().unwrap();
    assert_eq!(end, UnwindError::EndOfStack, "{pcs:x?}");
    assert!(pcs.len() > 4);
}

#[test]
fn frame_pointers() {
    let stack: Vec<u64> = vec![0, 0, 0, 0, 0, 0, 0, 0];
    let low = stack.as_ptr() as u64;
    let high = low + 64;
    let memory = |address: u64| {
        let place = address.checked_sub(low)?;
        match place {
            16 => Some(low + 32),
            24 => Some(0x40_1234),
            32 => Some(0),
            40 => Some(0),
            48 => Some(0),
            56 => Some(12),
            _ => None,
        }
    };
    let mut registers = Registers::new(0x40_0000, low, low + 16, true);
    assert_eq!(step_by_frame_pointer(&memory, &mut registers, high), Ok(()));
    assert_eq!(
        (registers.pc, registers.sp, registers.fp),
        (0x40_1234, low + 32, low + 32)
    );
    assert!(!registers.exact);
    assert_eq!(
        step_by_frame_pointer(&memory, &mut registers, high),
        Err(UnwindError::EndOfStack)
    );
    for (sp, fp, wanted) in [
        (low, low + 48, UnwindError::Implausible),
        (low, low + 17, UnwindError::Implausible),
        (low + 24, low + 16, UnwindError::Implausible),
        (low, low + 56, UnwindError::Implausible),
        (low, u64::MAX - 7, UnwindError::Implausible),
        (low, low, UnwindError::Unreadable),
    ] {
        let mut registers = Registers::new(0x40_0000, sp, fp, true);
        assert_eq!(
            step_by_frame_pointer(&memory, &mut registers, high),
            Err(wanted)
        );
        assert_eq!(
            (registers.pc, registers.sp, registers.fp),
            (0x40_0000, sp, fp)
        );
    }
}
