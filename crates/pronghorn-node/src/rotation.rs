//! The part of a rotation that takes time: waiting for other threads, the flip, names for native addresses, encoding and
//! compressing. It runs in libuv's thread pool, or on the calling thread when the process ends.

use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::{BigInt, Buffer, Env, Task};
use napi_derive::napi;
use pronghorn_recorder::{ProfileTime, SerializedProfile};
use pronghorn_sampler::clock;
use pronghorn_sampler::collector::Waiting;
use pronghorn_sampler::symbolizer::ImageSymbolizer;

use crate::error::{Code, Failure, guarded};
use crate::lifecycle::{Session, release_rotation};
use crate::statistics::Stats;

/// How long a rotation waits for threads that are blocked in native code.
pub(crate) const PATIENCE_NS: u64 = 50_000_000;

/// Names found for earlier profiles; only ever used by one rotation at a time.
static SYMBOLIZER: Mutex<Option<ImageSymbolizer>> = Mutex::new(None);

/// One profile.
#[napi(object)]
pub struct NativeProfile {
    /// A gzipped pprof.
    pub data: Buffer,
    /// Nanoseconds since the epoch, by the real-time clock.
    pub start_time_nanos: BigInt,
    /// Likewise.
    pub end_time_nanos: BigInt,
    /// The counters when it was made.
    pub stats: Stats,
}

/// One rotation's work.
pub struct Flush {
    /// Whether the rotation is still claimed for this.
    claimed: bool,
    session: Arc<Session>,
    waiting: Option<Waiting>,
    failure: Option<Failure>,
}

/// What came of it, on its way to the JavaScript thread.
pub struct Flushed {
    profile: SerializedProfile,
    stats: Stats,
}

impl Flush {
    pub(crate) fn rotation(session: Arc<Session>, waiting: Waiting) -> Self {
        Self {
            claimed: true,
            session,
            waiting: Some(waiting),
            failure: None,
        }
    }

    /// The flush after a stop: nothing is waited for any more.
    pub(crate) fn last(session: Arc<Session>) -> Self {
        Self {
            claimed: true,
            session,
            waiting: None,
            failure: None,
        }
    }

    /// Does the work, and ends the rotation whatever comes of it.
    pub(crate) fn run(&mut self) -> Result<Flushed, Failure> {
        let result = guarded(|| self.flush());
        self.claimed = false;
        release_rotation();
        result
    }

    /// The same without ending the rotation: nothing shall come after it. Only the bytes.
    pub(crate) fn run_keeping_rotation(&mut self) -> Result<Vec<u8>, Failure> {
        self.claimed = false;
        guarded(|| self.flush()).map(|flushed| flushed.profile.data)
    }

    fn flush(&mut self) -> Result<Flushed, Failure> {
        if let Some(waiting) = self.waiting.take() {
            waiting.finish(clock::monotonic_ns() + PATIENCE_NS);
        }
        let recorder = &self.session.recorder;
        let fresh = recorder.prepare();
        let period = recorder
            .flip(fresh, ProfileTime::now())
            .map_err(|error| Failure::new(Code::RotationInProgress, error.to_string()))?;
        let mut place = SYMBOLIZER
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        let symbolizer = place.get_or_insert_with(ImageSymbolizer::new);
        let profile = period
            .serialize(symbolizer, &self.session.info)
            .map_err(|error| Failure::new(Code::SerializeFailed, error.to_string()))?;
        Ok(Flushed {
            profile,
            stats: self.session.stats(),
        })
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        // The environment ended before the pool came to it.
        if self.claimed {
            release_rotation();
        }
    }
}

impl Flushed {
    /// As JavaScript gets it.
    pub(crate) fn into_profile(self) -> NativeProfile {
        NativeProfile {
            start_time_nanos: BigInt::from(self.profile.start.nanos_since_epoch()),
            end_time_nanos: BigInt::from(self.profile.finish.nanos_since_epoch()),
            data: Buffer::from(self.profile.data),
            stats: self.stats,
        }
    }
}

impl Task for Flush {
    type Output = Flushed;
    type JsValue = NativeProfile;

    fn compute(&mut self) -> napi::Result<Flushed> {
        self.run().map_err(|failure| {
            let message = failure.message.clone();
            self.failure = Some(failure);
            napi::Error::from_reason(message)
        })
    }

    fn resolve(&mut self, _env: Env, flushed: Flushed) -> napi::Result<NativeProfile> {
        Ok(flushed.into_profile())
    }

    fn reject(&mut self, env: Env, error: napi::Error) -> napi::Result<NativeProfile> {
        Err(match self.failure.take() {
            Some(failure) => failure.into_rejection(env),
            None => error,
        })
    }
}
