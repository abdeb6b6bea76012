//! Collects resolved samples in two slots and turns one period after the other into a gzipped pprof.
//!
//! ```text
//! JavaScript threads ──record──► slot one │ slot two ◄──flip── the rotating thread ──serialize──► pprof bytes
//! ```
//!
//! Start reading in `recorder.rs`: the protocol of the slots is all there. `slot.rs` is what a slot holds, `encode.rs` how it
//! becomes a profile, `finished_period.rs` what a flip hands over.
//!
//! The crate knows neither signals nor V8. It runs under plain `cargo test`, and under loom with `./loom.sh`.

#![forbid(unsafe_code)]

mod clock;
mod encode;
mod error;
mod finished_period;
mod frame;
mod function;
mod hash;
mod label_set;
mod original;
mod position;
mod recorder;
mod sample;
mod slot;
mod statistics;
mod symbolizer;

pub use clock::{Moment, ProfileTime};
pub use encode::ProfileInfo;
pub use error::{RecordError, RotationInProgress, SerializeError};
pub use finished_period::{FinishedPeriod, SerializedProfile};
pub use frame::{Frame, Marker};
pub use function::{Function, Generated};
pub use label_set::LabelSet;
pub use position::Position;
pub use recorder::Recorder;
#[cfg(feature = "failpoints")]
pub use recorder::{Inspection, SlotInspection};
pub use sample::{Sample, ThreadLabel, Values};
pub use slot::SlotData;
pub use statistics::StatisticsSnapshot;
pub use symbolizer::{MappedScript, MappingInfo, NativeLocation, NoSymbols, Original, Symbolizer};
