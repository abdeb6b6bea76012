//! The dozen N-API calls the fixture needs, declared by hand, and thin helpers over them.
//!
//! Statuses are turned into `Option`/defaults: the only caller is our own test suite, which passes the right types.

use core::ffi::{c_char, c_void};
use core::ptr;

/// An N-API environment handle.
#[derive(Clone, Copy)]
pub(crate) struct Env(pub(crate) *mut c_void);

/// An N-API value handle, good until the callback returns.
#[derive(Clone, Copy)]
pub(crate) struct Value(pub(crate) *mut c_void);

/// A native function as N-API calls it: environment, then the call's info.
pub(crate) type Callback = unsafe extern "C" fn(*mut c_void, *mut c_void) -> *mut c_void;

unsafe extern "C" {
    fn napi_create_function(
        env: *mut c_void,
        name: *const c_char,
        length: usize,
        callback: Callback,
        data: *mut c_void,
        result: *mut *mut c_void,
    ) -> i32;
    fn napi_set_named_property(
        env: *mut c_void,
        object: *mut c_void,
        name: *const c_char,
        value: *mut c_void,
    ) -> i32;
    fn napi_get_cb_info(
        env: *mut c_void,
        info: *mut c_void,
        count: *mut usize,
        arguments: *mut *mut c_void,
        this: *mut *mut c_void,
        data: *mut *mut c_void,
    ) -> i32;
    fn napi_get_value_double(env: *mut c_void, value: *mut c_void, result: *mut f64) -> i32;
    fn napi_create_double(env: *mut c_void, value: f64, result: *mut *mut c_void) -> i32;
    fn napi_create_string_utf8(
        env: *mut c_void,
        text: *const c_char,
        length: usize,
        result: *mut *mut c_void,
    ) -> i32;
    fn napi_get_undefined(env: *mut c_void, result: *mut *mut c_void) -> i32;
    fn napi_call_function(
        env: *mut c_void,
        this: *mut c_void,
        function: *mut c_void,
        count: usize,
        arguments: *const *mut c_void,
        result: *mut *mut c_void,
    ) -> i32;
}

/// Puts `callback` on `object` under `name`.
pub(crate) fn export(env: Env, object: Value, name: &str, callback: Callback) {
    let Ok(text) = std::ffi::CString::new(name) else {
        return;
    };
    let mut function = ptr::null_mut();
    // SAFETY: `env` and `object` are live for the duration of the registration call, and `text` outlives both calls.
    unsafe {
        napi_create_function(
            env.0,
            text.as_ptr(),
            name.len(),
            callback,
            ptr::null_mut(),
            &raw mut function,
        );
        napi_set_named_property(env.0, object.0, text.as_ptr(), function);
    }
}

/// The first `N` arguments of a call; missing ones are `undefined`.
pub(crate) fn arguments<const N: usize>(env: Env, info: *mut c_void) -> [Value; N] {
    let mut count = N;
    let mut values = [ptr::null_mut(); N];
    // SAFETY: `info` belongs to the running callback; `values` has room for the `count` we announce.
    unsafe {
        napi_get_cb_info(
            env.0,
            info,
            &raw mut count,
            values.as_mut_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
        );
    }
    values.map(Value)
}

/// A number argument; 0 when it is not a number.
pub(crate) fn number(env: Env, value: Value) -> f64 {
    let mut result = 0.0;
    // SAFETY: both handles are live; a wrong type leaves `result` alone.
    unsafe { napi_get_value_double(env.0, value.0, &raw mut result) };
    result
}

/// A JavaScript number.
pub(crate) fn from_number(env: Env, value: f64) -> *mut c_void {
    let mut result = ptr::null_mut();
    // SAFETY: `env` is live and `result` is a place for one handle.
    unsafe { napi_create_double(env.0, value, &raw mut result) };
    result
}

/// A JavaScript string.
pub(crate) fn from_text(env: Env, text: &str) -> *mut c_void {
    let mut result = ptr::null_mut();
    // SAFETY: `text` is valid UTF-8 of the given length for the duration of the call.
    unsafe { napi_create_string_utf8(env.0, text.as_ptr().cast(), text.len(), &raw mut result) };
    result
}

/// Calls `function` with no arguments and `undefined` as `this`. An exception stays pending for the JavaScript caller.
pub(crate) fn call(env: Env, function: Value) -> *mut c_void {
    let (mut undefined, mut result) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: all handles are live; no argument array is read because the count is 0.
    unsafe {
        napi_get_undefined(env.0, &raw mut undefined);
        napi_call_function(
            env.0,
            undefined,
            function.0,
            0,
            ptr::null(),
            &raw mut result,
        );
    }
    result
}
