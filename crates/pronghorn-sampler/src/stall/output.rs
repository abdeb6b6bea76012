//! Writing a report, on a thread of its own that lives as long as that takes.
//!
//! Not on the ticker: looking native names up takes tens of milliseconds, and whoever reads the process's standard error may not read it for
//! a while. Not a thread that waits for work either: each thread costs every fork, and stalls are rare.
//!
//! Threads: `hand_over` on the ticker; the rest on the thread that it spawns, one at a time (`is_writing`). Nobody waits for it: it owns what
//! it writes, and a stop leaves it behind. It is made, and enters the dynamic linker, inside a [`fork::Section`] only.
//!
//! Fork: the thread does not exist in the child. A file that it has open stands in the table that the child's reset closes
//! ([`pronghorn_sync::descriptors`]); the state it uses is replaced (stall.rs).

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

use pronghorn_native::ImageList;
use pronghorn_sync::descriptors::Held;
use pronghorn_sync::{failpoint, fork};

use super::{Report, STATE, StallOutput};
use crate::statistics::shared;
use crate::{clock, failure, session, spawn};

/// How long a report may take to be written. A reader that is slower misses the rest.
const PATIENCE_NS: u64 = 2_000_000_000;
/// What a pipe takes at once (`PIPE_BUF` in limits.h): after poll(2) says it can be written to, so much does not block.
const CHUNK: usize = 4_096;

/// Writes the report from another thread. If the last one is still being written, this one is lost, and counted.
pub(super) fn hand_over(report: Report) {
    let state = STATE.get();
    if state.is_writing.swap(true, AcqRel) {
        shared().lost_stall_reports.fetch_add(1, Relaxed);
        return;
    }
    // The C library makes threads under a lock of its own, which a child of a bare system call would inherit.
    let section = fork::enter();
    let spawned = spawn::without_signals("pronghorn-stall", move || {
        failure::guarded("the writer of stall reports", || write(report));
        STATE.get().is_writing.store(false, Release);
    });
    drop(section);
    if spawned.is_err() {
        state.is_writing.store(false, Release);
        shared().lost_stall_reports.fetch_add(1, Relaxed);
    }
}

fn write(mut report: Report) {
    let state = STATE.get();
    session::refresh_images_beside();
    // SAFETY: null, or a list, and those are never freed.
    if let Some(images) = unsafe { session::images().as_ref() } {
        name_native(&mut report, images);
    }
    if report.is_debugged() {
        state.excused.store(report.turn, Relaxed);
        return;
    }
    report.show_native(session::native_frames());
    let text = report.text();
    // The application is told with these names, if it is the report of a turn that is still under way.
    state.current.lock().with(|current| {
        if let Some(known) = current
            && known.turn == report.turn
            && known.blocked_ns == report.blocked_ns
        {
            *current = Some(report);
        }
    });
    let output = state.output.lock().with(|output| output.clone());
    let written = match &output {
        StallOutput::Stderr => write_all(libc::STDERR_FILENO, text.as_bytes()),
        StallOutput::File(path) => append(path, text.as_bytes()),
    };
    let counter = match written {
        Ok(()) => &shared().stall_reports,
        Err(_) => &shared().lost_stall_reports,
    };
    counter.fetch_add(1, Relaxed);
}

fn name_native(report: &mut Report, images: &ImageList) {
    let state = STATE.get();
    let kept = state.symbols.lock().with(Option::take);
    let mut symbols = kept.unwrap_or_default();
    report.name_native(&mut symbols, images);
    state.symbols.lock().with(|place| *place = Some(symbols));
}

/// Opened anew for each report: whoever rotates logs may have moved it. Never waits for the other end of a pipe.
fn append(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = Held::open(|| {
        OpenOptions::new()
            .append(true)
            .create(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
    })?;
    failpoint!("stall-report");
    write_all(file.as_raw_fd(), bytes)
}

/// Writes as much as the other side takes in time.
pub(super) fn write_all(descriptor: RawFd, mut bytes: &[u8]) -> Result<()> {
    let deadline = clock::monotonic_ns() + PATIENCE_NS;
    while !bytes.is_empty() {
        let now = clock::monotonic_ns();
        if now >= deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        let mut wait = libc::pollfd {
            fd: descriptor,
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one pollfd of ours.
        let ready =
            unsafe { libc::poll(&raw mut wait, 1, ((deadline - now) / 1_000_000 + 1) as i32) };
        if ready == 0 {
            continue;
        }
        let length = bytes.len().min(CHUNK);
        // SAFETY: so many bytes are there; the kernel checks the descriptor.
        let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), length) };
        if let Ok(written) = usize::try_from(written) {
            bytes = bytes.get(written..).unwrap_or_default();
            continue;
        }
        let error = Error::last_os_error();
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            return Err(error);
        }
    }
    Ok(())
}
