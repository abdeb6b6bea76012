//! A read-only view of the V8 that runs in this process.
//!
//! No other crate knows an offset. At start: [`fault::install`], [`Symbols::find`], [`Layout::discover`],
//! [`CodeRanges::of`]. In the signal handler: [`classify`], one V8 frame at a time. At a safe point on the isolate's own
//! thread: [`Resolver::resolve`], which turns raw frames into functions and lines.

mod bytecode_sizes;
mod edge;
pub mod fault;
mod frame;
mod frame_types;
mod layout;
pub mod load;
mod memory;
mod object;
mod ranges;
mod raw_frame;
mod resolve;
pub mod symbols;
mod table;
mod version;

pub use frame::{Broken, Classified, IsolateView, LeafRegisters, Registers, classify};
pub use layout::{Frames, Layout, Unsupported};
pub use memory::{Live, Memory};
pub use ranges::{CodeRanges, Range, RangesError};
pub use raw_frame::{Kind, RawFrame};
pub use resolve::{FunctionInfo, Origin, Proof, Proofs, Resolved, Resolver};
pub use symbols::{
    GcCallback, Isolate, JsEntryStubs, MemoryRange, MissingSymbols, RegisterState, SampleInfo,
    Symbols, exported,
};
pub use version::Version;
