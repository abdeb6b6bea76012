//! Encoding a finished profile for OTLP, on the thread for such work. Needs no profiler that runs.
//!
//! The profile's bytes are copied before the call returns, so the application may do with its buffer what it likes.
//!
//! Threads: called and asked for on a JavaScript thread, encoded on the other; own_work.rs hands over.
//!
//! Fork: what was encoded for the parent is abandoned in the child (own_work.rs).

use napi::bindgen_prelude::{Buffer, Either, Either3, Uint8Array};
use napi_derive::napi;
use pronghorn_otlp::{Options, Value};
use pronghorn_sync::{Alone, Resettable};

use crate::error::{Code, Failure, Result, guarded};
use crate::fork::{OwnProcess, in_own_process};
use crate::outcomes::{Outcomes, Taken};
use crate::own_work::{OwnWork, Work};
use crate::work_thread::Line;

/// What the profile comes from, one thing of it.
#[napi(object)]
pub struct OtlpAttribute {
    /// Such as `service.name`.
    pub key: String,
    /// Numbers are integers.
    #[napi(ts_type = "string | number | boolean")]
    pub value: Either3<String, f64, bool>,
}

/// What `encodeOtlp` takes besides the profile.
#[napi(object)]
pub struct OtlpOptions {
    /// Of attributes with the same key the last one counts.
    pub resource: Vec<OtlpAttribute>,
    /// 16 random bytes for each sample type of the profile, in their order.
    pub profile_ids: Option<Vec<Uint8Array>>,
    /// Whether the result is a gzip stream.
    pub gzip: bool,
}

/// The largest number that JavaScript tells from its neighbours.
const LARGEST_INTEGER: f64 = 9_007_199_254_740_991.0;

impl OtlpOptions {
    fn check(self) -> std::result::Result<Options, Failure> {
        let resource = self
            .resource
            .into_iter()
            .map(|OtlpAttribute { key, value }| {
                let value = match value {
                    Either3::A(text) => Value::Text(text),
                    Either3::B(number)
                        if number.fract() == 0.0 && number.abs() <= LARGEST_INTEGER =>
                    {
                        Value::Integer(number as i64)
                    }
                    Either3::B(number) => {
                        let message = format!(
                            "the resource attribute {key} is {number}; it has to be an integer"
                        );
                        return Err(Failure::new(Code::InvalidOption, message));
                    }
                    Either3::C(flag) => Value::Flag(flag),
                };
                match key.is_empty() {
                    true => Err(Failure::new(
                        Code::InvalidOption,
                        "a resource attribute has no key",
                    )),
                    false => Ok((key, value)),
                }
            });
        let ids = self.profile_ids.unwrap_or_default();
        let ids = ids.iter().map(|id| match <[u8; 16]>::try_from(&id[..]) {
            Ok(id) if id != [0; 16] => Ok(id),
            _ => Err(Failure::new(
                Code::InvalidOption,
                "a profile id has to be 16 bytes that are not all 0",
            )),
        });
        Ok(Options {
            resource: resource.collect::<std::result::Result<_, _>>()?,
            profile_ids: ids.collect::<std::result::Result<_, _>>()?,
            gzip: self.gzip,
        })
    }
}

/// One profile's encoding.
pub struct Encoding {
    pprof: Vec<u8>,
    options: Options,
}

impl Encoding {
    fn begin(pprof: &[u8], options: OtlpOptions) -> std::result::Result<OwnWork<Self>, Failure> {
        let process = in_own_process()?;
        let encoding = Self {
            options: options.check()?,
            pprof: pprof.to_vec(),
        };
        Ok(OwnWork::new(process, encoding))
    }
}

impl Work for Encoding {
    type Done = Vec<u8>;

    fn run(&mut self, _process: OwnProcess) -> std::result::Result<Vec<u8>, Failure> {
        guarded(|| {
            pronghorn_otlp::encode(&self.pprof, &self.options)
                .map_err(|error| Failure::new(Code::InvalidProfile, error.to_string()))
        })
    }
}

static BODIES: Resettable<Outcomes<Vec<u8>>> = Resettable::new(Outcomes::new());

/// In a forked process: what this file keeps.
pub(crate) fn reset_after_fork(alone: &Alone) {
    BODIES.reset(alone, Outcomes::new());
}

/// Makes the body of an OTLP profiles request with this pprof, gzipped or not, on another thread. Returns the number by which `encodedOtlp()` knows it.
#[napi]
pub fn encode_otlp(pprof: &[u8], options: OtlpOptions) -> Result<u32> {
    guarded(|| {
        let work = Encoding::begin(pprof, options)?;
        Ok(work.give(Line::Bodies, || BODIES.get(), |work, _on| (work.run(), ())))
    })
    .map_err(Into::into)
}

/// That body, once; undefined while it is being made.
#[napi(ts_return_type = "Buffer | undefined")]
pub fn encoded_otlp(work: u32) -> Result<Either<Buffer, ()>> {
    guarded(|| {
        in_own_process()?;
        Ok(match BODIES.get().take(work)? {
            Taken::There(body) => Either::A(Buffer::from(body)),
            Taken::NotYet | Taken::Elsewhere => Either::B(()),
        })
    })
    .map_err(Into::into)
}
