//! For how long a thread has waited for a processor while it could have run. What neither runs nor polls either waits or blocks, and no clock tells
//! which; the kernel's scheduler does.
//!
//! Threads: the ticker. Fork: as `task_file.rs`.

use crate::task_file::{self, TaskFile};
use pronghorn_sync::descriptors::Kept;
use pronghorn_sync::fork;

/// What the kernel has about one thread's waits.
#[derive(Default)]
pub(super) struct Queue {
    /// Open since it was first asked, if there is room for it.
    file: Option<Kept>,
}

impl Queue {
    /// Nanoseconds that thread `tid`, always the same, has waited for a processor since it began; `None` if there is none, 0 where the kernel does not count them
    /// (CONFIG_SCHED_INFO). Two system calls, or, where too many files are open, some ten microseconds.
    pub(super) fn waited_ns(&mut self, tid: i32) -> Option<u64> {
        let mut room = [0u8; 96];
        let length = match self.again(&mut room) {
            Some(length) => length,
            None => {
                // Dropped first: if the host has closed it, the next one may get its number.
                self.file = None;
                self.file = task_file::keep(tid, NAME);
                self.again(&mut room).or_else(|| once(tid, &mut room))?
            }
        };
        second_number(room.get(..length)?)
    }

    /// Closes what is open, until it is asked again.
    pub(super) fn let_go(&mut self) {
        self.file = None;
    }

    fn again(&self, room: &mut [u8]) -> Option<usize> {
        self.file.as_ref()?.read(room)
    }
}

const NAME: &str = "schedstat";

fn once(tid: i32, room: &mut [u8]) -> Option<usize> {
    let _section = fork::enter();
    Some(TaskFile::open(tid, NAME)?.read(room))
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
        let mut queue = Queue::default();
        let before = queue.waited_ns(tid).unwrap();
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
                let waited = queue.waited_ns(tid).unwrap_or(0).saturating_sub(before);
                if waited > 1_000_000 || began.elapsed().as_secs() > 20 {
                    break waited;
                }
            };
            end.store(true, Relaxed);
            waited
        });
        assert!(waited > 1_000_000, "{waited} ns");
        let mut room = [0; 96];
        assert!(queue.again(&mut room).is_some(), "it stays open");
        let length = once(tid, &mut room).unwrap();
        let once = second_number(&room[..length]).unwrap();
        assert!(once >= before + waited);
    }

    #[test]
    fn a_thread_that_is_gone_has_no_file() {
        assert_eq!(Queue::default().waited_ns(i32::MAX), None);
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(own_tid()).unwrap();
            let _ = ended.recv();
        });
        let tid = told.recv().unwrap();
        let mut queue = Queue::default();
        assert!(queue.waited_ns(tid).is_some());
        drop(end);
        thread.join().unwrap();
        // Its record goes a moment later than the thread.
        let gone = std::time::Instant::now();
        while queue.waited_ns(tid).is_some() {
            assert!(gone.elapsed().as_secs() < 20);
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_file_that_the_host_has_closed_is_opened_anew_and_stays_open() {
        let mut queue = Queue::default();
        for _ in 0..3 {
            assert!(queue.waited_ns(own_tid()).is_some());
            let number = queue.file.as_ref().unwrap().number();
            // SAFETY: open, and the queue's.
            unsafe { libc::close(number) };
            assert!(queue.waited_ns(own_tid()).is_some());
            assert!(queue.again(&mut [0; 96]).is_some(), "it is open");
        }
        queue.let_go();
        assert!(queue.again(&mut [0; 96]).is_none());
    }

    #[test]
    fn the_second_number_is_read() {
        assert_eq!(second_number(b"12 34 5\n"), Some(34));
        assert_eq!(second_number(b"12"), None);
    }
}
