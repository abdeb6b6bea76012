//! Encodes a finished pprof as the body of an OTLP profiles request: `ExportProfilesServiceRequest` of
//! opentelemetry-proto, `profiles/v1development`, as of 1.11
//! (<https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/profiles/v1development/profiles.proto>).
//!
//! ```text
//! bytes ─ gunzip ─ wire ─▶ pprof: what the profile holds
//!                            │ convert, labels
//!                            ▼
//!              dictionary: each value once   samples: each identity once
//!                            │                  │
//!                            └──── request ◀────┘──▶ rope ─▶ gzip
//! ```
//!
//! Nothing in a dictionary is there twice, since its tables take values, and nothing without being referred to, since an entry gets its number
//! when somebody who is written names it. docs/otlp.md says what becomes of what.
//!
//! The bytes may be anybody's. Whatever they are, the result is a request that keeps every rule of the format, or an [`Error`]; what is read
//! is bounded (see `pprof.rs`), and time and memory are linear in it. No unsafe code, and no panics on any input.

#![forbid(unsafe_code)]

mod attribute;
mod convert;
mod dictionary;
mod error;
mod gunzip;
mod labels;
mod pprof;
mod request;
mod rope;
mod samples;
mod table;
mod wire;

pub use error::Error;
pub use request::{Options, Value, encode};
