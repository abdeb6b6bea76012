//! How much stack a step takes: measured on a signal stack that was painted before.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{mem, ptr};

use super::maps::Maps;
use crate::images::ImageList;
use crate::unwind::registers::Registers;
use crate::unwind::{UnwindCache, step};

const PAINT: u64 = 0x5a5a_0f0f_3c3c_a5a5;
const WORDS: usize = 16 * 1024;
const SIGNAL: c_int = libc::SIGWINCH;

struct Task {
    images: ImageList,
    maps: Maps,
    cache: Box<UnwindCache>,
    registers: Registers,
    takes_a_step: bool,
}

static TASK: AtomicPtr<Task> = AtomicPtr::new(ptr::null_mut());

extern "C" fn on_signal(_signal: c_int, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: set by the test, which waits for this handler on the same thread.
    let Some(task) = (unsafe { TASK.load(Ordering::Acquire).as_mut() }) else {
        return;
    };
    if task.takes_a_step {
        let _ = step(&task.images, &task.cache, &task.maps, &mut task.registers);
    }
}

/// Bytes of the signal stack that a run of the handler changes.
fn used(stack: &mut [u64], task: &mut Task) -> usize {
    stack.fill(PAINT);
    TASK.store(task, Ordering::Release);
    // SAFETY: raises a signal whose handler was installed by the test.
    assert_eq!(unsafe { libc::raise(SIGNAL) }, 0);
    TASK.store(ptr::null_mut(), Ordering::Release);
    let words = stack.as_ptr();
    // SAFETY: within the slice; volatile because the handler wrote to it unseen.
    let is_paint = |at: usize| unsafe { words.add(at).read_volatile() } == PAINT;
    (WORDS - (0..WORDS).take_while(|&at| is_paint(at)).count()) * 8
}

#[test]
fn a_step_takes_little_stack() {
    let mut stack = vec![0_u64; WORDS];
    // SAFETY: an all-zero sigaction is valid; the stack outlives its use as this thread's signal stack.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(
            libc::sigaction(SIGNAL, &raw const action, ptr::null_mut()),
            0
        );
        let signal_stack = libc::stack_t {
            ss_sp: stack.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: WORDS * 8,
        };
        assert_eq!(
            libc::sigaltstack(&raw const signal_stack, ptr::null_mut()),
            0
        );
    }
    let images = ImageList::snapshot();
    // In the middle of functions of libc, so that whole programs are run.
    let code = images
        .find(libc::gnu_get_libc_version as *const () as u64)
        .unwrap()
        .segments()[0];
    // What a function that was entered elsewhere would have saved lies on either side of the stack pointer.
    let frame = vec![0x40_1000_u64; 128 * 1024];
    let mut task = Task {
        images,
        maps: Maps::snapshot(),
        cache: Box::new(UnwindCache::new()),
        registers: Registers::new(0, 0, 0, true),
        takes_a_step: false,
    };
    let without = used(&mut stack, &mut task);
    task.takes_a_step = true;
    let (mut most, mut steps) = (0, 0);
    for pc in (code.start..code.end).step_by(4099) {
        let sp = frame[frame.len() / 2..].as_ptr() as u64;
        task.registers = Registers::new(pc, sp, sp + 64, true);
        most = most.max(used(&mut stack, &mut task) - without);
        steps += u32::from(task.registers.pc != pc);
    }
    // SAFETY: takes the stack away again before it is freed, and leaves the signal without effect.
    unsafe {
        let none = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        assert_eq!(libc::sigaltstack(&raw const none, ptr::null_mut()), 0);
        libc::signal(SIGNAL, libc::SIG_DFL);
    }
    println!("{most} bytes at most in {steps} successful steps");
    assert!(most > 64 && steps > 50, "nothing was measured");
    // Unoptimized code keeps every temporary.
    assert!(
        most <= if cfg!(debug_assertions) {
            16 * 1024
        } else {
            1536
        },
        "{most} bytes"
    );
}
