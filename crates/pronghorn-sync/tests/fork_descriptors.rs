//! What a forked child does with files that threads of its parent had open.

#![allow(
    clippy::expect_used,
    reason = "clippy.toml allows these in test functions, but not in their helpers"
)]

mod support;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::mpsc::channel;

use pronghorn_sync::descriptors::{Held, Kept, close_inherited};
use pronghorn_sync::fork;
use support::{Fork, alone, run};

fn main() -> ExitCode {
    run(&tests![
        the_reset_closes_what_the_parents_threads_had_open,
        a_number_that_is_somebody_elses_by_now_is_left_alone,
        what_is_dropped_in_the_child_closes_nothing,
        more_files_than_places_are_opened_all_the_same,
        a_file_that_cannot_be_opened_leaves_no_place_taken,
        what_stays_open_for_long_is_always_in_the_table_and_leaves_room_there,
        what_the_host_has_closed_is_not_closed_again,
        what_stays_open_for_long_is_none_of_the_three_that_a_program_inherits,
    ])
}

fn own_file() -> Held {
    Held::open(|| File::open("/proc/self/exe")).expect("this program's own file")
}

fn is_open(descriptor: i32) -> bool {
    // SAFETY: a question about a number.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) != -1 }
}

/// Runs `then` while another thread has files open, and gives it their numbers.
fn while_another_holds(then: impl FnOnce(&[i32])) {
    let (tell, told) = channel();
    let (end, ended) = channel::<()>();
    let thread = std::thread::spawn(move || {
        let memory = Held::open(|| File::open("/proc/self/mem")).expect("this process's memory");
        let all = [own_file(), memory];
        let numbers = all.each_ref().map(|file| file.as_raw_fd());
        tell.send(numbers).expect("the test waits");
        let _ = ended.recv();
        drop(all);
        assert!(numbers.iter().all(|&number| !is_open(number)));
    });
    let numbers = told.recv().expect("the thread opens");
    then(&numbers);
    drop(end);
    thread.join().expect("its files are closed");
}

fn the_reset_closes_what_the_parents_threads_had_open() {
    for how in Fork::ALL {
        while_another_holds(|numbers| {
            how.child(|| {
                assert!(!fork::late());
                assert!(numbers.iter().all(|&number| is_open(number)));
                assert_eq!(close_inherited(&alone()), 2);
                assert!(numbers.iter().all(|&number| !is_open(number)));
                assert_eq!(close_inherited(&alone()), 0, "a second reset");
                fork::acknowledge();
                let mut byte = [0];
                let mut own = own_file();
                own.read_exact(&mut byte).expect("readable");
            });
            assert!(numbers.iter().all(|&number| is_open(number)));
        });
    }
}

fn a_number_that_is_somebody_elses_by_now_is_left_alone() {
    while_another_holds(|numbers| {
        Fork::Handlers.child(|| {
            let other = File::open("/dev/null").expect("there is one");
            // SAFETY: both are open; the first is closed in this child, as a daemon does it.
            let number = unsafe { libc::dup2(other.as_raw_fd(), numbers[0]) };
            assert_eq!(close_inherited(&alone()), 1);
            assert!(is_open(number));
        });
    });
}

fn what_is_dropped_in_the_child_closes_nothing() {
    let held = own_file();
    let number = held.as_raw_fd();
    let mut held = Some(held);
    for how in Fork::ALL {
        how.child(|| {
            drop(held.take());
            assert!(is_open(number), "the reset's to close");
            assert_eq!(close_inherited(&alone()), 1);
            assert!(!is_open(number));
        });
    }
    drop(held);
    assert!(!is_open(number));
}

fn more_files_than_places_are_opened_all_the_same() {
    let all: Vec<Held> = (0..40).map(|_| own_file()).collect();
    assert!(all.iter().all(|file| is_open(file.as_raw_fd())));
    let numbers: Vec<i32> = all.iter().map(|file| file.as_raw_fd()).collect();
    drop(all);
    assert!(numbers.iter().all(|&number| !is_open(number)));
    Fork::Handlers.child(|| assert_eq!(close_inherited(&alone()), 0));
}

fn a_file_that_cannot_be_opened_leaves_no_place_taken() {
    for _ in 0..40 {
        assert!(Held::open(|| File::open("/nowhere/at/all")).is_err());
    }
    let held = own_file();
    Fork::Handlers.child(|| assert_eq!(close_inherited(&alone()), 1));
    drop(held);
}

fn what_stays_open_for_long_is_always_in_the_table_and_leaves_room_there() {
    let open = || File::open("/proc/self/exe");
    let kept: Vec<Kept> = std::iter::from_fn(|| Kept::open(open)).take(100).collect();
    let count = kept.len();
    assert_eq!(count, 16, "as README says");
    let others: Vec<Held> = (0..8).map(|_| own_file()).collect();
    Fork::Handlers.child(|| assert_eq!(close_inherited(&alone()), count + 8));
    drop((kept, others));
    for _ in 0..40 {
        assert!(Kept::open(|| File::open("/nowhere/at/all")).is_none());
    }
    let again: Vec<Kept> = std::iter::from_fn(|| Kept::open(open)).take(100).collect();
    assert_eq!(
        again.len(),
        count,
        "a file that is not there takes no place"
    );
}

fn what_the_host_has_closed_is_not_closed_again() {
    let other = File::open("/dev/null").expect("there is one");
    let mut room = [0; 4];
    let file = kept();
    let number = file.number();
    assert_eq!(file.read(&mut room), Some(4));
    assert_eq!(room, *b"\x7fELF");
    // SAFETY: both are open; the second is closed, as a host does that closes what it does not know.
    assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
    assert!(file.stat().is_none());
    assert_eq!(file.read(&mut room), None);
    drop(file);
    assert!(is_open(number), "it is the host's");
    close(number);

    let momentary = own_file();
    let number = momentary.as_raw_fd();
    // SAFETY: as above.
    assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
    drop(momentary);
    assert!(is_open(number), "it is the host's");
    close(number);

    let file = kept();
    close(file.number());
    assert!(file.stat().is_none());
    drop(file);
    Fork::Handlers.child(|| assert_eq!(close_inherited(&alone()), 0));
}

fn what_stays_open_for_long_is_none_of_the_three_that_a_program_inherits() {
    // Nobody reads from this program's standard input.
    close(libc::STDIN_FILENO);
    let file = kept();
    let number = file.number();
    assert!(number > libc::STDERR_FILENO);
    assert!(!is_open(libc::STDIN_FILENO));
    // SAFETY: a question about a number.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    Fork::Handlers.child(|| {
        assert_eq!(close_inherited(&alone()), 1);
        assert!(!is_open(number));
    });
    drop(file);
    assert!(!is_open(number));
}

fn kept() -> Kept {
    Kept::open(|| File::open("/proc/self/exe")).expect("there is room")
}

fn close(number: i32) {
    // SAFETY: open, and what owns it looks before it uses it.
    assert_eq!(unsafe { libc::close(number) }, 0);
}
