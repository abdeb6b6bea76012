//! Source maps: from a place in generated code to what somebody wrote.
//!
//! ```text
//! script name + URL ──place──► file or text ──read──► bytes ──map──► a table ──cache──► shared by rotations
//! ```
//!
//! `place.rs` says where a map is, `read.rs` reads files and refuses what is none, `map.rs` makes a table of 20 bytes a mapping of it,
//! `source_path.rs` says what the sources are called, `cache.rs` keeps the tables. Nothing here knows threads, profiles or V8; parsing itself is the
//! crate `sourcemap`'s. Everything is bounded, and damaged input is an error.

#![forbid(unsafe_code)]

mod broken;
mod cache;
mod data_url;
mod map;
mod place;
mod read;
mod source_path;

pub use broken::Broken;
pub use cache::{Cache, Known, Script};
pub use map::{Map, Original};
pub use place::{Loaded, Stamp, load};
