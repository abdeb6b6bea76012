//! What `start` takes, checked. TypeScript has checked it with better messages; this is the last line of defence.

use napi_derive::napi;
use pronghorn_recorder::ProfileInfo;
use pronghorn_sampler::clock::Reading;
use pronghorn_sampler::{NativeFrames, Options, StallOptions, StallOutput};

use crate::error::{Code, Failure};
use crate::fork::ClockReading;

/// A label with a number.
#[napi(object)]
pub struct NumberLabel {
    /// Its name.
    pub key: String,
    /// Its value.
    pub number: i64,
}

/// What `start` takes.
#[napi(object)]
pub struct StartOptions {
    /// Nanoseconds between two samples of one thread.
    pub interval_nanos: f64,
    /// Frames a stack has at most.
    pub max_depth: u32,
    /// `none`, `leaf` or `all`.
    #[napi(ts_type = "'none' | 'leaf' | 'all'")]
    pub native_frames: String,
    /// `main` or `all`.
    #[napi(ts_type = "'main' | 'all'")]
    pub threads: String,
    /// Whether frames of generated code show their originals.
    pub source_maps: bool,
    /// How long a rotation waits for source maps at most, in nanoseconds.
    pub source_map_patience_nanos: Option<f64>,
    /// A turn of the event loop that takes longer is a stall, in nanoseconds; stalls are not watched for if it is missing.
    pub stall_threshold_nanos: Option<f64>,
    /// The file that reports of stalls are appended to; standard error if it is missing.
    pub stall_output: Option<String>,
    /// Comment of every profile.
    pub versions: String,
    /// Further comments.
    pub comments: Option<Vec<String>>,
    /// Labels of every sample of this process.
    pub labels: Option<Vec<NumberLabel>>,
    /// When the first period begins; now if it is missing.
    pub reading: Option<ClockReading>,
    /// Tests only: how many threads can be profiled at a time.
    pub max_threads: Option<u32>,
    /// Tests only: the V8 version to act for.
    #[napi(ts_type = "[number, number]")]
    pub v8_version: Option<Vec<u32>>,
    /// Tests only: the place whose next entry panics.
    pub inject_panic: Option<String>,
}

/// The shortest interval: a hundredth of the public minimum, for stress tests. Below some 60 µs the kernel's timers are what decides.
const SHORTEST_NS: f64 = 10_000.0;
const LONGEST_NS: f64 = 1_000_000_000.0;
const DEEPEST: u32 = 1_024;
/// Tests go below the public minimum.
const SHORTEST_STALL_NS: f64 = 1_000_000.0;
const LONGEST_STALL_NS: f64 = 3_600_000_000_000.0;

impl StartOptions {
    /// What every profile of the session carries.
    pub(crate) fn profile_info(&self, checked: &Options) -> ProfileInfo {
        let mut comments = vec![self.versions.clone()];
        comments.extend(self.comments.iter().flatten().cloned());
        ProfileInfo {
            period_ns: checked.interval_ns,
            comments,
            labels: self
                .labels
                .iter()
                .flatten()
                .map(|label| (label.key.clone(), label.number))
                .collect(),
        }
    }

    /// In the sampler's terms.
    pub(crate) fn check(&self) -> Result<Options, Failure> {
        let invalid = |what: String| Err(Failure::new(Code::InvalidOption, what));
        let interval = self.interval_nanos;
        if !(SHORTEST_NS..=LONGEST_NS).contains(&interval) {
            return invalid(format!(
                "intervalNanos is {interval}; it has to lie between {SHORTEST_NS} and {LONGEST_NS}"
            ));
        }
        if !(1..=DEEPEST).contains(&self.max_depth) {
            let depth = self.max_depth;
            return invalid(format!(
                "maxDepth is {depth}; it has to lie between 1 and {DEEPEST}"
            ));
        }
        let native_frames = match self.native_frames.as_str() {
            "none" => NativeFrames::None,
            "leaf" => NativeFrames::Leaf,
            "all" => NativeFrames::All,
            other => {
                return invalid(format!(
                    "nativeFrames is '{other}'; it has to be 'none', 'leaf' or 'all'"
                ));
            }
        };
        let all_threads = match self.threads.as_str() {
            "main" => false,
            "all" => true,
            other => {
                return invalid(format!(
                    "threads is '{other}'; it has to be 'main' or 'all'"
                ));
            }
        };
        let v8_version = match self.v8_version.as_deref() {
            None => None,
            Some(&[major, minor]) => Some((major, minor)),
            Some(_) => return invalid("v8Version has to be two numbers".to_owned()),
        };
        Ok(Options {
            stall: self.check_stall()?,
            interval_ns: interval as u64,
            max_depth: self.max_depth as usize,
            native_frames,
            source_maps: self.source_maps,
            all_threads,
            reading: self.reading.as_ref().map(Reading::from),
            max_threads: self.max_threads.map(|most| most as usize),
            v8_version,
        })
    }
    fn check_stall(&self) -> Result<Option<StallOptions>, Failure> {
        let Some(threshold) = self.stall_threshold_nanos else {
            return Ok(None);
        };
        if !(SHORTEST_STALL_NS..=LONGEST_STALL_NS).contains(&threshold) {
            return Err(Failure::new(
                Code::InvalidOption,
                format!(
                    "stallThresholdNanos is {threshold}; it has to lie between {SHORTEST_STALL_NS} and {LONGEST_STALL_NS}"
                ),
            ));
        }
        let output = match &self.stall_output {
            None => StallOutput::Stderr,
            Some(path) => StallOutput::File(path.into()),
        };
        Ok(Some(StallOptions {
            threshold_ns: threshold as u64,
            output,
        }))
    }
}
