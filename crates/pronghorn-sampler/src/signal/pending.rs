//! Whether a signal that was sent to a thread still waits for it, as the kernel tells: a signal can be lost on its way.
//!
//! While one is under way no other is sent, so that they never pile up on a thread that blocks them. If somebody swallows one (a handler that was put in
//! place of ours for a while, sigwaitinfo(2), a signalfd), its slot would wait for ever, and the thread would never be sampled again.
//!
//! Threads: the ticker, inside a [`fork::Section`](pronghorn_sync::fork::Section) that its caller holds: a child must not inherit the open
//! file. Allocates nothing. Fork: keeps nothing.

use crate::task_file::TaskFile;

/// The line of /proc/PID/task/TID/status with the signals that wait for that thread alone (proc_pid_status(5)).
const FIELD: &[u8] = b"SigPnd:\t";
const DIGITS: usize = 16;
/// What comes before it has some 1,300 bytes, and a user may be in thousands of groups, which are listed before it: read piece by piece.
const ROOM: usize = 4096;
/// Give up then: 65,536 groups (NGROUPS_MAX) with eleven bytes each.
const MOST_PIECES: usize = 200;

/// Whether one of `numbers` waits for thread `tid`; `None` where the kernel does not tell.
pub(super) fn is_waiting(tid: i32, numbers: [i32; 2]) -> Option<bool> {
    let mut status = TaskFile::open(tid, "status")?;
    let waiting = find(|room| status.read(room))?;
    let bit = |number: i32| {
        u32::try_from(number - 1)
            .ok()
            .and_then(|bit| 1u64.checked_shl(bit))
    };
    Some(
        numbers
            .into_iter()
            .filter_map(bit)
            .any(|bit| waiting & bit != 0),
    )
}

/// Looks for the line in what `more` brings, piece by piece; it returns how many bytes that were, and 0 at the end.
fn find(mut more: impl FnMut(&mut [u8]) -> usize) -> Option<u64> {
    let mut room = [0u8; ROOM];
    let mut kept = 0;
    for _ in 0..MOST_PIECES {
        let length = more(room.get_mut(kept..)?);
        if length == 0 {
            return None;
        }
        let end = kept + length;
        if let Some(waiting) = waiting_signals(room.get(..end)?) {
            return Some(waiting);
        }
        // The line may have begun: as much as one has is kept.
        kept = end.min(1 + FIELD.len() + DIGITS);
        room.copy_within(end - kept..end, 0);
    }
    None
}

/// What the whole line says, if it is there.
fn waiting_signals(text: &[u8]) -> Option<u64> {
    let at = text
        .windows(FIELD.len())
        .position(|window| window == FIELD)?;
    let digits = text.get(at + FIELD.len()..)?;
    let (digits, rest) = digits.split_at_checked(DIGITS)?;
    if rest.first() != Some(&b'\n') {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_its_thread_blocks_waits_and_then_does_not() {
        extern "C" fn nothing(_number: i32) {}
        let number = libc::SIGRTMIN() + 3;
        // SAFETY: the handler does nothing; the mask is this test's thread's own.
        let tid = unsafe {
            libc::signal(number, nothing as *const () as usize);
            libc::gettid()
        };
        let mask = |how| {
            // SAFETY: a place of ours.
            unsafe {
                let mut set = std::mem::zeroed();
                libc::sigemptyset(&raw mut set);
                libc::sigaddset(&raw mut set, number);
                libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
            }
        };
        let numbers = [number, libc::SIGSTKFLT];
        assert_eq!(is_waiting(tid, numbers), Some(false));
        mask(libc::SIG_BLOCK);
        // SAFETY: a signal to the calling thread.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, number) };
        assert_eq!(is_waiting(tid, numbers), Some(true));
        assert_eq!(is_waiting(tid, [number - 1, libc::SIGSTKFLT]), Some(false));
        mask(libc::SIG_UNBLOCK);
        assert_eq!(is_waiting(tid, numbers), Some(false));
    }

    #[test]
    fn a_thread_that_is_gone_and_text_without_the_line_say_nothing() {
        assert_eq!(is_waiting(i32::MAX, [1, 2]), None);
        for text in [
            "Name:\tnode\nSigPnd:\tnonsense\n",
            "",
            "SigPnd:\t00000000000001",
            "SigPnd:\t0000000000000100",
        ] {
            assert_eq!(waiting_signals(text.as_bytes()), None, "{text}");
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
                let mut rest = &text[..];
                let more = |room: &mut [u8]| {
                    let length = room.len().min(piece).min(rest.len());
                    room[..length].copy_from_slice(&rest[..length]);
                    rest = &rest[length..];
                    length
                };
                let found = find(more);
                let reachable = text.len() <= MOST_PIECES * piece;
                assert_eq!(found, reachable.then_some(256), "{before} {piece}");
            }
        }
    }
}
