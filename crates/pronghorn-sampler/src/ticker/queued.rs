//! For how long a thread has waited for a processor while it could have run. What neither runs nor polls either waits or blocks, and no clock tells
//! which; the kernel's scheduler does.
//!
//! Threads: the ticker. Fork: keeps nothing.

use crate::task_file::TaskFile;
use pronghorn_sync::fork;

/// Nanoseconds that thread `tid` has waited for a processor since it began; `None` if there is none, 0 where the kernel does not count them (CONFIG_SCHED_INFO). Some ten microseconds.
pub(super) fn queued_ns(tid: i32) -> Option<u64> {
    let _section = fork::enter();
    let mut room = [0u8; 96];
    let length = TaskFile::open(tid, "schedstat")?.read(&mut room);
    second_number(room.get(..length)?)
}

/// The file has three (Documentation/scheduler/sched-stats.rst): time on a processor, time in the queue for one, turns on it.
fn second_number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pronghorn_sync::own_tid;
    use std::sync::atomic::Ordering::Relaxed;

    /// Keeps the calling thread on one processor.
    fn stay_on(processor: usize) {
        // SAFETY: zeroed bytes are an empty set, `processor` is one of this machine's, and the set has the size that is said.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(processor, &mut set);
            assert_eq!(
                libc::sched_setaffinity(0, size_of_val(&set), &raw const set),
                0
            );
        }
    }

    #[test]
    fn a_thread_that_has_to_share_its_processor_waits_for_it() {
        // SAFETY: no preconditions.
        let (tid, processor) = (own_tid(), unsafe { libc::sched_getcpu() });
        let processor = usize::try_from(processor).unwrap();
        stay_on(processor);
        let before = queued_ns(tid).unwrap();
        let end = std::sync::atomic::AtomicBool::new(false);
        let waited = std::thread::scope(|scope| {
            scope.spawn(|| {
                stay_on(processor);
                while !end.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let began = std::time::Instant::now();
            let waited = loop {
                // Nothing that panics: the other would spin for ever.
                let waited = queued_ns(tid).unwrap_or(0).saturating_sub(before);
                if waited > 1_000_000 || began.elapsed().as_secs() > 20 {
                    break waited;
                }
            };
            end.store(true, Relaxed);
            waited
        });
        assert!(waited > 1_000_000, "{waited} ns");
    }

    #[test]
    fn a_thread_that_is_gone_has_no_file() {
        assert_eq!(queued_ns(i32::MAX), None);
    }

    #[test]
    fn the_second_number_is_read() {
        assert_eq!(second_number(b"12 34 5\n"), Some(34));
        assert_eq!(second_number(b"12"), None);
    }
}
