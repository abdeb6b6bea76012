//! The threads of this process, as the kernel lists them.
//!
//! Reads /proc/self/task, so the caller holds a fork section: a child must not inherit the open folder. Nothing here writes.

use pronghorn_sync::failpoint;

/// The ids of all threads, oldest first (the kernel lists them in the order in which they were made). Empty where there is no
/// /proc.
pub(super) fn list() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    failpoint!("ticker-tasks");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// How many threads there are, by the link count of the folder: a microsecond, and no descriptor. 0 where there is no /proc.
pub(super) fn count() -> u64 {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: a NUL-terminated path and a place of the right size.
    let result = unsafe { libc::stat(c"/proc/self/task".as_ptr(), stat.as_mut_ptr()) };
    if result != 0 {
        return 0;
    }
    // SAFETY: zeroed bytes are a valid stat, and the kernel filled it in.
    unsafe { stat.assume_init() }.st_nlink
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_thread_is_listed_and_counted_until_it_ends() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            // SAFETY: gettid has no preconditions.
            sender.send(unsafe { libc::gettid() }).unwrap();
            let _ = wait.recv();
        });
        let tid = receiver.recv().unwrap();
        assert!(list().contains(&tid));
        assert!(count() >= 2);
        // SAFETY: getpid has no preconditions.
        assert_eq!(list().first(), Some(&unsafe { libc::getpid() }));
        drop(end);
        thread.join().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while list().contains(&tid) {
            assert!(std::time::Instant::now() < deadline);
        }
    }
}
