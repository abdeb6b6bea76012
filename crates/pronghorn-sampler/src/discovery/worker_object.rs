//! What Node 20 keeps a Worker's name in, and tells to nobody: the C++ object behind it.
//!
//! From 22 on a Worker has a `threadName`; on 20 the name goes into `node::Worker` and no further. That class is frozen with
//! its major: behind the number of the thread follow the base of its stack and the name, a `std::string` (src/node_worker.h). The
//! number is known from JavaScript, so the place is looked for, not assumed, and what stands there has to have the shape of a string in
//! every respect. If it has not, there is no name.
//!
//! Threads: the JavaScript thread that made the worker, which keeps the object alive during the call. Reads only, by checked loads.

use std::ffi::{c_int, c_void};

use pronghorn_v8::{Live, Memory};

use crate::host;

/// How far into the object the number is looked for, in words. It is the 31st.
const WORDS: u64 = 64;
/// The longest name that is believed.
const LONGEST: u64 = 1024;
/// Where `node::BaseObject` keeps the C++ object: in this internal field of the JavaScript one (src/base_object.h).
const SLOT: c_int = 1;
/// Bytes that a `std::string` of libstdc++ holds in itself, the NUL included.
const IN_ITSELF: u64 = 16;

/// The name in the `node::Worker` behind a Worker's handle, whose thread has the number `thread_id`. `None` if it has none, or
/// nothing there looks like one.
///
/// # Safety
/// `handle` is a live local handle of V8's (a `napi_value` is one) for an object, on the thread of its isolate.
pub unsafe fn name_behind(handle: *mut c_void, thread_id: u64) -> Option<String> {
    let host = host::get_found().ok()?;
    let (count, field) = (host.internal_field_count?, host.internal_field?);
    // SAFETY: the types are those of v8-object.h; `this` is the handle's pointer.
    let object = unsafe {
        // The call checks that the field holds such a pointer; its number is for us to check.
        if count(handle) <= SLOT {
            return None;
        }
        field(handle, SLOT)
    };
    find(&Live, object.addr() as u64, thread_id)
}

fn find(memory: &impl Memory, object: u64, thread_id: u64) -> Option<String> {
    if object == 0 || !object.is_multiple_of(8) {
        return None;
    }
    (0..WORDS)
        .map(|word| object + 8 * word)
        .filter(|&place| memory.u64(place) == Some(thread_id))
        .find_map(|place| string_at(memory, place + 16))
}

/// The text of the `std::string` at `place`, if that is what lies there.
fn string_at(memory: &impl Memory, place: u64) -> Option<String> {
    let (data, length, capacity) = (
        memory.u64(place)?,
        memory.u64(place + 8)?,
        memory.u64(place + 16)?,
    );
    let is_string = if data == place + 16 {
        length < IN_ITSELF
    } else {
        data != 0 && capacity >= IN_ITSELF && length <= capacity && capacity <= 4 * LONGEST
    };
    if !is_string || !(1..=LONGEST).contains(&length) || memory.u8(data + length)? != 0 {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    if !memory.copy(data, &mut bytes) || bytes.contains(&0) {
        return None;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The object at 0x1000, and whatever its string points to.
    struct Fake(Vec<u8>);

    const OBJECT: u64 = 0x1000;
    const HEAP: u64 = 0x1400;

    impl Fake {
        fn new() -> Self {
            Self(vec![0; 0x800])
        }

        fn put(mut self, address: u64, bytes: &[u8]) -> Self {
            let start = (address - OBJECT) as usize;
            self.0[start..start + bytes.len()].copy_from_slice(bytes);
            self
        }

        fn word(self, index: u64, value: u64) -> Self {
            self.put(OBJECT + 8 * index, &value.to_le_bytes())
        }
    }

    impl Memory for Fake {
        fn u64(&self, address: u64) -> Option<u64> {
            let mut bytes = [0; 8];
            self.copy(address, &mut bytes)
                .then_some(u64::from_le_bytes(bytes))
        }
        fn u32(&self, _: u64) -> Option<u32> {
            None
        }
        fn u16(&self, _: u64) -> Option<u16> {
            None
        }
        fn u8(&self, address: u64) -> Option<u8> {
            let mut bytes = [0];
            self.copy(address, &mut bytes).then_some(bytes[0])
        }
        fn copy(&self, address: u64, into: &mut [u8]) -> bool {
            let Some(start) = address.checked_sub(OBJECT) else {
                return false;
            };
            let bytes = self.0.get(start as usize..start as usize + into.len());
            bytes.is_some_and(|bytes| {
                into.copy_from_slice(bytes);
                true
            })
        }
    }

    #[test]
    fn a_short_name_lies_in_the_object() {
        let fake = Fake::new()
            .word(31, 7)
            .word(33, OBJECT + 35 * 8)
            .word(34, 4)
            .put(OBJECT + 35 * 8, b"pool");
        assert_eq!(find(&fake, OBJECT, 7).as_deref(), Some("pool"));
        assert_eq!(find(&fake, OBJECT, 8), None);
    }

    #[test]
    fn a_long_name_lies_elsewhere() {
        let fake = Fake::new()
            .word(31, 7)
            .word(33, HEAP)
            .word(34, 20)
            .word(35, 30)
            .put(HEAP, b"a name of many bytes");
        assert_eq!(
            find(&fake, OBJECT, 7).as_deref(),
            Some("a name of many bytes")
        );
    }

    #[test]
    fn the_number_elsewhere_in_the_object_is_passed_over() {
        let fake = Fake::new()
            .word(5, 7)
            .word(31, 7)
            .word(33, OBJECT + 35 * 8)
            .word(34, 1)
            .put(OBJECT + 35 * 8, b"x");
        assert_eq!(find(&fake, OBJECT, 7).as_deref(), Some("x"));
    }

    #[test]
    fn what_is_no_string_is_no_name() {
        let short = |length: u64| {
            Fake::new()
                .word(31, 7)
                .word(33, OBJECT + 35 * 8)
                .word(34, length)
        };
        // No name, one longer than what is there, one with a NUL inside, no UTF-8.
        assert_eq!(find(&short(0), OBJECT, 7), None);
        assert_eq!(find(&short(16), OBJECT, 7), None);
        assert_eq!(
            find(&short(4).put(OBJECT + 35 * 8, b"a\0b"), OBJECT, 7),
            None
        );
        assert_eq!(
            find(&short(2).put(OBJECT + 35 * 8, &[0xff, 0xfe]), OBJECT, 7),
            None
        );
        assert_eq!(
            find(&short(4).put(OBJECT + 35 * 8, b"abcdef"), OBJECT, 7),
            None
        );
        // A pointer to nowhere, and a capacity that no string has.
        let long = |data: u64, capacity: u64| {
            Fake::new()
                .word(31, 7)
                .word(33, data)
                .word(34, 20)
                .word(35, capacity)
        };
        assert_eq!(find(&long(0, 30), OBJECT, 7), None);
        assert_eq!(find(&long(1 << 40, 30), OBJECT, 7), None);
        assert_eq!(find(&long(HEAP, 5), OBJECT, 7), None);
        assert_eq!(find(&long(HEAP, 1 << 40), OBJECT, 7), None);
        assert_eq!(find(&Fake::new(), 0, 7), None);
        assert_eq!(find(&Fake::new(), OBJECT + 1, 7), None);
    }
}
