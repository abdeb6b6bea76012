//! Whether a signal that was sent to a thread still waits for it, as the kernel tells: a signal can be lost on its way.
//!
//! While one is under way no other is sent, so that they never pile up on a thread that blocks them. If somebody swallows one (a handler that was put in
//! place of ours for a while, sigwaitinfo(2), a signalfd), its slot would wait for ever, and the thread would never be sampled again.
//!
//! Threads: the ticker, inside a [`fork::Section`](pronghorn_sync::fork::Section) that its caller holds: a child must not inherit the open
//! file. Allocates nothing. Fork: keeps nothing.

use crate::task_file::TaskFile;

/// The line of /proc/PID/task/TID/status with the signals that wait for that thread alone (proc_pid_status(5)).
const FIELD: &[u8] = b"\nSigPnd:\t";

/// Whether one of `numbers` waits for thread `tid`; `None` where the kernel does not tell.
pub(super) fn is_waiting(tid: i32, numbers: [i32; 2]) -> Option<bool> {
    let mut status = TaskFile::open(tid, "status")?;
    let waiting = status.value(FIELD, |digits| u64::from_str_radix(digits, 16).ok())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use pronghorn_sync::own_tid;

    #[test]
    fn a_signal_that_its_thread_blocks_waits_and_then_does_not() {
        extern "C" fn nothing(_number: i32) {}
        let number = libc::SIGRTMIN() + 3;
        // SAFETY: the handler does nothing; the mask is this test's thread's own.
        unsafe { libc::signal(number, nothing as *const () as usize) };
        let tid = own_tid();
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
    fn of_a_thread_that_is_gone_nothing_is_said() {
        assert_eq!(is_waiting(i32::MAX, [1, 2]), None);
    }
}
