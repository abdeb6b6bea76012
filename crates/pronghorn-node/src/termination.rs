//! Signals that end the program: the last profile is written, and then the process dies of the signal as it would have.
//!
//! A JavaScript listener would keep a program alive that is busy, so the handler is native: it notes the signal and wakes
//! a thread of ours, which asks the JavaScript threads for what they have, writes the file, puts the handler that was
//! there before back (Node's own restores the terminal), and sends the signal again. A listener that the application adds
//! later replaces the handler, and then nothing of this happens. A rotation that is under way then has a profile that the main thread will not deliver any
//! more: it is written beside the last one.
//!
//! A signal that comes while the main thread ends the profile itself, and writes it, waits for that: whoever armed disarms when the profile is
//! where it belongs. If the main thread does not come for it in time the watcher writes that one, too.
//!
//! Threads: `arm` and `disarm` on the main thread, the handler anywhere, the rest on the watcher, which sleeps on a
//! futex until a signal comes. Everything is bounded: the process dies within a second even if it can give nothing.
//!
//! Fork: the handler is inherited and the watcher is not. Signals are blocked while the watcher is made, and it is made only if this is still the process that was to
//! be armed. In a child that has not been reset the handler gives the signal to
//! what was there before it, so a daemon dies of SIGTERM as it should. The reset puts the handlers that were there before
//! back and a fresh state in place; a start arms again, with a watcher and a file of the child's own. What the watcher has open is closed
//! in the child; the file is the parent's.

use std::ffi::c_void;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering::SeqCst};
use std::time::Duration;

use napi_derive::napi;
use pronghorn_sampler::spawn::{self, BlockedSignals};
use pronghorn_sampler::{clock, failure, session};
use pronghorn_sync::descriptors::Held;
use pronghorn_sync::{Alone, Guarded, Parking, Resettable, Sleep, failpoint, fork, own_tid};

use crate::error::{Code, Failure, Result, guarded};
use crate::fork::{OwnProcess, in_own_process};
use crate::{lifecycle, rotation};

/// How long the JavaScript threads have to resolve what they have, and the main thread to come for a profile that is made.
const PATIENCE_NS: u64 = 200_000_000;
/// How long the last profile may take to collect and write.
const LONGEST_FLUSH: Duration = Duration::from_millis(800);
/// As much of that as writing has to be given.
const WRITE_NS: u64 = 100_000_000;
/// How many names a second profile is tried under.
const MOST_NUMBERS: u64 = 100;
/// How long the end of the program waits for the watcher to end it.
const DEATH_NS: u64 = 1_000_000_000;

struct State {
    /// The signal that ends the process; 0 while none has come.
    arrived: AtomicI32,
    watching: AtomicBool,
    parking: Parking,
    /// The file to write, while armed.
    target: Guarded<Option<Target>>,
}

/// Where the last profile goes.
#[derive(Clone)]
struct Target {
    path: PathBuf,
    /// The file is there and is overwritten: which one, by device and inode. Otherwise it must not exist.
    existing: Option<(u64, u64)>,
}

impl State {
    const fn new() -> Self {
        Self {
            arrived: AtomicI32::new(0),
            watching: AtomicBool::new(false),
            parking: Parking::new(),
            target: Guarded::new(None),
        }
    }

    /// What a child starts with: no watcher, no file, no signal.
    fn inherited(&self) -> Self {
        let Self {
            arrived: _,
            watching: _,
            parking: _,
            target: _,
        } = self;
        Self::new()
    }
}

static STATE: Resettable<State> = Resettable::new(State::new());

/// Signal numbers end below this on Linux.
const SIGNALS: usize = 65;

// Fork: kept, as the dispositions are; `hooks_off` empties it.
/// What each signal that carries our handler had before; null if it does not. The records are never freed: a handler may be
/// reading one.
static PREVIOUS: [AtomicPtr<libc::sigaction>; SIGNALS] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; SIGNALS];

/// What `armTermination` takes.
#[napi(object)]
pub struct TerminationOptions {
    /// Signal numbers.
    pub signals: Vec<i32>,
    /// The file to write.
    pub path: String,
    /// Whether it is there and is to be overwritten. Otherwise it must not exist.
    pub existing: Option<bool>,
}

/// Installs the handler for those of the signals that the process does not ignore, and returns their numbers.
#[napi]
pub fn arm_termination(options: TerminationOptions) -> Result<Vec<i32>> {
    guarded(|| {
        let process = in_own_process()?;
        let path = PathBuf::from(&options.path);
        let existing = options.existing.unwrap_or(false);
        let existing = existing.then(|| fs::metadata(&path)).transpose();
        let existing = existing.map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        let target = Target {
            path,
            existing: existing.as_ref().map(identity),
        };
        let armed = STATE.get().target.lock().with(|place| {
            let free = place.is_none();
            place.get_or_insert(target);
            free
        });
        if !armed {
            return Err(Failure::new(Code::Internal, "termination is armed already"));
        }
        if let Err(failure) = watch(process) {
            // In a child the lock may be that of a thread which is not there.
            if process.is_here() {
                STATE.get().target.lock().with(|place| *place = None);
            }
            return Err(failure);
        }
        let signals = options.signals.iter().copied();
        Ok(signals.filter(|&signal| install(signal)).collect())
    })
    .map_err(Into::into)
}

/// The profile is where it belongs: puts the handlers that were there before back, where ours are still in place. If a signal has
/// arrived, this waits for the process to die of it.
#[napi]
pub fn disarm_termination() -> Result<()> {
    guarded(|| {
        in_own_process()?;
        let state = STATE.get();
        // First: the watcher may be waiting for this.
        state.target.lock().with(|place| *place = None);
        let deadline = clock::monotonic_ns() + DEATH_NS;
        while state.arrived.load(SeqCst) != 0 && clock::monotonic_ns() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        restore();
        Ok(())
    })
    .map_err(Into::into)
}

/// Puts back what every signal had before, where our handler is still in place. Async-signal-safe, takes no lock.
fn restore() {
    for (signal, place) in PREVIOUS.iter().enumerate() {
        let previous = place.swap(std::ptr::null_mut(), SeqCst);
        if !previous.is_null() && is_ours(signal as i32) {
            // SAFETY: a disposition that the kernel gave us for this signal; the record is never freed.
            unsafe { libc::sigaction(signal as i32, previous, std::ptr::null_mut()) };
        }
    }
}

/// Signals that carry our handler.
#[cfg(feature = "failpoints")]
pub(crate) fn armed_signals() -> Vec<i32> {
    (1..SIGNALS as i32)
        .filter(|&signal| is_ours(signal))
        .collect()
}

/// In a forked process, step one: the handlers that were there before are back.
pub(crate) fn hooks_off() {
    restore();
}

/// In a forked process: what this file keeps.
pub(crate) fn reset_after_fork(alone: &Alone) {
    let fresh = STATE.get().inherited();
    STATE.reset(alone, fresh);
}

fn disposition(signal: i32) -> Option<libc::sigaction> {
    // SAFETY: zeroed bytes are a valid sigaction; the call only queries into it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0).then_some(action)
    }
}

fn is_ours(signal: i32) -> bool {
    disposition(signal).is_some_and(|action| action.sa_sigaction == on_signal as *const () as usize)
}

/// Installs the handler over Node's own or the default one. A process that ignores the signal (nohup does that), or whose
/// native code handles it, is left alone. Returns whether it is installed.
fn install(signal: i32) -> bool {
    let (Some(previous), Some(place)) = (disposition(signal), PREVIOUS.get(signal as usize)) else {
        return false;
    };
    let default = previous.sa_sigaction == libc::SIG_DFL;
    if previous.sa_sigaction == libc::SIG_IGN
        || !(default || session::is_hosts(previous.sa_sigaction))
    {
        return false;
    }
    place.store(Box::into_raw(Box::new(previous)), SeqCst);
    // SAFETY: zeroed bytes are a valid sigaction; the handler is a function of this image, which stays loaded.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut()) == 0
    }
}

extern "C" fn on_signal(signal: i32, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: errno's address is valid for the running thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    if fork::forked() {
        pass_on(signal);
    } else {
        let state = STATE.get();
        let _ = state.arrived.compare_exchange(0, signal, SeqCst, SeqCst);
        state.parking.wake();
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// In a forked process that has not been reset: gives the signal to what was there before, on this thread, as soon as the handler
/// returns. Async-signal-safe.
fn pass_on(signal: i32) {
    restore();
    // SAFETY: plain values; the signal is masked until the handler returns. If nothing was known of it, the default action is put
    // back: it must not come here for ever.
    unsafe {
        if is_ours(signal) {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::syscall(libc::SYS_tgkill, libc::getpid(), own_tid(), signal);
    }
}

/// Starts the watcher, once per process; not in a child in which a call of its parent's goes on.
fn watch(process: OwnProcess) -> std::result::Result<(), Failure> {
    failpoint!("making-thread");
    let _blocked = BlockedSignals::all();
    // A handler of the host's may have forked just before.
    process.check()?;
    let state = STATE.get();
    if state.watching.swap(true, SeqCst) {
        return Ok(());
    }
    let spawned = spawn::without_signals("pronghorn-end", || {
        while state.arrived.load(SeqCst) == 0 {
            state.parking.announce(Sleep::Parked);
            if state.arrived.load(SeqCst) != 0 {
                break;
            }
            state.parking.wait(Sleep::Parked, None);
        }
        let signal = state.arrived.load(SeqCst);
        failpoint!("watcher");
        // Whatever the disk does, the process ends.
        let _ = spawn::without_signals("pronghorn-end", move || {
            std::thread::sleep(LONGEST_FLUSH);
            end_by(signal);
        });
        failure::guarded("the last profile", write_last_profile);
        end_by(signal);
    });
    spawned.map(|_| ()).map_err(|error| {
        state.watching.store(false, SeqCst);
        Failure::new(
            Code::Internal,
            format!("no thread to watch for signals: {error}"),
        )
    })
}

fn write_last_profile() {
    let target = STATE.get().target.lock().with(|place| place.clone());
    let Some(Target { path, existing }) = target else {
        return;
    };
    let write = |data: &[u8]| match existing {
        Some(file) => write_over(&path, file, data),
        None => write_new(&path, data),
    };
    let now = clock::monotonic_ns();
    let by = now + LONGEST_FLUSH.as_nanos() as u64;
    let written = match lifecycle::flush_at_end(by, now + PATIENCE_NS) {
        Ok(data) => write(&data).map_err(|error| error.to_string()),
        // The main thread has ended the profile, and is writing it, or would if it came to that.
        Err(failure) if failure.code == Code::NotStarted => match unfetched_or_disarmed(by) {
            Some(first) => {
                // A file of the caller's has room for one: the last.
                let later = || existing.and_then(|_| rotation::take_unfetched());
                match std::iter::from_fn(later).last().unwrap_or(first) {
                    Ok(data) => write(&data).map_err(|error| error.to_string()),
                    Err(failure) => Err(failure.message),
                }
            }
            None => return,
        },
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
fn unfetched_or_disarmed(deadline: u64) -> Option<std::result::Result<Vec<u8>, Failure>> {
    let is_armed = || STATE.get().target.lock().with(|place| place.is_some());
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

/// Lets the process die of the signal: with the handler that was there before, and by the default action if that did not do.
fn end_by(signal: i32) {
    restore();
    // SAFETY: the process's own signal, to itself.
    unsafe { libc::kill(libc::getpid(), signal) };
    std::thread::sleep(Duration::from_millis(100));
    // Still here: a handler that does not end the process, or every thread blocks the signal. The application did not
    // handle it, so the process has to end.
    // SAFETY: the default action for a signal that arrived, on this thread, which may receive it now.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::raise(signal);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn a_second_profile_has_the_next_number() {
        let of = |path: &str, further| numbered(Path::new(path), further);
        let name = "/out/CPU.20260101.000000.7.0.pb.gz";
        assert_eq!(of(name, 1), Path::new("/out/CPU.20260101.000000.7.1.pb.gz"));
        assert_eq!(of("/out/mine", 2), Path::new("/out/mine.2"));
    }

    #[test]
    fn a_fork_leaves_nothing_of_what_was_set() {
        let state = State::new();
        state.arrived.store(15, Relaxed);
        state.watching.store(true, Relaxed);
        state.parking.announce(Sleep::Parked);
        let target = Target {
            path: PathBuf::from("/parents.pb.gz"),
            existing: Some((1, 2)),
        };
        state.target.lock().with(|place| *place = Some(target));
        // Held by a thread that is gone.
        std::mem::forget(state.target.lock());

        let State {
            arrived,
            watching,
            parking,
            target,
        } = state.inherited();
        assert_eq!(arrived.load(Relaxed), 0);
        assert!(!watching.load(Relaxed));
        assert!(parking.is_awake());
        assert!(target.lock().with(|place| place.is_none()));
    }
}
