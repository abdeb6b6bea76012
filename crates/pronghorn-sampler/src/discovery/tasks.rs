//! The threads of this process, as the kernel lists them.
//!
//! Reads /proc/self/task: a child must not inherit the open folder, so whoever lists holds a fork section, and the one to count by is in the table that a child
//! closes ([`Kept`]). Nothing here writes.
//!
//! Threads: the ticker.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::task_file;
use pronghorn_sync::descriptors::Kept;
use pronghorn_sync::mapping::MapError;
use pronghorn_sync::{MappedVec, failpoint};

const FOLDER: &CStr = c"/proc/self/task";

/// What one call for entries is given room for: some sixty threads.
const ROOM: usize = 2048;
/// Of a `linux_dirent64`: where its length and its name stand (getdents64(2)).
const LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

/// Fills `ids` with the ids of all threads, oldest first (the kernel lists them in the order in which they were made). None where there is
/// no /proc. Does not allocate otherwise than in `ids`.
///
/// # Errors
/// There is no memory for as many.
pub(super) fn list(ids: &mut MappedVec<i32>) -> Result<(), MapError> {
    ids.truncate(0);
    let Ok(folder) = open(libc::O_RDONLY) else {
        return Ok(());
    };
    failpoint!("ticker-tasks");
    read_all(folder.as_raw_fd(), ids)
}

fn open(how: i32) -> io::Result<File> {
    task_file::open(FOLDER, how | libc::O_DIRECTORY)
}

fn read_all(folder: i32, ids: &mut MappedVec<i32>) -> Result<(), MapError> {
    let mut room = [0u64; ROOM / 8];
    loop {
        // SAFETY: as many bytes as `room` has.
        let length =
            unsafe { libc::syscall(libc::SYS_getdents64, folder, room.as_mut_ptr(), ROOM) };
        let Some(length) = usize::try_from(length).ok().filter(|&length| length > 0) else {
            return Ok(());
        };
        // SAFETY: all of `room` is initialized, and bytes need no alignment.
        let bytes = unsafe { std::slice::from_raw_parts(room.as_ptr().cast::<u8>(), ROOM) };
        each_id(bytes.get(..length).unwrap_or_default(), |id| ids.push(id))?;
    }
}

/// The numbers among the names of a folder's entries.
fn each_id(
    mut entries: &[u8],
    mut take: impl FnMut(i32) -> Result<(), MapError>,
) -> Result<(), MapError> {
    while let Some(&[low, high]) = entries.get(LENGTH_AT..LENGTH_AT + 2) {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let Some((entry, rest)) = entries
            .split_at_checked(length)
            .filter(|_| length > NAME_AT)
        else {
            break;
        };
        let name = entry.get(NAME_AT..).unwrap_or_default();
        let digits = name.split(|&byte| byte == 0).next().unwrap_or_default();
        if let Some(id) = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
        {
            take(id)?;
        }
        entries = rest;
    }
    Ok(())
}

/// How many threads there are, by the link count of the folder.
#[derive(Default)]
pub(super) struct Counter {
    /// Open since the first count, if there is room for it, since the path is most of what a count by path takes. Not to be read from.
    folder: Option<Kept>,
}

impl Counter {
    /// Two more than there are: a microsecond. 0 where there is no /proc. Opens the folder, so outside of any section.
    pub(super) fn count(&mut self) -> u64 {
        if let Some(links) = self.links() {
            return links;
        }
        // Dropped first: if the host has closed it, the next one may get its number.
        self.folder = None;
        self.folder = Kept::open(|| open(libc::O_PATH));
        self.links().unwrap_or_else(by_path)
    }

    fn links(&self) -> Option<u64> {
        Some(self.folder.as_ref()?.stat()?.st_nlink)
    }
}

fn by_path() -> u64 {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: a NUL-terminated path and a place of the right size.
    let result = unsafe { libc::stat(FOLDER.as_ptr(), stat.as_mut_ptr()) };
    if result != 0 {
        return 0;
    }
    // SAFETY: zeroed bytes are a valid stat, and the kernel filled it in.
    unsafe { stat.assume_init() }.st_nlink
}

#[cfg(test)]
mod tests {
    use super::*;
    use pronghorn_sync::mapping::Kind;
    use pronghorn_sync::own_tid;

    fn listed() -> Vec<i32> {
        let mut ids = MappedVec::new(Kind::Ticker);
        list(&mut ids).unwrap();
        ids.to_vec()
    }

    #[test]
    fn all_threads_are_listed_however_many_calls_it_takes() {
        const MANY: usize = 300;
        let end = std::sync::Barrier::new(MANY + 1);
        std::thread::scope(|scope| {
            for _ in 0..MANY {
                scope.spawn(|| end.wait());
            }
            let mut ids = listed();
            let by_library = std::fs::read_dir("/proc/self/task").unwrap().count();
            assert!(by_library > MANY && ids.len() >= MANY);
            ids.sort_unstable();
            assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "each once");
            end.wait();
        });
    }

    #[test]
    fn entries_that_make_no_sense_end_the_list() {
        let entry = |length: u16, name: &[u8]| {
            let mut bytes = vec![0; NAME_AT];
            bytes[LENGTH_AT..LENGTH_AT + 2].copy_from_slice(&length.to_ne_bytes());
            bytes.extend_from_slice(name);
            bytes
        };
        let ids_of = |bytes: &[u8]| {
            let mut ids = Vec::new();
            each_id(bytes, |id| {
                ids.push(id);
                Ok(())
            })
            .unwrap();
            ids
        };
        let good = [
            entry(24, b"12\0\0\0"),
            entry(24, b"..\0\0\0"),
            entry(24, b"7\0\0\0\0"),
        ]
        .concat();
        assert_eq!(ids_of(&good), [12, 7]);
        for length in [0, 18, 19, 2000] {
            let bad = [entry(24, b"12\0\0\0"), entry(length, b"7\0\0\0\0")].concat();
            assert_eq!(ids_of(&bad), [12]);
        }
        (0..good.len()).for_each(|cut| drop(ids_of(&good[..cut])));
    }

    #[test]
    fn a_new_thread_is_listed_and_counted_until_it_ends() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            sender.send(own_tid()).unwrap();
            let _ = wait.recv();
        });
        let tid = receiver.recv().unwrap();
        assert!(listed().contains(&tid));
        let mut counter = Counter::default();
        let by_folder = counter.count();
        assert!(counter.folder.is_some());
        // Tests beside this one have threads too.
        assert!(by_folder >= 4 && by_path() >= 4, "{by_folder}");
        let counted = std::sync::Barrier::new(101);
        let more = std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| counted.wait());
            }
            let more = (counter.count(), by_path());
            counted.wait();
            more
        });
        assert!(more.0 > 100 && more.1 > 100, "{more:?}");
        // SAFETY: getpid has no preconditions.
        assert_eq!(listed().first(), Some(&unsafe { libc::getpid() }));
        drop(end);
        thread.join().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while listed().contains(&tid) {
            assert!(std::time::Instant::now() < deadline);
        }
    }
}
