//! Labels: sets get numbers, and the calling thread says where the number in force is found.
//!
//! Which way a thread goes is decided in lib/labels/tracking.ts, which calls these in an order that proves it.
//!
//! Fork: nothing is kept here. In a forked process that has not been reset each refuses: the table's lock may be held by nobody.

use napi::bindgen_prelude::{Env, JsValue, Object, Uint32Array};
use napi_derive::napi;
use pronghorn_sampler::labels::{self, table};

use crate::error::{Code, Failure, Result, guarded};
use crate::fork::in_own_process;

/// The number of the set that has the labels of `outer` (a number; 0 for none) and on top of them these: key, value, key, value, and so on.
/// 0 is the set without labels.
#[napi]
pub fn intern_labels(outer: u32, labels: Vec<String>) -> Result<u32> {
    guarded(|| {
        in_own_process()?;
        let pairs = labels.chunks_exact(2).map(|pair| (&*pair[0], &*pair[1]));
        let pairs: Vec<(&str, &str)> = pairs.collect();
        table::intern(outer, &pairs).map_err(|table::TooManyLabels| {
            let most = table::MOST_LABELS;
            let message = format!("a scope has at most {most} labels, those around it included");
            Failure::new(Code::InvalidOption, message)
        })
    })
    .map_err(Into::into)
}

/// What all threads share: `tick`, an unused word, which number stands in each place, and when (by `tick`) each place was last used. The places are
/// half of what remains; a number's place is its lowest bits.
#[napi]
pub fn label_table() -> Result<Uint32Array> {
    guarded(|| {
        in_own_process()?;
        let words = table::shared_words()
            .ok_or_else(|| Failure::new(Code::Internal, "there is no memory for labels"))?;
        // SAFETY: as many words, mapped for good; what is written there by several threads is read as single words only.
        Ok(unsafe { Uint32Array::with_external_data(words, table::SHARED_WORDS, |_, _| ()) })
    })
    .map_err(Into::into)
}

/// The number of the set in force on the calling thread will be in the first word of `word`, which the caller keeps.
#[napi]
pub fn track_label_word(env: Env, word: Uint32Array) -> Result<()> {
    guarded(|| {
        in_own_process()?;
        let first = word
            .first()
            .ok_or_else(|| Failure::new(Code::InvalidOption, "the array has no word"))?;
        // SAFETY: the memory of an array buffer stays where it is; the caller keeps it, until the environment ends and the hook forgets it.
        unsafe { labels::track_word(std::ptr::from_ref(first).cast()) };
        forget_at_end(env)
    })
    .map_err(Into::into)
}

/// Where the store `wanted` of `storage`, an AsyncLocalStorage, lies while it is in force; 0 if it is not found.
#[napi]
pub fn find_label_store(storage: Object, wanted: i32) -> Result<u32> {
    guarded(|| {
        in_own_process()?;
        // SAFETY: a napi_value is a local handle of V8's, here for an object, on its isolate's thread.
        let found = unsafe { labels::find_store(storage.raw().cast(), wanted) };
        Ok(found.map_or(0, |place| place.offset()))
    })
    .map_err(Into::into)
}

/// The number of the set in force on the calling thread is the store of `storage`, which is `wanted` now. Returns the place, as
/// [`find_label_store`] does; 0 if there is none, or no lasting handle.
#[napi]
pub fn track_label_store(env: Env, storage: Object, wanted: i32) -> Result<u32> {
    guarded(|| {
        in_own_process()?;
        let handle = storage.raw().cast();
        // SAFETY: as in `find_label_store`.
        let tracked = unsafe {
            labels::find_store(handle, wanted).filter(|place| labels::track_store(handle, *place))
        };
        let Some(place) = tracked else {
            return Ok(0);
        };
        forget_at_end(env)?;
        Ok(place.offset())
    })
    .map_err(Into::into)
}

fn forget_at_end(env: Env) -> std::result::Result<(), Failure> {
    env.add_env_cleanup_hook((), |()| labels::forget())
        .map(|_| ())
        .map_err(|error| Failure::new(Code::Internal, error.to_string()))
}
