//! Places at which a test can hold a thread, or call a function on it: how the tests reach the worst moments for a fork.
//!
//! The code names the place, `failpoint!("mid-flip")`. In a normal build that is nothing at all, neither an instruction nor the
//! name; with the cargo feature `failpoints` it looks whether a test has armed the place (`control`). A name that is not
//! in [`NAMES`] does not compile.
//!
//! # Threads and signal handlers
//! A hit is async-signal-safe: it uses atomics, getpid(2), gettid(2) and nanosleep(2). One arming holds, or calls, one thread; others
//! that come by meanwhile pass, and so does the thread that armed a hold: it would wait for itself. A held thread looks every 100 µs whether it is released, and goes on by itself after ten
//! seconds, which [`control::gave_up`] counts: a test that forgets to release fails, and hangs nowhere.
//!
//! # Fork
//! What was armed belongs to the process that armed it. A forked child passes every place until it arms one itself, also a
//! place where a thread of the parent's is held at that moment: that thread does not exist in the child.

/// Every place, as it is named in the code.
pub const NAMES: [&str; 21] = [
    // Both slots of the recorder are open.
    "mid-flip",
    // The inactive slot has its fresh data and is not open yet.
    "mid-ready",
    // A recording thread is inside a slot's lock.
    "recorder-lock",
    // A finished period is being encoded.
    "mid-serialize",
    // In the signal handler, after the walk and before the sample is committed.
    "mid-sample",
    // A thread reads its own samples, between two looks at memory that a fork wipes.
    "mid-drain",
    // Inside the hook that the garbage collector calls.
    "gc",
    // The ticker holds the registration of threads and has not called V8 yet.
    "ticker-registration",
    // The ticker is about to ask V8 for an interrupt, inside its section.
    "ticker-v8",
    // The ticker is about to ask the dynamic linker what is loaded, inside its section.
    "ticker-images",
    // A thread is inside the dynamic linker and holds its lock.
    "linker",
    // The ticker has the folder of the process's threads open, inside its section.
    "ticker-tasks",
    // The ticker holds the names of worker threads, which a child replaces: inside no section.
    "ticker-names",
    // The ticker has announced that it parks and does not wait yet.
    "ticker-parking",
    // The work thread has a rotation under way, before the flip.
    "rotation",
    // The work thread holds the symbolizer.
    "symbolizer",
    // A thread of ours is about to be made, for as long as signals come: a handler of the host's may fork here.
    "making-thread",
    // The loader of source maps is about to load one.
    "loading-map",
    // A thread that looks for symbols has an image's file open.
    "symbol-file",
    // The watcher writes the last profile while a signal ends the process.
    "watcher",
    // The writer of a stall's report has its file open.
    "stall-report",
];

/// Marks a place: `failpoint!("mid-flip")`, one of [`NAMES`](crate::failpoint::NAMES).
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        $crate::failpoint::hit(const { $crate::failpoint::place($name) })
    };
}

/// Where a name stands in the table; what [`failpoint!`](crate::failpoint!) passes to [`hit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

/// Looks a name up at compile time. An unknown one ends the build there.
#[doc(hidden)]
#[must_use]
#[allow(
    clippy::panic,
    reason = "evaluated at compile time only: a build error, never a panic of the host"
)]
pub const fn place(name: &str) -> Place {
    let mut index = 0;
    while index < NAMES.len() {
        if same(NAMES[index].as_bytes(), name.as_bytes()) {
            return Place(index);
        }
        index += 1;
    }
    panic!("this failpoint is not in NAMES")
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Nothing: the build has no failpoints.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_place: Place) {}

#[cfg(feature = "failpoints")]
pub use armed::{control, hit};

/// What only a build for tests has.
#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::atomic::{
        AtomicPtr, AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    };
    use std::time::{Duration, Instant};

    use super::{NAMES, Place};

    const STEP: Duration = Duration::from_micros(100);
    const PATIENCE: Duration = Duration::from_secs(10);

    // The low bits of a hold; the process id stands above them.
    const ARMED: u64 = 1;
    const HELD: u64 = 2;
    const STATE_BITS: u32 = 2;

    struct Point {
        /// 0, or the process and whether it waits for a thread or holds one.
        hold: AtomicU64,
        /// The thread that armed the hold.
        armed_by: AtomicU32,
        /// The function to call, once.
        call: AtomicPtr<()>,
        /// The process that armed the call.
        caller: AtomicU32,
    }

    // Fork: each word carries the process that armed it; a child passes it by.
    static POINTS: [Point; NAMES.len()] = [const {
        Point {
            hold: AtomicU64::new(0),
            armed_by: AtomicU32::new(0),
            call: AtomicPtr::new(std::ptr::null_mut()),
            caller: AtomicU32::new(0),
        }
    }; NAMES.len()];
    // Fork: kept; a test reads it in the process it counts in.
    static GAVE_UP: AtomicU32 = AtomicU32::new(0);

    /// The process that asks, by the kernel's word.
    fn own_pid() -> u32 {
        // SAFETY: getpid has no preconditions.
        unsafe { libc::getpid() as u32 }
    }

    /// The calling thread, likewise.
    fn own_tid() -> u32 {
        crate::own_tid().cast_unsigned()
    }

    fn state(process: u32, state: u64) -> u64 {
        (u64::from(process) << STATE_BITS) | state
    }

    /// A thread has come to this place: calls what is armed there, and waits if the place is to hold it.
    pub fn hit(place: Place) {
        let point = &POINTS[place.0];
        // The usual case, in few instructions: these places are on hot paths of the tests too.
        if point.call.load(Relaxed).is_null() && point.hold.load(Relaxed) == 0 {
            return;
        }
        let process = own_pid();
        call(point, process);
        hold(point, process);
    }

    fn call(point: &Point, process: u32) {
        let function = point.call.load(Acquire);
        if function.is_null() || point.caller.load(Relaxed) != process {
            return;
        }
        // Taken before it is called: what it does may lead here again, and one thread shall get it.
        if point
            .call
            .compare_exchange(function, std::ptr::null_mut(), AcqRel, Relaxed)
            .is_err()
        {
            return;
        }
        // SAFETY: only `arm_call` stores a pointer, and it is one of this type.
        let function = unsafe { std::mem::transmute::<*mut (), extern "C" fn()>(function) };
        function();
    }

    fn hold(point: &Point, process: u32) {
        let (armed, held) = (state(process, ARMED), state(process, HELD));
        if point.hold.load(Acquire) != armed || point.armed_by.load(Relaxed) == own_tid() {
            return;
        }
        if point
            .hold
            .compare_exchange(armed, held, AcqRel, Relaxed)
            .is_err()
        {
            return;
        }
        let began = Instant::now();
        while point.hold.load(Acquire) == held {
            if began.elapsed() >= PATIENCE {
                GAVE_UP.fetch_add(1, Relaxed);
                // Failing means that it was released just now.
                let _ = point.hold.compare_exchange(held, 0, AcqRel, Relaxed);
                return;
            }
            let step = libc::timespec {
                tv_sec: 0,
                tv_nsec: STEP.as_nanos() as libc::c_long,
            };
            // SAFETY: the request is a valid timespec, and no remainder is asked for. Cut short by a signal it is
            // a shorter step.
            unsafe { libc::nanosleep(&raw const step, std::ptr::null_mut()) };
        }
    }

    /// How a test arms the places. All of it from any thread, not from signal handlers.
    pub mod control {
        use super::*;

        /// There is no place of that name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct UnknownName;

        impl std::fmt::Display for UnknownName {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("there is no failpoint of that name")
            }
        }

        impl std::error::Error for UnknownName {}

        fn point(name: &str) -> Result<&'static Point, UnknownName> {
            NAMES
                .iter()
                .position(|known| *known == name)
                .map(|index| &POINTS[index])
                .ok_or(UnknownName)
        }

        /// The next thread of this process but the calling one that comes to the place is held there until [`release`].
        ///
        /// # Errors
        /// No such place.
        pub fn arm_hold(name: &str) -> Result<(), UnknownName> {
            let point = point(name)?;
            point.armed_by.store(own_tid(), Relaxed);
            point.hold.store(state(own_pid(), ARMED), Release);
            Ok(())
        }

        /// Whether a thread of this process is held there now.
        ///
        /// # Errors
        /// No such place.
        pub fn is_held(name: &str) -> Result<bool, UnknownName> {
            Ok(point(name)?.hold.load(Acquire) == state(own_pid(), HELD))
        }

        /// Lets the thread go that is held there, or nobody be held any more.
        ///
        /// # Errors
        /// No such place.
        pub fn release(name: &str) -> Result<(), UnknownName> {
            point(name)?.hold.store(0, Release);
            Ok(())
        }

        /// The next thread of this process that comes to the place calls `function`, once, in a signal handler too.
        ///
        /// # Errors
        /// No such place.
        pub fn arm_call(name: &str, function: extern "C" fn()) -> Result<(), UnknownName> {
            let point = point(name)?;
            point.caller.store(own_pid(), Relaxed);
            point.call.store(function as *mut (), Release);
            Ok(())
        }

        /// Whether a function armed by [`arm_call`] has not been called yet.
        ///
        /// # Errors
        /// No such place.
        pub fn is_call_armed(name: &str) -> Result<bool, UnknownName> {
            let point = point(name)?;
            Ok(!point.call.load(Acquire).is_null() && point.caller.load(Relaxed) == own_pid())
        }

        /// Lets every held thread go and arms nothing.
        pub fn disarm_all() {
            for point in &POINTS {
                point.call.store(std::ptr::null_mut(), Release);
                point.hold.store(0, Release);
            }
        }

        /// How many threads went on by themselves because nobody released them in ten seconds.
        #[must_use]
        pub fn gave_up() -> u32 {
            GAVE_UP.load(Relaxed)
        }

        /// The names that can be armed.
        pub use super::super::NAMES;
    }
}
