//! V8's pages, which a child does not get: official Linux builds mark them MADV_DONTFORK. Undone before a fork, and done again in the
//! parent after it.
//!
//! The kernel is asked for them at the very fork, since V8 maps pages all the time. All of it works inside a signal handler and
//! a garbage collection: bare system calls into memory that is set aside beforehand. One fork at a time; a
//! child has its own copy of it all.
//!
//! Source: proc(5), VmFlags `dc` ("do not copy area on fork").

use core::cell::UnsafeCell;
use core::ffi::c_int;

const MOST_RANGES: usize = 1 << 15;
const BUFFER_BYTES: usize = 1 << 16;

struct Ranges {
    list: [(usize, usize); MOST_RANGES],
    count: usize,
    /// What was read of the file, of which the last line may not be complete.
    buffer: [u8; BUFFER_BYTES],
}

struct Shared(UnsafeCell<Ranges>);

// SAFETY: only the thread that forks uses it, and the tests fork on one thread at a time.
unsafe impl Sync for Shared {}

static RANGES: Shared = Shared(UnsafeCell::new(Ranges {
    list: [(0, 0); MOST_RANGES],
    count: 0,
    buffer: [0; BUFFER_BYTES],
}));

/// Reads which pages a child would not get, and lets it have them. Returns 0, or an errno.
pub(crate) fn undo() -> c_int {
    // SAFETY: see `Shared`; there is no other reference while this runs.
    let ranges = unsafe { &mut *RANGES.0.get() };
    match read(ranges) {
        0 => advise(ranges, libc::MADV_DOFORK),
        error => error,
    }
}

/// In the parent: marks them again as V8 had them.
pub(crate) fn redo() {
    // SAFETY: see `Shared`.
    advise(unsafe { &*RANGES.0.get() }, libc::MADV_DONTFORK);
}

fn advise(ranges: &Ranges, advice: c_int) -> c_int {
    let mut error = 0;
    for (start, end) in &ranges.list[..ranges.count] {
        // SAFETY: a range that the kernel has just named; the advice changes none of its bytes. One that is gone by now fails.
        if unsafe { libc::madvise(*start as *mut _, end - start, advice) } != 0 {
            error = errno();
        }
    }
    error
}

fn read(ranges: &mut Ranges) -> c_int {
    ranges.count = 0;
    // SAFETY: a path that ends with NUL; the buffer is written within its size; the descriptor is closed on every way out.
    unsafe {
        let file = libc::open(
            c"/proc/self/smaps".as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        );
        if file < 0 {
            return errno();
        }
        let mut kept = 0;
        let mut current = (0, 0);
        loop {
            let place = ranges.buffer.as_mut_ptr().add(kept).cast();
            let got = libc::read(file, place, BUFFER_BYTES - kept);
            if got < 0 && errno() == libc::EINTR {
                continue;
            }
            if got <= 0 {
                break;
            }
            let filled = kept + got as usize;
            let mut from = 0;
            while let Some(length) = ranges.buffer[from..filled]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let line = &ranges.buffer[from..from + length];
                if let Some(range) = address_range(line) {
                    current = range;
                } else if is_dont_copy(line) && ranges.count < MOST_RANGES {
                    ranges.list[ranges.count] = current;
                    ranges.count += 1;
                }
                from += length + 1;
            }
            ranges.buffer.copy_within(from..filled, 0);
            kept = filled - from;
        }
        libc::close(file);
    }
    if ranges.count == MOST_RANGES {
        libc::ENOMEM
    } else {
        0
    }
}

/// "7f00-7f10 rw-p …" as two addresses; `None` for the lines below it.
fn address_range(line: &[u8]) -> Option<(usize, usize)> {
    let (start, rest) = hexadecimal(line)?;
    let (end, rest) = hexadecimal(rest.strip_prefix(b"-")?)?;
    rest.starts_with(b" ").then_some((start, end))
}

fn hexadecimal(text: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    let mut digits = 0;
    for byte in text {
        let Some(digit) = char::from(*byte).to_digit(16) else {
            break;
        };
        value = value << 4 | digit as usize;
        digits += 1;
    }
    (digits > 0).then(|| (value, &text[digits..]))
}

fn is_dont_copy(line: &[u8]) -> bool {
    line.strip_prefix(b"VmFlags:")
        .is_some_and(|flags| flags.windows(4).any(|word| word == b" dc "))
}

/// The calling thread's errno.
pub(crate) fn errno() -> c_int {
    // SAFETY: the place is the calling thread's own.
    unsafe { *libc::__errno_location() }
}
