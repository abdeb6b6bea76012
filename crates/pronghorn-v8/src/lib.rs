//! A read-only view of the V8 that runs in this process.
//!
//! No other crate knows an offset. At start: [`fault::install`], [`V8::get`] ([`Symbols::find`] and [`Layout::discover`], once per
//! process), [`CodeRanges::of`]. In the signal handler: [`classify`], one V8 frame at a time, and [`Namer`] for a thread that is stuck. At a safe point on the isolate's own
//! thread: [`Resolver::resolve`], which turns raw frames into functions and lines.

mod address_hash;
mod async_store;
mod baseline;
mod bytecode_sizes;
mod call_sites;
mod code;
mod deopt_points;
mod edge;
pub mod fault;
mod found;
mod frame;
mod frame_types;
mod function;
mod function_info;
mod functions;
#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used, reason = "it is for tests")]
pub mod fuzz;
mod kept;
mod layout;
mod lazy_exit;
mod line_ends;
mod line_search;
mod lines;
pub mod load;
mod memory;
mod namer;
mod object;
mod optimized;
mod position_table;
mod proof;
mod ranges;
mod raw_frame;
mod resolve;
mod safepoints;
mod scope_info;
mod scratch;
mod script;
mod scripts;
pub mod symbols;
mod table;
#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used, reason = "it is for tests")]
mod test_support;
mod text;
mod translation;
mod utf8;
mod version;

pub use async_store::StorePlace;
pub use found::V8;
pub use frame::{
    Broken, Classified, Entries, Entry, IsolateView, LeafRegisters, Registers, classify,
};
pub use function_info::{
    ANONYMOUS, BUILTIN_FILE, FunctionInfo, MapReference, Origin, Place, Resolved,
};
pub use kept::Kept;
pub use layout::{Frames, Layout, Unsupported};
pub use line_search::Mark;
pub use memory::{Live, Memory};
pub use namer::{Named, Namer, Room, Span};
pub use proof::{Proof, Proofs};
pub use ranges::{CodeRanges, Range, RangesError};
pub use raw_frame::{Kind, RawFrame};
pub use resolve::{Progress, Resolver};
pub use symbols::{Isolate, JsEntryStubs, MemoryRange, MissingSymbols, Symbols, exported};
pub use version::Version;
