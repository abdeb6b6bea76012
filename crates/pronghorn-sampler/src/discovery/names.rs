//! The names of worker threads, as the threads that made them know them.
//!
//! A Worker's name reaches us from its parent, right after the thread was made and long before it runs JavaScript; the worker
//! looks it up when it is registered. Where nobody tells, the kernel's name of the thread is taken if it is one: Node gives its
//! workers theirs from 24 on, cut at 15 bytes.
//!
//! Threads: JavaScript threads put names in and look them up, the ticker forgets those of threads that are gone. The lock is
//! held for a walk through a short list. Fork: the reset abandons the list, and puts an open lock in place; in limbo nobody takes it.

use std::sync::Arc;

use pronghorn_sync::{Guarded, failpoint};

/// Names kept at a time, many more than there are slots.
const MOST: usize = 4096;
/// What Node calls a worker without a name, from 22 on.
const UNNAMED: &str = "WorkerThread";

struct Entry {
    tid: i32,
    name: Arc<str>,
    number: u64,
}

struct List {
    entries: Vec<Entry>,
    /// Of the next entry.
    number: u64,
}

/// See the module documentation.
pub(super) struct Names(Guarded<List>);

impl Names {
    pub(super) const fn new() -> Self {
        Self(Guarded::new(List {
            entries: Vec::new(),
            number: 0,
        }))
    }

    /// Thread `tid` is called `name` from now on.
    pub(super) fn put(&self, tid: i32, name: &str) {
        self.0.lock().with(|List { entries, number }| {
            entries.retain(|entry| entry.tid != tid);
            if entries.len() < MOST {
                entries.push(Entry {
                    tid,
                    name: Arc::from(name),
                    number: *number,
                });
                *number += 1;
            }
        });
    }

    /// What thread `tid` was called.
    pub(super) fn get(&self, tid: i32) -> Option<Arc<str>> {
        self.0.lock().with(|List { entries, .. }| {
            let found = entries.iter().find(|entry| entry.tid == tid);
            found.map(|entry| Arc::clone(&entry.name))
        })
    }

    /// The number of the next name, for [`Names::retain`].
    pub(super) fn next_number(&self) -> u64 {
        self.0.lock().with(|list| list.number)
    }

    /// Forgets threads that are not in `living`, a list that was begun when `before` was the number of the next name: later names may
    /// be of threads that were made since.
    pub(super) fn retain(&self, living: &[i32], before: u64) {
        self.0.lock().with(|List { entries, .. }| {
            failpoint!("ticker-names");
            entries.retain(|entry| entry.number >= before || living.contains(&entry.tid));
        });
    }
}

/// The calling thread's name by the kernel, if it says more than that this is a thread of the process. `process` is what the
/// process's other threads are called.
pub(super) fn of_own_thread(process: &str) -> Option<String> {
    let mut name = [0u8; 16];
    // SAFETY: PR_GET_NAME writes at most 16 bytes, NUL-terminated.
    let result = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    let length = name.iter().position(|&byte| byte == 0)?;
    let name = String::from_utf8_lossy(name.get(..length)?);
    let says_nothing = result != 0 || name.is_empty() || name == UNNAMED || name == process;
    (!says_nothing).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_until_its_thread_is_gone() {
        let names = Names::new();
        names.put(7, "seven");
        names.put(8, "eight");
        names.put(7, "seven again");
        assert_eq!(names.get(7).as_deref(), Some("seven again"));
        let before = names.next_number();
        names.put(10, "made while the list was");
        names.retain(&[8, 9], before);
        assert_eq!(names.get(7), None);
        assert_eq!(names.get(8).as_deref(), Some("eight"));
        assert_eq!(names.get(10).as_deref(), Some("made while the list was"));
    }

    #[test]
    fn a_list_that_is_full_takes_no_more() {
        let names = Names::new();
        (0..MOST as i32 + 10).for_each(|tid| names.put(tid, "worker"));
        assert_eq!(names.get(MOST as i32), None);
        names.put(3, "known before");
        assert_eq!(names.get(3).as_deref(), Some("known before"));
    }

    #[test]
    fn the_kernels_name_counts_unless_it_is_the_processs() {
        let thread = std::thread::Builder::new().name("pool-1".to_owned());
        let found = thread.spawn(|| (of_own_thread("main"), of_own_thread("pool-1")));
        assert_eq!(
            found.unwrap().join().unwrap(),
            (Some("pool-1".to_owned()), None)
        );
    }
}
