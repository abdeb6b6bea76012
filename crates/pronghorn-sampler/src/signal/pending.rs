//! Whether a signal that was sent to a thread still waits for it, as the kernel tells: a signal can be lost on its way.
//!
//! While one is under way no other is sent, so that they never pile up on a thread that blocks them. If somebody swallows one (a handler that was put in
//! place of ours for a while, sigwaitinfo(2), a signalfd), its slot would wait for ever, and the thread would never be sampled again.
//!
//! Threads: the ticker, inside a [`fork::Section`](pronghorn_sync::fork::Section) that its caller holds: a child must not inherit the open
//! file. Allocates nothing. Fork: keeps nothing.

use std::io::Write;

/// The line of /proc/PID/task/TID/status with the signals that wait for that thread alone (proc_pid_status(5)).
const FIELD: &[u8] = b"SigPnd:\t";
/// What comes before it has some 1,300 bytes.
const ROOM: usize = 4096;

/// Whether one of `numbers` waits for thread `tid`; `None` where the kernel does not tell.
pub(super) fn is_waiting(tid: i32, numbers: [i32; 2]) -> Option<bool> {
    let mut path = [0u8; 64];
    // The rest of the array stays zero, so it ends with a NUL.
    write!(&mut path[..63], "/proc/self/task/{tid}/status").ok()?;
    let mut room = [0u8; ROOM];
    let text = read(&path, &mut room)?;
    let waiting = waiting_signals(text)?;
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

fn read<'a>(path: &[u8], room: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: the path ends with a NUL, as the caller says.
    let file = unsafe { libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return None;
    }
    // SAFETY: as many bytes as `room` has; the descriptor was opened above, and nobody else knows it.
    let length = unsafe {
        let length = libc::read(file, room.as_mut_ptr().cast(), room.len());
        libc::close(file);
        length
    };
    room.get(..usize::try_from(length).ok()?)
}

fn waiting_signals(status: &[u8]) -> Option<u64> {
    let line = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(FIELD))?;
    u64::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok()
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
        assert_eq!(waiting_signals(b"Name:\tnode\nSigPnd:\tnonsense\n"), None);
        assert_eq!(waiting_signals(b""), None);
        assert_eq!(
            waiting_signals(b"Threads:\t1\nSigPnd:\t0000000000000100\n"),
            Some(256)
        );
    }
}
