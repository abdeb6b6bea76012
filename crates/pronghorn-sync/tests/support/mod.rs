//! Tests that really fork: a runner without threads of its own, and children that run a closure and say by their exit code
//! how that went.
//!
//! Not the standard runner: its threads could hold the allocator's locks at the instant of a fork that runs no handlers.
//! Shared by the tests of pronghorn-sync and pronghorn-recorder.

#![allow(dead_code, reason = "not every test file uses every helper")]
#![allow(clippy::print_stdout, reason = "a runner reports")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pronghorn_sync::Alone;
use pronghorn_sync::fork;

/// How a child that is content exits: nothing else exits like that.
const CONTENT: i32 = 77;
/// Then the kernel ends a child, and whoever waits for it sees that.
const SECONDS: u32 = 30;

/// Runs the tests one after the other, those whose name contains the argument if there is one, and reports as the
/// standard runner does.
pub(crate) fn run(tests: &[(&str, fn())]) -> ExitCode {
    let installed = fork::install();
    assert!(installed.handlers);
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let mut failed = 0;
    let chosen: Vec<_> = tests
        .iter()
        .filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| name.contains(wanted)))
        .collect();
    let process = std::process::id();
    for (name, test) in &chosen {
        let passed = catch_unwind(test).is_ok();
        if std::process::id() != process {
            // A child that failed on its way to where it ends itself.
            end_child(|| assert_eq!(std::process::id(), process, "{name} came back in a child"));
        }
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let passed = chosen.len() - failed;
    let filtered = tests.len() - chosen.len();
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out\n"
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A list of tests for [`run`], each with the name of its function.
#[macro_export]
macro_rules! tests {
    ($($test:ident),* $(,)?) => { [$((stringify!($test), $test as fn())),*] };
}

/// The proof for a reset, in a child.
pub(crate) fn alone() -> Alone {
    // SAFETY: the child has one thread, and the tests look into nothing that they have reset.
    unsafe { Alone::vouch() }
}

/// The ways to fork.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fork {
    /// fork(3), which runs the handlers.
    Handlers,
    /// The bare system call, which runs none.
    Silent,
}

impl Fork {
    pub(crate) const ALL: [Self; 2] = [Self::Handlers, Self::Silent];

    /// Forks, runs `work` in the child, and waits until the child has ended. Fails unless `work` returned.
    pub(crate) fn child(self, work: impl FnOnce()) {
        // SAFETY: this process has no thread that holds a lock that the child needs, or the C library sees to its own.
        let child = unsafe {
            match self {
                Self::Handlers => libc::fork(),
                Self::Silent => libc::syscall(libc::SYS_fork) as libc::pid_t,
            }
        };
        if child == 0 {
            limit_child();
            end_child(work);
        }
        await_child(child);
    }
}

/// Sees to it that this process, a child, ends.
pub(crate) fn limit_child() {
    // SAFETY: alarm has no preconditions; nobody handles the signal, so it ends the child.
    unsafe { libc::alarm(SECONDS) };
}

/// Gives this process, a child, the time of that many: for one that waits for children of its own.
pub(crate) fn limit_child_for(generations: u32) {
    // SAFETY: as in `limit_child`, whose alarm it replaces.
    unsafe { libc::alarm(SECONDS * generations) };
}

/// Does the last work of this process, a child, and ends it.
pub(crate) fn end_child(work: impl FnOnce()) -> ! {
    // The default hook prints what a panic says.
    let content = catch_unwind(AssertUnwindSafe(work)).is_ok();
    // SAFETY: ends the child here: the rest of the program is the parent's.
    unsafe { libc::_exit(if content { CONTENT } else { 1 }) };
}

/// Waits for a child to end; fails unless its work returned.
pub(crate) fn await_child(child: libc::pid_t) {
    assert!(child > 0, "fork failed");
    let mut status = 0;
    // SAFETY: the status is ours to write; the child ends by itself or by its alarm.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == CONTENT,
        "the child failed: status {status:#x}"
    );
}

/// Waits for something that has to happen soon.
pub(crate) fn wait_until(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !reached() {
        assert!(Instant::now() < deadline, "{what} took too long");
        std::thread::sleep(Duration::from_micros(50));
    }
}
