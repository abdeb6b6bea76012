//! Threads of ours that work for milliseconds (profiles, source maps) stand back behind the program's, without getting less than their share.
//!
//! On an ordinary thread such work holds its processor for a whole slice (3 ms, sched(7)) while threads that V8 wakes queue for it; and at a scavenge, or when
//! it hands a function to its compiler, the main thread waits for those: of the main thread's pauses above 1 ms at a rotation, half were that
//! (docs/measurements.md). So each
//! - is of SCHED_BATCH: its waking does not interrupt whoever runs;
//! - asks for slices a little longer than anybody's: who wakes with a shorter one interrupts it (PREEMPT_SHORT, kernel/sched/fair.c, Linux 6.12 and later;
//!   before, the wish is not heard, and who has slept interrupts it as a rule). Much longer ones would be a harm: until 6.16 a thread that was not
//!   asleep waits for the end of one.
//!
//! Not by a low priority (nice): in a program that keeps every processor busy a profile would then be made at a fiftieth of the speed, and a rotation has to end.
//!
//! Not where a filter of system calls may kill the program for it ([`may_kill`]).
//!
//! Threads: each for itself; what such a thread spawns inherits it. Fork: none of them is in the child.

use std::fs::File;
use std::io::Read;

use pronghorn_sync::descriptors::Held;

/// The kernel's own are 3 ms at most (`sysctl_sched_base_slice`, for 8 processors and more).
const SLICE_NS: u64 = 5_000_000;

/// The calling thread, from here on. One that does not run as ordinary threads do stays as the program has it; so does one that the system refuses this.
pub(crate) fn stand_back() {
    if may_kill() {
        return;
    }
    let Some(mut scheduling) = scheduling() else {
        return;
    };
    if scheduling.sched_policy != libc::SCHED_OTHER.cast_unsigned() {
        return;
    }
    scheduling.sched_policy = libc::SCHED_BATCH.cast_unsigned();
    scheduling.sched_runtime = SLICE_NS;
    // SAFETY: reads as many bytes as the structure says it has; 0 is the calling thread.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const scheduling, 0) };
}

/// How the calling thread is scheduled.
fn scheduling() -> Option<libc::sched_attr> {
    let bytes = u32::try_from(size_of::<libc::sched_attr>()).ok()?;
    // SAFETY: numbers only.
    let mut scheduling: libc::sched_attr = unsafe { std::mem::zeroed() };
    // SAFETY: writes at most `bytes` into a place of that size; 0 is the calling thread.
    let told = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut scheduling, bytes, 0) };
    (told == 0).then_some(scheduling)
}

/// Whether this system call may be the program's end. Filters of containers answer EPERM; a unit of systemd with `SystemCallFilter=~@resources`, which is widespread, is
/// killed. Which filter it is cannot be asked for. Units that do not run as root have `no_new_privs` with it (systemd.exec(5)), the others their name
/// in their control group; containers of Docker and Kubernetes have neither, unless they were given `allowPrivilegeEscalation: false`.
fn may_kill() -> bool {
    const FILTER: i32 = libc::SECCOMP_MODE_FILTER.cast_signed();
    // SAFETY: plain queries; naming the thread has made the same call.
    let (mode, unprivileged) = unsafe {
        (
            libc::prctl(libc::PR_GET_SECCOMP),
            libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
        )
    };
    mode == FILTER && (unprivileged != 0 || is_service())
}

/// Whether this is a service of systemd's, or may be one.
fn is_service() -> bool {
    let mut groups = String::new();
    let read = Held::open(|| File::open("/proc/self/cgroup"))
        .and_then(|mut file| file.read_to_string(&mut groups));
    read.is_err() || names_service(&groups)
}

fn names_service(groups: &str) -> bool {
    groups
        .lines()
        .filter_map(|line| line.rsplit(':').next())
        .any(|path| path.contains(".service"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheduling_of(act: impl FnOnce() + Send + 'static) -> [libc::sched_attr; 2] {
        std::thread::spawn(|| {
            let before = scheduling().unwrap();
            act();
            [before, scheduling().unwrap()]
        })
        .join()
        .unwrap()
    }

    #[test]
    fn an_ordinary_thread_stands_back_and_keeps_its_priority() {
        let [before, after] = scheduling_of(stand_back);
        assert_eq!(before.sched_policy, libc::SCHED_OTHER.cast_unsigned());
        if may_kill() {
            return;
        }
        assert_eq!(after.sched_policy, libc::SCHED_BATCH.cast_unsigned());
        assert_eq!(before.sched_nice, after.sched_nice);
        // 0 where the kernel knows no such wish.
        let slice = after.sched_runtime;
        assert!([0, SLICE_NS].contains(&slice), "{slice}");
    }

    #[test]
    fn one_that_the_program_has_given_another_policy_keeps_it() {
        let [_, after] = scheduling_of(|| {
            // SAFETY: numbers only; 0 is the calling thread. The C library of Alpine has no such function.
            unsafe {
                let none: libc::sched_param = std::mem::zeroed();
                let set = libc::syscall(
                    libc::SYS_sched_setscheduler,
                    0,
                    libc::SCHED_IDLE,
                    &raw const none,
                );
                assert_eq!(set, 0);
            }
            stand_back();
        });
        assert_eq!(after.sched_policy, libc::SCHED_IDLE.cast_unsigned());
    }

    #[test]
    fn a_unit_of_systemds_is_known_by_its_control_group() {
        assert!(names_service("0::/system.slice/app.service\n"));
        assert!(names_service(
            "12:cpu:/\n1:name=systemd:/system.slice/app.service/worker\n0::/\n"
        ));
        assert!(!names_service("0::/\n"));
        assert!(!names_service("0::/system.slice/docker-0123.scope\n"));
        assert!(!names_service(""));
    }
}
