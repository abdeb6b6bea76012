//! The N-API values that test-fixture does not need: texts as arguments, BigInts, and this environment's event loop.

use crate::napi::{Env, Value};
use core::ffi::{c_char, c_void};
use core::ptr;

unsafe extern "C" {
    fn napi_get_value_string_utf8(
        env: *mut c_void,
        value: *mut c_void,
        buffer: *mut c_char,
        size: usize,
        length: *mut usize,
    ) -> i32;
    fn napi_create_bigint_uint64(env: *mut c_void, value: u64, result: *mut *mut c_void) -> i32;
    fn napi_get_uv_event_loop(env: *mut c_void, result: *mut *mut c_void) -> i32;
}

/// A text argument of at most 63 bytes; empty when it is not a text.
pub(crate) fn text(env: Env, value: Value) -> String {
    let mut buffer = [0_u8; 64];
    let mut length = 0;
    // SAFETY: both handles are live; the buffer has the size announced, and a wrong type leaves `length` alone.
    unsafe {
        napi_get_value_string_utf8(
            env.0,
            value.0,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &raw mut length,
        )
    };
    String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned()
}

/// A JavaScript BigInt.
pub(crate) fn from_bits(env: Env, value: u64) -> *mut c_void {
    let mut result = ptr::null_mut();
    // SAFETY: `env` is live and `result` is a place for one handle.
    unsafe { napi_create_bigint_uint64(env.0, value, &raw mut result) };
    result
}

/// JavaScript's `undefined`.
pub(crate) const UNDEFINED: *mut c_void = ptr::null_mut();

/// The `uv_loop_t` of an environment; null if it has none.
pub(crate) fn event_loop(env: Env) -> *mut c_void {
    let mut result = ptr::null_mut();
    // SAFETY: `env` is live and `result` is a place for one pointer.
    unsafe { napi_get_uv_event_loop(env.0, &raw mut result) };
    result
}
