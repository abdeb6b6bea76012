//! Times the unwinder on its own stack: `cargo run --release --example unwind`.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::arch::asm;
use std::hint::black_box;
use std::time::{Duration, Instant};

use pronghorn_native::ImageList;
use pronghorn_native::unwind::{Registers, UnwindCache, UnwindError, step};

const DEPTH: u32 = 24;
const ROUNDS: u32 = 20_000;

/// Walks to the end of the stack; the number of frames.
fn walk(images: &ImageList, cache: &UnwindCache, mut registers: Registers) -> u32 {
    // SAFETY: an undamaged stack of this thread and loaded images are all that is read.
    let memory = |address: u64| Some(unsafe { (address as *const u64).read_unaligned() });
    let mut frames = 0;
    loop {
        match step(images, cache, &memory, &mut registers) {
            Ok(()) => frames += 1,
            Err(UnwindError::EndOfStack) => return frames,
            Err(error) => {
                println!("frame {frames}: {error}");
                return frames;
            }
        }
    }
}

#[inline(never)]
fn measure() {
    let images = ImageList::snapshot();
    let cache = Box::new(UnwindCache::new());
    let (pc, sp, fp): (u64, u64, u64);
    // SAFETY: reads three registers.
    unsafe {
        asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", out(reg) pc, out(reg) sp, out(reg) fp);
    }
    let registers = Registers::new(pc, sp, fp, true);
    let frames = walk(&images, &cache, registers);
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(walk(&images, &cache, black_box(registers)));
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    println!(
        "cached: {frames} frames, median {:?} a step",
        middle / (frames + 1)
    );
    uncached(&images, &cache);
}

/// Steps from all over libc: nearly every address is a new one.
fn uncached(images: &ImageList, cache: &UnwindCache) {
    let Some((_, code)) = images.find_segment(libc::qsort as *const () as u64) else {
        return;
    };
    let stack = vec![libc::qsort as *const () as u64; 4096];
    let memory = |address: u64| {
        let range = stack.as_ptr_range();
        if (range.start as u64..range.end as u64).contains(&address) {
            return Some(libc::qsort as *const () as u64);
        }
        // SAFETY: outside of the made-up stack only the image's tables are read.
        Some(unsafe { (address as *const u64).read_unaligned() })
    };
    let mut good = 0_u32;
    let mut times: Vec<Duration> = (code.start..code.end)
        .step_by(97)
        .map(|pc| {
            let sp = stack.as_ptr() as u64;
            let mut registers = Registers::new(pc, sp, sp + 64, true);
            let start = Instant::now();
            good += u32::from(step(images, cache, &memory, &mut registers).is_ok());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "uncached: {good} of {} steps went well, median {:?}, p99 {:?}",
        times.len(),
        at(50),
        at(99)
    );
}

#[inline(never)]
fn deeper(level: u32) -> u32 {
    if level == 0 {
        measure();
        return 0;
    }
    black_box(deeper(black_box(level - 1)) + 1)
}

fn main() {
    // Frames of one function differ in nothing but their place: the cache has few entries, as in recursive programs.
    deeper(DEPTH);
}
