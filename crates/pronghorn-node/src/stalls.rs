//! Stalls, as JavaScript takes them: after `onStall` was called, or before it stops the profiler.
//!
//! Threads: the JavaScript thread that started the profiler. Keeps nothing; what a fork does to it stands in the sampler's stall.rs.

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use pronghorn_sampler::stall::{self, FrameKind, ReportFrame, Stall};

use crate::error::{Result, guarded};
use crate::fork::in_own_process;

/// A frame of the stack that blocked the event loop.
#[napi(object)]
pub struct StallFrame {
    /// What it is.
    #[napi(ts_type = "'script' | 'builtin' | 'wasm' | 'regexp' | 'native'")]
    pub kind: String,
    /// The function's name.
    pub function: String,
    /// The script, or the file's name of a binary; empty if there is none.
    pub file: String,
    /// From 1; 0 if it is unknown.
    pub line: u32,
    /// From 1; 0 if it is unknown.
    pub column: u32,
}

/// A stall that is over.
#[napi(object)]
pub struct NativeStall {
    /// The kernel's id of the process.
    pub pid: i32,
    /// When the event loop began to be blocked, in nanoseconds since the epoch.
    pub start_time_nanos: BigInt,
    /// For how long it was.
    pub duration_nanos: f64,
    /// What that was compared with.
    pub threshold_nanos: f64,
    /// When the stack was taken, in nanoseconds since the beginning.
    pub taken_after_nanos: f64,
    /// Whether the loop had not come round since the profiler started.
    pub since_start: bool,
    /// Innermost first.
    pub frames: Vec<StallFrame>,
    /// Frames further out than those.
    pub left_out: u32,
    /// The frames as text.
    pub stack: String,
}

impl From<ReportFrame> for StallFrame {
    fn from(frame: ReportFrame) -> Self {
        let kind = match frame.kind {
            FrameKind::Script => "script",
            FrameKind::Builtin => "builtin",
            FrameKind::Wasm => "wasm",
            FrameKind::Regexp => "regexp",
            FrameKind::Native => "native",
        };
        Self {
            kind: kind.to_owned(),
            function: frame.function,
            file: frame.file,
            line: frame.line,
            column: frame.column,
        }
    }
}

impl From<Stall> for NativeStall {
    fn from(stall: Stall) -> Self {
        let Stall {
            report,
            duration_ns,
            threshold_ns,
        } = stall;
        Self {
            pid: report.pid,
            start_time_nanos: BigInt::from(report.since_epoch_ns),
            duration_nanos: duration_ns as f64,
            threshold_nanos: threshold_ns as f64,
            taken_after_nanos: report.blocked_ns as f64,
            since_start: report.since_start,
            stack: report.stack().trim_end().to_owned(),
            left_out: report.left_out,
            frames: report.frames.into_iter().map(StallFrame::from).collect(),
        }
    }
}

/// The oldest stall that has ended, each handed out once; null if there is none. `stopping`: one that is under way counts as ended.
#[napi]
pub fn take_stall(stopping: bool) -> Result<Option<NativeStall>> {
    guarded(|| {
        in_own_process()?;
        Ok(stall::take(stopping).map(NativeStall::from))
    })
    .map_err(Into::into)
}
