//! The small files in which the kernel tells of one thread: /proc/self/task/TID/NAME.
//!
//! Threads: the ticker. A [`TaskFile`] inside a [`fork::Section`](pronghorn_sync::fork::Section) that its caller holds: a child must not inherit the open
//! file. It still does where a fork runs no handlers, or has waited for long enough: a descriptor more, in a child that is not profiled in the latter case.
//! Allocates nothing. Fork: what stays open is in the table that a child reads ([`Kept`]); nothing else is kept.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;

use pronghorn_sync::descriptors::Kept;

/// Read at a time.
const ROOM: usize = 4096;
/// What stands before a line of `status` has some 1,300 bytes, and a user may be in thousands of groups: 65,536 (NGROUPS_MAX) with eleven bytes each.
const MOST_PIECES: usize = 200;
/// Longest value that is looked for.
const VALUE: usize = 24;

/// One of them, open.
pub(crate) struct TaskFile(File);

impl TaskFile {
    /// Opens `name` of thread `tid`; `None` where there is none.
    pub(crate) fn open(tid: i32, name: &str) -> Option<Self> {
        open_of(tid, name).ok().map(Self)
    }

    /// Reads on into `room`: how many bytes, 0 at the end.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> usize {
        self.0.read(room).unwrap_or(0)
    }

    /// The value in the line that begins with `field`, which has its own line break before it, as `parse` understands it.
    pub(crate) fn value<T>(
        &mut self,
        field: &[u8],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        find(|room| self.read(room), field, parse)
    }
}

/// One of them that stays open to be read again and again, since finding and opening it is most of what reading it costs; `None` where there is none, or too many are
/// open. Not inside of a section.
pub(crate) fn keep(tid: i32, name: &str) -> Option<Kept> {
    Kept::open(|| open_of(tid, name))
}

fn open_of(tid: i32, name: &str) -> io::Result<File> {
    let mut path = [0u8; 64];
    // The last byte stays zero.
    let (text, _) = path.split_at_mut(63);
    write!(&mut *text, "/proc/self/task/{tid}/{name}")?;
    let path = CStr::from_bytes_until_nul(&path).map_err(|_| io::ErrorKind::InvalidInput)?;
    open(path, libc::O_RDONLY)
}

/// Opens what the kernel has under `path`. The library's own way may allocate.
pub(crate) fn open(path: &CStr, how: i32) -> io::Result<File> {
    // SAFETY: the path ends with a NUL.
    let file = unsafe { libc::open(path.as_ptr(), how | libc::O_CLOEXEC) };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: opened right here, and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(file) })
}

/// Looks for the line in what `more` brings, piece by piece; it returns how many bytes that were, and 0 at the end.
fn find<T>(
    mut more: impl FnMut(&mut [u8]) -> usize,
    field: &[u8],
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let mut room = [0u8; ROOM];
    let mut kept = 0;
    for _ in 0..MOST_PIECES {
        let length = more(room.get_mut(kept..)?);
        if length == 0 {
            return None;
        }
        let end = kept + length;
        if let Some(value) = value_in(room.get(..end)?, field) {
            return parse(value);
        }
        // The line may have begun: as much as one has is kept.
        kept = end.min(field.len() + VALUE);
        room.copy_within(end - kept..end, 0);
    }
    None
}

/// What the line says, if all of it is there.
fn value_in<'text>(text: &'text [u8], field: &[u8]) -> Option<&'text str> {
    let at = text
        .windows(field.len())
        .position(|window| window == field)?;
    let value = text.get(at + field.len()..)?;
    let end = value.iter().position(|&byte| byte == b'\n')?;
    std::str::from_utf8(value.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: &[u8] = b"\nSigPnd:\t";

    fn hexadecimal(text: &str) -> Option<u64> {
        u64::from_str_radix(text, 16).ok()
    }

    /// What `find` says of a text that comes in pieces of at most so many bytes.
    fn found(text: &[u8], piece: usize) -> Option<u64> {
        let mut rest = text;
        let more = |room: &mut [u8]| {
            let length = room.len().min(piece).min(rest.len());
            room[..length].copy_from_slice(&rest[..length]);
            rest = &rest[length..];
            length
        };
        find(more, FIELD, hexadecimal)
    }

    #[test]
    fn text_without_the_line_says_nothing() {
        for text in [
            "Name:\tnode\nSigPnd:\tnonsense\n",
            "",
            "\nSigPnd:\t00000000000001",
            "\nNonSigPnd:\t0000000000000100\n",
        ] {
            assert_eq!(found(text.as_bytes(), ROOM), None, "{text}");
        }
    }

    #[test]
    fn the_line_is_found_wherever_it_stands_and_however_it_comes() {
        for before in [
            0,
            1,
            1_300,
            ROOM - 20,
            ROOM - 8,
            ROOM - 1,
            ROOM,
            3 * ROOM - 11,
        ] {
            let text = [
                &vec![b'7'; before],
                &b"\nSigPnd:\t0000000000000100\nShdPnd:\t0\n"[..],
            ]
            .concat();
            for piece in [ROOM, 1_000, 37] {
                let reachable = text.len() <= MOST_PIECES * piece;
                let expected = reachable.then_some(256);
                assert_eq!(found(&text, piece), expected, "{before} {piece}");
            }
        }
    }
}
