//! The file of a program that ends by a signal: what goes into it, and under which name.
//!
//! A rotation that is under way then has a profile that the main thread will not deliver any more: it is written beside the last one. If the main thread ends the profile
//! itself, it is waited for; if it does not come in time, that one is written here.
//!
//! Threads: the watcher's alone. Fork: what it has open is closed in a child; the file is the parent's.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pronghorn_sampler::clock;
use pronghorn_sync::descriptors::Held;

use crate::error::{Code, Failure};
use crate::{lifecycle, rotation};

/// How long the JavaScript threads have to resolve what they have, and the main thread to come for a profile that is made.
const PATIENCE_NS: u64 = 200_000_000;
/// As much of that as writing has to be given.
const WRITE_NS: u64 = 100_000_000;
/// How many names a second profile is tried under.
const MOST_NUMBERS: u64 = 100;

/// Where the last profile goes.
#[derive(Clone)]
pub(super) struct Target {
    path: PathBuf,
    /// The file is there and is overwritten: which one, by device and inode. Otherwise it must not exist.
    existing: Option<(u64, u64)>,
}

impl Target {
    /// The file at `path`: one that is there and will be overwritten, or one that must not exist.
    ///
    /// # Errors
    /// Nothing is known of the one that should be there.
    pub(super) fn new(path: PathBuf, existing: bool) -> io::Result<Self> {
        let existing = existing.then(|| fs::metadata(&path)).transpose()?;
        let existing = existing.as_ref().map(identity);
        Ok(Self { path, existing })
    }
}

/// Writes the last profile to `target` within `longest`, on the watcher. `is_armed`: whether whoever armed has not said yet that the profile is where it belongs.
pub(super) fn write(target: Target, longest: Duration, is_armed: impl Fn() -> bool) {
    let Target { path, existing } = target;
    let write = |data: &[u8]| match existing {
        Some(file) => write_over(&path, file, data),
        None => write_new(&path, data),
    };
    let now = clock::monotonic_ns();
    let by = now + longest.as_nanos() as u64;
    let written = match lifecycle::flush_at_end(by, now + PATIENCE_NS) {
        Ok(data) => write(&data).map_err(|error| error.to_string()),
        // The main thread has ended the profile, and is writing it, or would if it came to that.
        Err(failure) if failure.code == Code::NotStarted => {
            match unfetched_or_disarmed(by, is_armed) {
                Some(first) => {
                    // A file of the caller's has room for one: the last.
                    let later = || existing.and_then(|_| rotation::take_unfetched());
                    match std::iter::from_fn(later).last().unwrap_or(first) {
                        Ok(data) => write(&data).map_err(|error| error.to_string()),
                        Err(failure) => Err(failure.message),
                    }
                }
                None => return,
            }
        }
        Err(failure) => Err(failure.message),
    };
    let unfetched = match existing {
        Some(_) => Ok(()),
        None => write_unfetched(&path),
    };
    for reason in [written, unfetched]
        .into_iter()
        .filter_map(std::result::Result::err)
    {
        // Not eprintln!, which panics where nobody reads any more.
        let _ = writeln!(
            io::stderr(),
            "pronghorn: the profile could not be written to {}: {reason}",
            path.display()
        );
    }
}

/// A rotation that was under way has a profile, too, which the main thread will not deliver any more: it goes under the next number that is free.
fn write_unfetched(path: &Path) -> std::result::Result<(), String> {
    let Some(data) = rotation::take_unfetched() else {
        return Ok(());
    };
    let data = data.map_err(|failure| failure.message)?;
    let mut outcome = Ok(());
    for further in 1..MOST_NUMBERS {
        outcome = write_new(&numbered(path, further), &data);
        let is_taken = matches!(&outcome, Err(error) if error.kind() == ErrorKind::AlreadyExists);
        if !is_taken {
            break;
        }
    }
    outcome.map_err(|error| error.to_string())
}

/// The path of a profile, `….<number>.pb.gz`, with a higher number; another path with the number behind it.
fn numbered(path: &Path, further: u64) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let parts = name
        .strip_suffix(".pb.gz")
        .and_then(|stem| stem.rsplit_once('.'))
        .and_then(|(head, number)| Some((head, number.parse::<u64>().ok()?)));
    match parts {
        Some((head, number)) => path.with_file_name(format!("{head}.{}.pb.gz", number + further)),
        None => path.with_file_name(format!("{name}.{further}")),
    }
}

/// Waits until whoever armed says that the profile is where it belongs, until `deadline` (monotonic). If the main thread does not come for a profile that is
/// made, since its loop is blocked, this takes it.
fn unfetched_or_disarmed(
    deadline: u64,
    is_armed: impl Fn() -> bool,
) -> Option<std::result::Result<Vec<u8>, Failure>> {
    let fetched_by = (clock::monotonic_ns() + PATIENCE_NS).min(deadline - WRITE_NS);
    while is_armed() && clock::monotonic_ns() < deadline {
        if clock::monotonic_ns() > fetched_by
            && let Some(data) = rotation::take_unfetched()
        {
            return Some(data);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// Device and inode: which file it is, whatever it is called.
fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Writes over a file that is there, if it is still the one meant: the path may name a descriptor, which the application may have closed
/// and opened for something of its own. Whoever reads the file sees by the format whether it is whole.
fn write_over(path: &Path, meant: (u64, u64), data: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    let mut file = Held::open(|| options.open(path))?;
    if identity(&file.metadata()?) != meant {
        return Err(std::io::Error::other("another file has taken its place"));
    }
    file.set_len(0)?;
    file.write_all(data)
}

/// Writes a new file that is there whole or not at all, and replaces nothing.
fn write_new(path: &Path, data: &[u8]) -> std::io::Result<()> {
    // A name that nobody can have prepared.
    let unique = format!("{}.{:x}.tmp", std::process::id(), clock::monotonic_ns());
    let temporary = path.with_extension(unique);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    let mut file = Held::open(|| options.open(&temporary))?;
    let written = file
        .write_all(data)
        .and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_profile_has_the_next_number() {
        let of = |path: &str, further| numbered(Path::new(path), further);
        let name = "/out/CPU.20260101.000000.7.0.pb.gz";
        assert_eq!(of(name, 1), Path::new("/out/CPU.20260101.000000.7.1.pb.gz"));
        assert_eq!(of("/out/mine", 2), Path::new("/out/mine.2"));
    }
}
