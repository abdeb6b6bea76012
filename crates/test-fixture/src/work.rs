//! Work whose cost is known: burning, churning memory, blocking, calling back, and the clocks to check a profile with.

use crate::napi::{Env, arguments, call, from_number, number};
use core::ffi::c_void;
use core::hint::black_box;
use std::time::{Duration, Instant};

/// `burn(ms)`: computes for that long in one named, frame-pointer-less native function.
pub(crate) unsafe extern "C" fn burn(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [millis] = arguments::<1>(env, info);
    from_number(env, pronghorn_fixture_burn(number(env, millis)))
}

/// `burnMangled(ms)`: the same under a mangled Rust name.
pub(crate) unsafe extern "C" fn burn_mangled(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [millis] = arguments::<1>(env, info);
    from_number(env, burn_under_a_mangled_name(number(env, millis)))
}

/// `churn(ms)`: allocates, copies and frees, so that nearly all leaves are libc's (malloc, memcpy, free), which keep no
/// frame pointer.
pub(crate) unsafe extern "C" fn churn(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    let env = Env(env);
    let [millis] = arguments::<1>(env, info);
    from_number(env, pronghorn_fixture_churn(number(env, millis)))
}

/// `callBack(function)`: JavaScript called by native code called by JavaScript. Returns what the function returned.
pub(crate) unsafe extern "C" fn call_back(env: *mut c_void, info: *mut c_void) -> *mut c_void {
    pronghorn_fixture_call_back(env, info)
}

/// `blockingNanosleep(ms)`: sleeps until that much time has passed, and returns how often a signal ended the sleep early.
pub(crate) unsafe extern "C" fn blocking_nanosleep(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [millis] = arguments::<1>(env, info);
    from_number(env, pronghorn_fixture_sleep(number(env, millis)))
}

/// `threadCpuNanos()`: the calling thread's own CPU clock, in nanoseconds.
pub(crate) unsafe extern "C" fn thread_cpu_nanos(
    env: *mut c_void,
    _info: *mut c_void,
) -> *mut c_void {
    from_number(Env(env), clock_nanos(libc::CLOCK_THREAD_CPUTIME_ID))
}

/// `threadId()`: the calling thread's kernel id.
pub(crate) unsafe extern "C" fn thread_id(env: *mut c_void, _info: *mut c_void) -> *mut c_void {
    // SAFETY: gettid has no preconditions.
    from_number(Env(env), unsafe { libc::syscall(libc::SYS_gettid) } as f64)
}

/// `errnoAfterBurn(value, ms)`: sets errno, computes for `ms` without calling anything, and returns errno: a signal
/// handler that does not keep errno shows here.
pub(crate) unsafe extern "C" fn errno_after_burn(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [value, millis] = arguments::<2>(env, info);
    let (value, millis) = (number(env, value) as i32, number(env, millis));
    let rounds = calibrate(millis);
    // SAFETY: __errno_location is always valid for the calling thread.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above; nothing between the two accesses makes a call that sets errno.
    let after = unsafe {
        place.write_volatile(value);
        black_box(mix(black_box(1), rounds));
        place.read_volatile()
    };
    from_number(env, f64::from(after))
}

/// Loops for `millis` of monotonic time; the clock is read every few microseconds only, so that the leaf is this function.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn pronghorn_fixture_burn(millis: f64) -> f64 {
    let end = Instant::now() + Duration::from_secs_f64(millis / 1e3);
    let mut state = 1_u64;
    while Instant::now() < end {
        let mut round = 0;
        while round < 20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(round)
                .rotate_left(7);
            round += 1;
        }
    }
    black_box(state) as f64
}

#[inline(never)]
fn burn_under_a_mangled_name(millis: f64) -> f64 {
    let end = Instant::now() + Duration::from_secs_f64(millis / 1e3);
    let mut state = 7_u64;
    while Instant::now() < end {
        let mut round = 0;
        while round < 20_000 {
            state = state
                .wrapping_mul(2_862_933_555_777_941_757)
                .wrapping_add(round)
                .rotate_left(11);
            round += 1;
        }
    }
    black_box(state) as f64
}

/// Allocates a block of a few sizes, copies into it and frees it, for `millis` of monotonic time.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn pronghorn_fixture_churn(millis: f64) -> f64 {
    let end = Instant::now() + Duration::from_secs_f64(millis / 1e3);
    let source = [1_u8; 4096];
    let mut blocks = 0_u32;
    while Instant::now() < end {
        for round in 0..200_usize {
            let size = 64 + (round * 37) % 4000;
            // SAFETY: the block is checked, written within its size, and freed once.
            unsafe {
                let block = libc::malloc(size).cast::<u8>();
                if !block.is_null() {
                    libc::memcpy(block.cast(), source.as_ptr().cast(), size);
                    black_box(block.read_volatile());
                    libc::free(block.cast());
                }
            }
            blocks = blocks.wrapping_add(1);
        }
    }
    f64::from(blocks)
}

/// The native frame between two JavaScript functions.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn pronghorn_fixture_call_back(
    env: *mut c_void,
    info: *mut c_void,
) -> *mut c_void {
    let env = Env(env);
    let [function] = arguments::<1>(env, info);
    black_box(call(env, function))
}

/// Sleeps in clock_nanosleep and counts the sleeps that a signal cut short.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn pronghorn_fixture_sleep(millis: f64) -> f64 {
    let end = clock_nanos(libc::CLOCK_MONOTONIC) + millis * 1e6;
    let until = libc::timespec {
        tv_sec: (end / 1e9) as i64,
        tv_nsec: (end % 1e9) as i64,
    };
    let mut interrupted = 0;
    loop {
        // SAFETY: `until` is a valid timespec; no remainder is asked for with an absolute time.
        let result = unsafe {
            libc::clock_nanosleep(
                libc::CLOCK_MONOTONIC,
                libc::TIMER_ABSTIME,
                &raw const until,
                core::ptr::null_mut(),
            )
        };
        if result != libc::EINTR {
            return f64::from(interrupted);
        }
        interrupted += 1;
    }
}

fn clock_nanos(clock: libc::clockid_t) -> f64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid place for the answer and the clock ids used here always exist.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// How many rounds of [`mix`] take about `millis`.
fn calibrate(millis: f64) -> u64 {
    let start = Instant::now();
    black_box(mix(black_box(3), 1_000_000));
    (millis * 1e6 / start.elapsed().as_nanos().max(1) as f64 * 1e6) as u64
}

#[inline(never)]
fn mix(mut state: u64, rounds: u64) -> u64 {
    for round in 0..rounds {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(round)
            .rotate_left(7);
    }
    state
}
