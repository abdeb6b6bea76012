//! The state is the process's, so each test runs its checks in a child of its own that really forks; the test waits for
//! it with a deadline.

use super::*;

/// How a fork is made.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Fork,
    /// The bare system call, which runs no handlers.
    Raw,
}

fn fork_by(kind: Kind) -> i32 {
    // SAFETY: the children of these tests call nothing that needs another thread, and end with _exit.
    unsafe {
        match kind {
            Kind::Fork => libc::fork(),
            Kind::Raw => libc::syscall(libc::SYS_fork) as i32,
        }
    }
}

/// Runs `child` in a forked process and returns its exit code; a child that hangs is killed, and fails the test.
fn in_child(kind: Kind, child: impl FnOnce() -> i32) -> i32 {
    let pid = fork_by(kind);
    assert!(pid >= 0, "the fork failed");
    if pid == 0 {
        let code = child();
        // SAFETY: the child ends here, without running destructors of the parent's.
        unsafe { libc::_exit(code) };
    }
    wait_for(pid)
}

fn wait_for(pid: i32) -> i32 {
    let mut status = 0;
    for _ in 0..2_000 {
        // SAFETY: a child of this process, a place of ours.
        if unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == pid {
            assert!(
                libc::WIFEXITED(status),
                "the child died of a signal: {status:#x}"
            );
            return libc::WEXITSTATUS(status);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // SAFETY: as above.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    panic!("the child hangs");
}

/// 0 if all are true, otherwise the number of the first that is not, from 1.
fn all(checks: &[bool]) -> i32 {
    checks
        .iter()
        .position(|check| !check)
        .map_or(0, |place| place as i32 + 1)
}

/// Forks of forks, each acknowledged, seen by this witness.
fn three_deep(kind: Kind, system: &System, witness: Witness) -> i32 {
    let installed = install_by(system);
    let mut checks = vec![
        installed.witness == witness,
        !forked(),
        generation() == 0,
        !late(),
    ];
    for expected in 1..=3 {
        let pid = fork_by(kind);
        if pid > 0 {
            return wait_for(pid);
        }
        let first_look = [forked(), generation() == expected, !late()];
        acknowledge();
        checks.extend(first_look);
        checks.extend([!forked(), generation() == expected]);
    }
    all(&checks)
}

#[test]
fn every_kind_of_fork_is_seen_once_by_either_witness() {
    let by_page = System {
        register: register_handlers,
        wipe: || WORDS.install(),
    };
    let by_process_id = System {
        register: register_handlers,
        wipe: || false,
    };
    for kind in [Kind::Fork, Kind::Raw] {
        let code = in_child(Kind::Fork, || three_deep(kind, &by_page, Witness::Page));
        assert_eq!(code, 0, "{kind:?} by page: this check failed");
        let code = in_child(Kind::Fork, || {
            three_deep(kind, &by_process_id, Witness::ProcessId)
        });
        assert_eq!(code, 0, "{kind:?} by process id: this check failed");
    }
}

#[test]
fn handlers_that_cannot_be_registered_leave_the_witness() {
    let code = in_child(Kind::Fork, || {
        let refused = System {
            register: || libc::ENOMEM,
            wipe: || WORDS.install(),
        };
        let installed = install_by(&refused);
        let checks = [!installed.handlers, installed.error == libc::ENOMEM];
        let inner = in_child(Kind::Fork, || {
            let seen = [forked(), generation() == 1, forked_at().is_none()];
            all(&seen)
        });
        all(&[checks[0], checks[1], inner == 0, !forked()])
    });
    assert_eq!(code, 0, "this check failed");
}

#[test]
fn a_second_install_registers_nothing() {
    static REGISTERED: AtomicU32 = AtomicU32::new(0);
    let code = in_child(Kind::Fork, || {
        let counting = System {
            register: || {
                REGISTERED.fetch_add(1, Relaxed);
                register_handlers()
            },
            wipe: || WORDS.install(),
        };
        let first = install_by(&counting);
        let second = install_by(&counting);
        all(&[first == second, REGISTERED.load(Relaxed) == 1])
    });
    assert_eq!(code, 0, "this check failed");
}

#[test]
fn a_thread_that_finds_another_installing_waits_for_what_comes_of_it() {
    static INSTALLING: AtomicBool = AtomicBool::new(false);
    let code = in_child(Kind::Fork, || {
        let slow = System {
            register: || {
                INSTALLING.store(true, SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(20));
                register_handlers()
            },
            wipe: || WORDS.install(),
        };
        let other = std::thread::spawn(|| {
            while !INSTALLING.load(SeqCst) {
                std::thread::yield_now();
            }
            install()
        });
        let first = install_by(&slow);
        let second = other.join().ok();
        all(&[first.handlers, second == Some(first)])
    });
    assert_eq!(code, 0, "this check failed");
}

#[test]
fn an_installation_that_nobody_finishes_is_not_waited_for_for_ever() {
    let code = in_child(Kind::Fork, || {
        // As a fork leaves it that catches another thread in the middle.
        STAGE.store(1, SeqCst);
        let come_to = install();
        all(&[!come_to.handlers, installed().is_none()])
    });
    assert_eq!(code, 0, "this check failed");
}

#[test]
fn a_thread_that_stays_inside_makes_the_fork_late_but_does_not_stop_it() {
    let code = in_child(Kind::Fork, || {
        install();
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _inside = enter();
            let _ = ready.send(());
            std::thread::sleep(std::time::Duration::from_secs(20));
        });
        let inside = is_ready.recv().is_ok();
        let child = in_child(Kind::Fork, || {
            let seen = [forked(), late(), forked_at().is_some()];
            acknowledge();
            // Nobody is inside any more: the thread does not exist here.
            let left = enter();
            drop(left);
            all(&[seen[0], seen[1], seen[2], !late(), late_forks() == 0])
        });
        // The bound was waited for, and not much longer: a busy machine may take the processor away from the thread that forks.
        let longest = handlers_time().max_ns();
        let bounded = (PATIENCE_NS..50_000_000).contains(&longest);
        all(&[inside, child == 0, late_forks() == 1, !forked(), bounded])
    });
    assert_eq!(code, 0, "this check failed");
}

#[test]
fn a_revoked_acknowledgement_leaves_the_process_in_limbo() {
    let code = in_child(Kind::Fork, || {
        install();
        in_child(Kind::Fork, || {
            acknowledge();
            let before = !forked();
            revoke();
            let after = forked();
            acknowledge();
            all(&[before, after, !forked()])
        })
    });
    assert_eq!(code, 0, "this check failed");
}

#[test]
fn the_handlers_count_the_forks_of_the_parent_and_mark_the_thread_meanwhile() {
    let code = in_child(Kind::Fork, || {
        install();
        let child = in_child(Kind::Fork, || {
            // The page is wiped: the child has forked nothing.
            // SAFETY: getppid has no preconditions.
            let parent = unsafe { libc::getppid() };
            let before = [handlers_time().count() == 0, !is_forking(parent)];
            acknowledge();
            all(&[before[0], before[1], handlers_time().count() == 0])
        });
        let raw = in_child(Kind::Raw, || all(&[handlers_time().count() == 0]));
        let own = own_tid();
        all(&[
            child == 0,
            raw == 0,
            handlers_time().count() == 1,
            !is_forking(own),
        ])
    });
    assert_eq!(code, 0, "this check failed");
}
