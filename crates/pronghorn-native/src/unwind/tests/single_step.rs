//! Whole functions of libc, the loader, the kernel's vdso, libcrypto and a C fixture, instruction by instruction.

use std::ffi::{c_char, c_double, c_int, c_long, c_uchar, c_void};
use std::hint::black_box;
use std::ptr;

use super::fixture::Library;
use super::stepper;

#[test]
fn allocation() {
    let mut kept = [ptr::null_mut::<c_void>(); 40];
    let outcome = stepper::run(&mut || {
        for (index, place) in kept.iter_mut().enumerate() {
            // SAFETY: plain allocations, each freed below once.
            unsafe {
                *place = libc::malloc(1 << (index % 18));
                *place = libc::realloc(*place, 3 << (index % 15));
            }
        }
        for place in &kept {
            // SAFETY: from realloc, not freed before.
            unsafe { libc::free(*place) };
        }
    });
    outcome.expect_perfect("malloc, realloc, free", 5_000);
}

#[test]
fn memory_and_strings() {
    let source = vec![7_u8; 40_000];
    let mut target = vec![0_u8; 40_000];
    let text = c"a rather long string to look for a needle in, with the needle near its end";
    let outcome = stepper::run(&mut || {
        for length in [
            0, 1, 7, 15, 16, 31, 33, 64, 100, 127, 128, 200, 255, 256, 300, 600, 2_000, 9_000,
            40_000,
        ] {
            // SAFETY: both buffers are 40,000 bytes long, and the string ends with a zero.
            unsafe {
                libc::memcpy(target.as_mut_ptr().cast(), source.as_ptr().cast(), length);
                libc::memmove(
                    target.as_mut_ptr().add(length / 3).cast(),
                    target.as_ptr().cast(),
                    length / 2,
                );
                libc::memset(target.as_mut_ptr().cast(), 3, length);
                black_box(libc::memcmp(
                    target.as_ptr().cast(),
                    source.as_ptr().cast(),
                    length,
                ));
                black_box(libc::memchr(target.as_ptr().cast(), 9, length));
                black_box(libc::strnlen(text.as_ptr(), 70));
                black_box(libc::strstr(text.as_ptr(), c"needle".as_ptr()));
                black_box(libc::strchr(text.as_ptr(), c_int::from(b'i')));
            }
        }
    });
    outcome.expect_perfect("memcpy and relatives", 5_000);
}

extern "C" fn compare(left: *const c_void, right: *const c_void) -> c_int {
    // SAFETY: qsort passes pointers to elements of the array.
    let (left, right) = unsafe { (*left.cast::<i32>(), *right.cast::<i32>()) };
    left.cmp(&right) as c_int
}

#[test]
fn callbacks() {
    let mut numbers: Vec<i32> = (0..120)
        .map(|number: i32| number.wrapping_mul(7919) % 101)
        .collect();
    let outcome = stepper::run(&mut || {
        // SAFETY: the array's own length and element size.
        unsafe {
            libc::qsort(
                numbers.as_mut_ptr().cast(),
                numbers.len(),
                size_of::<i32>(),
                Some(compare),
            );
        };
    });
    assert!(numbers.is_sorted());
    outcome.expect_perfect("qsort", 20_000);
}

/// No floating point numbers: glibc's `__mpn_addmul_1` and its relatives push registers that their tables do not mention.
#[test]
fn formatting() {
    let mut text = [0_u8; 200];
    let outcome = stepper::run(&mut || {
        let wide = [104_i32, 105, 0];
        // SAFETY: the arguments are what the format names, and the buffer's size is given.
        unsafe {
            let format = c"%d %s %p %ls %08lx".as_ptr();
            let target = text.as_mut_ptr().cast();
            libc::snprintf(
                target,
                text.len(),
                format,
                42_i32,
                format,
                format,
                wide.as_ptr(),
                77_i64,
            );
            black_box(libc::strtol(c"31415926".as_ptr(), ptr::null_mut(), 10));
        }
    });
    outcome.expect_perfect("snprintf, strtol", 2_000);
}

#[test]
fn clocks_and_system_calls() {
    let outcome = stepper::run(&mut || {
        for clock in [
            libc::CLOCK_MONOTONIC,
            libc::CLOCK_REALTIME,
            libc::CLOCK_THREAD_CPUTIME_ID,
            libc::CLOCK_BOOTTIME,
        ] {
            let mut time = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // SAFETY: fills the struct.
            unsafe { libc::clock_gettime(clock, &raw mut time) };
        }
        let mut byte = 0_u8;
        // SAFETY: opens, reads one byte into `byte` and closes; polls nothing.
        unsafe {
            let file = libc::open(
                c"/proc/self/stat".as_ptr(),
                libc::O_RDONLY | libc::O_CLOEXEC,
            );
            libc::read(file, (&raw mut byte).cast(), 1);
            libc::close(file);
            libc::poll(ptr::null_mut(), 0, 1);
            libc::sched_getcpu();
        }
    });
    outcome.expect_perfect("clock_gettime, open, read, poll", 200);
}

#[test]
fn loader() {
    let outcome = stepper::run(&mut || {
        // SAFETY: looks a symbol of libc up.
        black_box(unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"qsort_r".as_ptr()) });
    });
    outcome.expect_perfect("dlsym", 500);
}

#[test]
fn compiled_c() {
    let library = Library::fixture();
    // SAFETY: the types of fixture.c.
    let (lazy, aligned, branches, large, noreturn) = unsafe {
        (
            library.function::<extern "C" fn(*const c_char) -> c_long>("fixture_lazy"),
            library.function::<extern "C" fn(c_int) -> c_double>("fixture_aligned"),
            library.function::<extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long) -> c_long>("fixture_branches"),
            library.function::<extern "C" fn(c_int) -> c_int>("fixture_large"),
            library.function::<extern "C" fn(c_int) -> c_int>("fixture_noreturn"),
        )
    };
    let outcome = stepper::run(&mut || {
        lazy(c"  1234".as_ptr());
        lazy(c"-99".as_ptr());
    });
    outcome.expect_perfect("lazily bound calls", 2_000);
    stepper::run(&mut || {
        black_box(aligned(5));
    })
    // GCC does not describe the two instructions of such a function's end, behind the pop of rbp: rbp alone is wrong.
    .expect_failures("aligned stack", 200, 4);
    stepper::run(&mut || {
        black_box(
            branches(12, 2, 9, 4, 5, 6) + branches(3, 1, 2, 2, 2, 2) + branches(0, 1, 2, 3, 4, 5),
        );
    })
    .expect_perfect("early returns", 1_000);
    stepper::run(&mut || {
        black_box(large(3));
    })
    .expect_perfect("large frame", 200);
    // The jump restores rbp before the stack pointer: between the two rbp is already that of the target.
    stepper::run(&mut || assert_eq!(noreturn(3), 1)).expect_failures(
        "call that does not return",
        200,
        2,
    );
}

type Digest = extern "C" fn(*const c_uchar, usize, *mut c_uchar) -> *mut c_uchar;
type Cipher = extern "C" fn() -> *const c_void;
type NewContext = extern "C" fn() -> *mut c_void;
type Init =
    extern "C" fn(*mut c_void, *const c_void, *mut c_void, *const c_uchar, *const c_uchar) -> c_int;
type Update = extern "C" fn(*mut c_void, *mut c_uchar, *mut c_int, *const c_uchar, c_int) -> c_int;
type Free = extern "C" fn(*mut c_void);

#[test]
fn cryptography() {
    let Some(crypto) = Library::open("libcrypto.so.3") else {
        println!("skipped: this machine has no libcrypto.so.3");
        return;
    };
    let data = vec![5_u8; 2_000];
    let mut digest = [0_u8; 64];
    for name in ["SHA1", "SHA256", "SHA512"] {
        // SAFETY: the documented type of these functions.
        let function = unsafe { crypto.function::<Digest>(name) };
        function(data.as_ptr(), data.len(), digest.as_mut_ptr());
        stepper::run(&mut || {
            function(data.as_ptr(), data.len(), digest.as_mut_ptr());
        })
        .expect_perfect(name, 2_000);
    }
    // SAFETY: the documented types of these functions.
    let (new, init, update, free) = unsafe {
        (
            crypto.function::<NewContext>("EVP_CIPHER_CTX_new"),
            crypto.function::<Init>("EVP_EncryptInit_ex"),
            crypto.function::<Update>("EVP_EncryptUpdate"),
            crypto.function::<Free>("EVP_CIPHER_CTX_free"),
        )
    };
    let mut output = vec![0_u8; 4_000];
    for name in [
        "EVP_aes_128_cbc",
        "EVP_aes_256_gcm",
        "EVP_aes_128_ctr",
        "EVP_aes_256_ocb",
        "EVP_chacha20_poly1305",
    ] {
        // SAFETY: the documented type of these functions.
        let cipher = unsafe { crypto.function::<Cipher>(name) };
        let context = new();
        let mut length = 0;
        assert_eq!(
            init(
                context,
                cipher(),
                ptr::null_mut(),
                data.as_ptr(),
                data.as_ptr()
            ),
            1
        );
        stepper::run(&mut || {
            assert_eq!(
                update(
                    context,
                    output.as_mut_ptr(),
                    &raw mut length,
                    data.as_ptr(),
                    2_000
                ),
                1
            );
        })
        .expect_perfect(name, 500);
        free(context);
    }
}

#[test]
fn big_numbers() {
    assert!(exponentiate(&[64]).is_none_or(|steps| steps > 50_000));
}

#[test]
#[ignore = "two million instructions take a minute or two"]
fn bigger_numbers() {
    assert!(exponentiate(&[128, 192, 256]).is_none_or(|steps| steps > 1_000_000));
}

/// Modular exponentiation with numbers of so many bytes: OpenSSL's Montgomery assembly, whose frames hang on several
/// registers. The number of instructions, or `None` on a machine without OpenSSL.
fn exponentiate(sizes: &[c_int]) -> Option<u64> {
    type New = extern "C" fn() -> *mut c_void;
    type FromBytes = extern "C" fn(*const c_uchar, c_int, *mut c_void) -> *mut c_void;
    type Exponentiate = extern "C" fn(
        *mut c_void,
        *const c_void,
        *const c_void,
        *const c_void,
        *mut c_void,
        *mut c_void,
    ) -> c_int;
    let Some(crypto) = Library::open("libcrypto.so.3") else {
        println!("skipped: this machine has no libcrypto.so.3");
        return None;
    };
    // SAFETY: the documented types of these functions.
    let (new, context, from_bytes, plain, constant_time) = unsafe {
        (
            crypto.function::<New>("BN_new"),
            crypto.function::<New>("BN_CTX_new"),
            crypto.function::<FromBytes>("BN_bin2bn"),
            crypto.function::<Exponentiate>("BN_mod_exp_mont"),
            crypto.function::<Exponentiate>("BN_mod_exp_mont_consttime"),
        )
    };
    let mut steps = 0;
    for &bytes in sizes {
        let number = |seed: u8| {
            let mut digits: Vec<u8> = (0..bytes)
                .map(|index| (index as u8).wrapping_mul(37).wrapping_add(seed))
                .collect();
            digits[0] |= 0x80;
            *digits.last_mut().unwrap() |= 1;
            from_bytes(digits.as_ptr(), bytes, ptr::null_mut())
        };
        let (base, modulus) = (number(3), number(11));
        let exponent = from_bytes([0x1d, 0x35].as_ptr(), 2, ptr::null_mut());
        for function in [plain, constant_time] {
            let (result, context) = (new(), context());
            let outcome = stepper::run(&mut || {
                assert_eq!(
                    function(result, base, exponent, modulus, context, ptr::null_mut()),
                    1
                );
            });
            outcome.expect_perfect(&format!("BN_mod_exp, {} bits", bytes * 8), 5_000);
            steps += outcome.instructions;
        }
    }
    Some(steps)
}
