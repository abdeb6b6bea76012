use core::sync::atomic::AtomicU32;

use super::*;

static CALLS: AtomicU32 = AtomicU32::new(0);
static MASK: AtomicU64 = AtomicU64::new(0);

/// The mask of the calling thread.
fn mask() -> u64 {
    let mut mask = 0u64;
    // SAFETY: a query into a local word of the kernel's size.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            core::ptr::null::<u64>(),
            &raw mut mask,
            8usize,
        )
    };
    mask
}

/// A host's handler: notes its mask, and skips the two-byte load of [`fault_here`].
unsafe extern "C" fn host(_: c_int, info: *mut siginfo_t, context: *mut c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    MASK.store(mask(), Ordering::Relaxed);
    // SAFETY: the kernel's context; the fault came from `fault_here`.
    unsafe {
        if (*info).si_code > 0 {
            (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] += 2;
        }
    }
}

/// A host's handler without SA_SIGINFO.
unsafe extern "C" fn plain_host(_: c_int) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Faults outside of the load block, in an instruction of two bytes.
fn fault_here() {
    // SAFETY: the handler skips the load.
    unsafe { core::arch::asm!("mov al, byte ptr [rcx]", in("rcx") 8, out("rax") _) };
}

fn action(handler: usize, flags: c_int, mask: &[c_int]) -> libc::sigaction {
    // SAFETY: zeros are valid; the set is local.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        for &signal in mask {
            libc::sigaddset(&raw mut action.sa_mask, signal);
        }
        action
    }
}

fn set(signal: c_int, action: &libc::sigaction) {
    assert_eq!(
        // SAFETY: a valid action.
        unsafe { libc::sigaction(signal, action, core::ptr::null_mut()) },
        0
    );
}

/// Runs `body` in a child and gives its wait status.
fn in_child(body: fn()) -> c_int {
    // SAFETY: the child runs `body`, which makes system calls only, and leaves.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            body();
            libc::_exit(0);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        status
    }
}

fn from_default(signal: c_int) {
    set(signal, &action(libc::SIG_DFL, 0, &[]));
    if install().is_err() {
        // SAFETY: leaves the child.
        unsafe { libc::_exit(99) };
    }
}

#[test]
fn install_is_idempotent_and_restores_only_its_own() {
    let _serial = serial();
    restore();
    set(
        libc::SIGSEGV,
        &action(
            host as *const () as usize,
            libc::SA_SIGINFO | libc::SA_ONSTACK,
            &[libc::SIGUSR1],
        ),
    );
    assert!(!is_ours());
    install().unwrap();
    install().unwrap();
    assert!(is_ours());
    assert!(restore());
    let back = imp::current(libc::SIGSEGV).unwrap();
    assert_eq!(back.sa_sigaction, host as *const () as usize);
    assert_ne!(back.sa_flags & libc::SA_ONSTACK, 0);
    // A foreign one on top stays.
    install().unwrap();
    let foreign = action(plain_host as *const () as usize, 0, &[]);
    set(libc::SIGSEGV, &foreign);
    assert!(!is_ours());
    assert!(!restore());
    assert_eq!(
        imp::current(libc::SIGSEGV).unwrap().sa_sigaction,
        plain_host as *const () as usize
    );
    set(libc::SIGSEGV, &action(libc::SIG_DFL, 0, &[]));
    set(libc::SIGBUS, &action(libc::SIG_DFL, 0, &[]));
    install().unwrap();
    assert!(is_ours());
}

#[test]
fn other_faults_reach_the_predecessor_with_its_mask() {
    let _serial = serial();
    restore();
    set(
        libc::SIGSEGV,
        &action(
            host as *const () as usize,
            libc::SA_SIGINFO,
            &[libc::SIGUSR1],
        ),
    );
    install().unwrap();
    let before = CALLS.load(Ordering::Relaxed);
    let own = mask();
    fault_here();
    assert_eq!(CALLS.load(Ordering::Relaxed), before + 1);
    let bit = |signal: c_int| 1u64 << (signal - 1);
    let seen = MASK.load(Ordering::Relaxed);
    assert_eq!(seen, own | bit(libc::SIGUSR1) | bit(libc::SIGSEGV));
    assert_eq!(mask(), own);
    restore();
    set(
        libc::SIGSEGV,
        &action(
            host as *const () as usize,
            libc::SA_SIGINFO | libc::SA_NODEFER,
            &[],
        ),
    );
    install().unwrap();
    fault_here();
    assert_eq!(MASK.load(Ordering::Relaxed), own);
    restore();
    set(libc::SIGSEGV, &action(libc::SIG_DFL, 0, &[]));
}

#[test]
fn the_default_kills_with_its_own_signal() {
    let _serial = serial();
    let signal_of = |status: c_int| {
        if libc::WIFSIGNALED(status) {
            libc::WTERMSIG(status)
        } else {
            -1
        }
    };
    assert_eq!(
        signal_of(in_child(|| {
            from_default(libc::SIGSEGV);
            fault_here();
        })),
        libc::SIGSEGV
    );
    // Sent by somebody: there is no instruction to fault again.
    assert_eq!(
        signal_of(in_child(|| {
            from_default(libc::SIGSEGV);
            // SAFETY: a signal to ourselves.
            unsafe { libc::kill(libc::getpid(), libc::SIGSEGV) };
        })),
        libc::SIGSEGV
    );
    assert_eq!(
        signal_of(in_child(|| {
            from_default(libc::SIGBUS);
            // SAFETY: a signal to ourselves.
            unsafe { libc::raise(libc::SIGBUS) };
        })),
        libc::SIGBUS
    );
    // Ignored: a sent one is, a real fault kills all the same.
    assert_eq!(
        in_child(|| {
            set(libc::SIGSEGV, &action(libc::SIG_IGN, 0, &[]));
            let _ = install();
            // SAFETY: a signal to ourselves.
            unsafe { libc::raise(libc::SIGSEGV) };
        }),
        0
    );
    assert_eq!(
        signal_of(in_child(|| {
            set(libc::SIGSEGV, &action(libc::SIG_IGN, 0, &[]));
            let _ = install();
            fault_here();
        })),
        libc::SIGSEGV
    );
    // SA_RESETHAND: the handler once, then the default.
    assert_eq!(
        signal_of(in_child(|| {
            set(
                libc::SIGSEGV,
                &action(
                    host as *const () as usize,
                    libc::SA_SIGINFO | libc::SA_RESETHAND,
                    &[],
                ),
            );
            let _ = install();
            fault_here();
            if load::u64(8).is_some() {
                // SAFETY: leaves the child.
                unsafe { libc::_exit(98) };
            }
            fault_here();
        })),
        libc::SIGSEGV
    );
}

#[test]
fn handlers_that_chain_to_ours_make_no_circle() {
    let _serial = serial();
    // The foreign handler passes every fault on to what it found: ours.
    static FOUND: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn chaining(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: what lay under this handler was one of ours, with SA_SIGINFO.
        unsafe {
            core::mem::transmute::<usize, Handler>(FOUND.load(Ordering::Relaxed))(
                signal, info, context,
            );
        }
    }
    let status = in_child(|| {
        set(
            libc::SIGSEGV,
            &action(host as *const () as usize, libc::SA_SIGINFO, &[]),
        );
        let _ = install();
        FOUND.store(
            imp::current(libc::SIGSEGV).map_or(0, |action| action.sa_sigaction),
            Ordering::Relaxed,
        );
        set(
            libc::SIGSEGV,
            &action(chaining as *const () as usize, libc::SA_SIGINFO, &[]),
        );
        let before = CALLS.load(Ordering::Relaxed);
        let again = install();
        fault_here();
        let good = again.is_ok()
            && is_ours()
            && load::u64(8).is_none()
            && CALLS.load(Ordering::Relaxed) == before + 1;
        // SAFETY: leaves the child.
        unsafe { libc::_exit(i32::from(!good)) };
    });
    assert_eq!(status, 0);
}

#[test]
fn blocked_signals_are_noticed() {
    assert!(signals_open(0));
    assert!(signals_open(1 << (libc::SIGUSR1 - 1)));
    assert!(!signals_open(1 << (libc::SIGSEGV - 1)));
    assert!(!signals_open(1 << (libc::SIGBUS - 1)));
}
