//! Builds and encodes profiles in the pprof format: gzipped protocol buffers after `profile.proto`
//! (<https://github.com/google/pprof/blob/main/proto/profile.proto>).
//!
//! ```text
//! Profile ── StringTable, MappingTable, FunctionTable, LocationTable     each value once, numbered
//!    │
//!    └─ encoder: varint, message fields ──► write_to ──► gzip
//! ```
//!
//! Ids run from 1 to n without gaps, string 0 is the empty string, and samples name their locations leaf first. An id is a
//! newtype that only its table hands out, so a profile cannot refer to what it does not hold; ids of one profile mean
//! nothing in another.
//!
//! The crate knows nothing of V8, threads or clocks. No unsafe code, and no panics on any input.

#![forbid(unsafe_code)]

mod encoder;
mod fast_map;
mod function_table;
pub mod gzip;
mod label;
mod location_table;
mod mapping_table;
mod profile;
mod string_table;

pub use encoder::Message;
pub use fast_map::{FastHash, FastMap};
pub use function_table::{Function, FunctionId};
pub use label::Label;
pub use location_table::{Line, Location, LocationId};
pub use mapping_table::{Mapping, MappingId};
pub use profile::{Profile, ValueType};
pub use string_table::StringId;
