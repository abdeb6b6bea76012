//! `stats()` and `capabilities()` as JavaScript objects.

use std::sync::atomic::Ordering::Relaxed;

use napi_derive::napi;
use pronghorn_recorder::StatisticsSnapshot;
use pronghorn_sampler::statistics::SamplerStatistics;
use pronghorn_sampler::{Capabilities, statistics};
use pronghorn_sync::fork::{Installed, Witness};

use crate::source_maps;

/// Samples of one thread that were still unresolved when the profiler stopped.
#[napi(object)]
#[derive(Clone)]
pub struct LeftBehind {
    /// Kernel thread id.
    pub thread_id: u32,
    /// The thread's name.
    pub thread_name: String,
    /// How many samples.
    pub samples: f64,
}

/// Counters since `start()`; times in nanoseconds. docs/api.md explains each.
#[napi(object)]
#[derive(Clone)]
#[allow(missing_docs, reason = "docs/api.md explains each counter")]
pub struct Stats {
    pub samples: f64,
    pub dropped_samples: f64,
    pub deferred_samples: f64,
    pub faults: f64,
    pub refused_walks: f64,
    pub broken_walks: f64,
    pub bad_frames: f64,
    pub truncated_samples: f64,
    pub gc_samples: f64,
    pub idle_samples: f64,
    pub signals_sent: f64,
    pub forged_signals: f64,
    pub unqueued_signals: f64,
    /// Signals that their threads never got.
    pub lost_signals: f64,
    pub recorded: f64,
    pub dropped_by_recorder: f64,
    pub serializations: f64,
    pub failed_serializations: f64,
    pub serialize_min_nanos: f64,
    pub serialize_mean_nanos: f64,
    pub serialize_max_nanos: f64,
    pub encode_cpu_nanos: f64,
    pub handler_p50_nanos: f64,
    pub handler_p99_nanos: f64,
    pub handler_max_nanos: f64,
    pub handler_total_nanos: f64,
    pub resolve_nanos: f64,
    pub collection_nanos: f64,
    pub resolve_max_nanos: f64,
    pub ticker_cpu_nanos: f64,
    pub forgotten_label_sets: f64,
    pub lost_labels: f64,
    /// Passes of resolving that ran out of time with samples left.
    pub unfinished_resolves: f64,
    pub stalls: f64,
    pub stall_reports: f64,
    pub lost_stall_reports: f64,
    pub start_nanos: f64,
    pub forks: f64,
    pub late_forks: f64,
    pub fork_handlers_p50_nanos: f64,
    pub fork_handlers_p99_nanos: f64,
    pub source_maps_loaded: f64,
    pub source_maps_failed: f64,
    pub source_maps_late: f64,
    pub source_map_bytes: f64,
    pub source_map_nanos: f64,
    pub source_map_max_nanos: f64,
    pub left_behind: Vec<LeftBehind>,
}

/// How forks of this process are noticed.
#[napi(object)]
pub struct ForkSupport {
    /// Whether fork handlers are registered: then a fork waits for the profiler's own threads.
    pub handlers: bool,
    /// What else tells a child that it is one.
    #[napi(ts_type = "'page' | 'process id'")]
    pub witness: String,
    /// Why no handlers are registered; empty if they are.
    pub reason: String,
}

impl From<Installed> for ForkSupport {
    fn from(installed: Installed) -> Self {
        let Installed {
            handlers,
            error,
            witness,
        } = installed;
        Self {
            handlers,
            witness: match witness {
                Witness::Page => "page",
                Witness::ProcessId => "process id",
            }
            .to_owned(),
            reason: if handlers {
                String::new()
            } else {
                let error = std::io::Error::from_raw_os_error(error);
                format!("fork handlers could not be registered: {error}")
            },
        }
    }
}

/// What the profiler can do in this process; see docs/api.md.
#[napi(object, js_name = "Capabilities")]
pub struct CapabilitiesObject {
    /// V8's version.
    pub v8_version: String,
    /// `full` or `physical`.
    #[napi(ts_type = "'full' | 'physical'")]
    pub frames: String,
    /// Whether V8's frames are walked.
    pub walk: bool,
    /// What is degraded, a sentence each.
    pub reasons: Vec<String>,
    /// The sampling signal's number.
    pub signal: i32,
    /// How forks of this process are noticed.
    pub fork: ForkSupport,
    /// Baseline frames: `proved`, `unproved` or `refused`.
    #[napi(ts_type = "'proved' | 'unproved' | 'refused'")]
    pub baseline: String,
    /// Maglev and turbofan frames.
    #[napi(ts_type = "'proved' | 'unproved' | 'refused'")]
    pub optimized: String,
    /// Inlined functions.
    #[napi(ts_type = "'proved' | 'unproved' | 'refused'")]
    pub inlined: String,
}

impl Stats {
    /// The counters of this moment. `recorder` is the last one known after a stop.
    pub(crate) fn now(recorder: StatisticsSnapshot, start_ns: u64, encode_cpu_ns: u64) -> Self {
        let SamplerStatistics {
            samples,
            dropped,
            deferred,
            broken,
            refused,
            truncated,
            gc,
            idle,
            bad_frames,
            faults,
            signals_sent,
            forged_signals,
            unqueued_signals,
            lost_signals,
            handler_p50_ns,
            handler_p99_ns,
            handler_max_ns,
            handler_total_ns,
            resolve_total_ns,
            collection_ns,
            resolve_max_ns,
            ticker_cpu_ns,
            forgotten_label_sets,
            lost_labels,
            unfinished_resolves,
            stalls,
            stall_reports,
            lost_stall_reports,
            forks,
            late_forks,
            fork_handlers_p50_ns,
            fork_handlers_p99_ns,
            left_behind,
        } = statistics::snapshot();
        let maps = source_maps::counters();
        let left_behind = left_behind
            .into_iter()
            .map(|left| LeftBehind {
                thread_id: left.thread_id,
                thread_name: left.thread_name,
                samples: left.samples as f64,
            })
            .collect();
        Self {
            samples: samples as f64,
            dropped_samples: dropped as f64,
            deferred_samples: deferred as f64,
            faults: faults as f64,
            refused_walks: refused as f64,
            broken_walks: broken as f64,
            bad_frames: bad_frames as f64,
            truncated_samples: truncated as f64,
            gc_samples: gc as f64,
            idle_samples: idle as f64,
            signals_sent: signals_sent as f64,
            forged_signals: forged_signals as f64,
            unqueued_signals: unqueued_signals as f64,
            lost_signals: lost_signals as f64,
            recorded: recorder.recorded as f64,
            dropped_by_recorder: recorder.dropped as f64,
            serializations: recorder.serializations as f64,
            failed_serializations: recorder.failures as f64,
            serialize_min_nanos: recorder.serialize_min_ns as f64,
            serialize_mean_nanos: recorder.serialize_mean_ns as f64,
            serialize_max_nanos: recorder.serialize_max_ns as f64,
            encode_cpu_nanos: encode_cpu_ns as f64,
            handler_p50_nanos: handler_p50_ns as f64,
            handler_p99_nanos: handler_p99_ns as f64,
            handler_max_nanos: handler_max_ns as f64,
            handler_total_nanos: handler_total_ns as f64,
            resolve_nanos: resolve_total_ns as f64,
            collection_nanos: collection_ns as f64,
            resolve_max_nanos: resolve_max_ns as f64,
            ticker_cpu_nanos: ticker_cpu_ns as f64,
            forgotten_label_sets: forgotten_label_sets as f64,
            lost_labels: lost_labels as f64,
            unfinished_resolves: unfinished_resolves as f64,
            stalls: stalls as f64,
            stall_reports: stall_reports as f64,
            lost_stall_reports: lost_stall_reports as f64,
            start_nanos: start_ns as f64,
            forks: forks as f64,
            late_forks: late_forks as f64,
            fork_handlers_p50_nanos: fork_handlers_p50_ns as f64,
            fork_handlers_p99_nanos: fork_handlers_p99_ns as f64,
            source_maps_loaded: maps.loaded.load(Relaxed) as f64,
            source_maps_failed: maps.failed.load(Relaxed) as f64,
            source_maps_late: maps.late.load(Relaxed) as f64,
            source_map_bytes: maps.bytes.load(Relaxed) as f64,
            source_map_nanos: maps.total_ns.load(Relaxed) as f64,
            source_map_max_nanos: maps.max_ns.load(Relaxed) as f64,
            left_behind,
        }
    }
}

impl From<Capabilities> for CapabilitiesObject {
    fn from(capabilities: Capabilities) -> Self {
        let Capabilities {
            v8_version,
            frames,
            walk,
            reasons,
            signal,
            fork,
            proofs,
        } = capabilities;
        Self {
            v8_version: v8_version.to_string(),
            frames: match frames {
                pronghorn_sampler::Frames::Full => "full",
                pronghorn_sampler::Frames::Physical => "physical",
            }
            .to_owned(),
            walk,
            reasons,
            signal,
            fork: ForkSupport::from(fork),
            baseline: word(proofs.baseline),
            optimized: word(proofs.optimized),
            inlined: word(proofs.inlined),
        }
    }
}

fn word(proof: pronghorn_sampler::Proof) -> String {
    use pronghorn_sampler::Proof;
    match proof {
        Proof::Proved => "proved",
        Proof::Unproved { .. } => "unproved",
        Proof::Refused => "refused",
    }
    .to_owned()
}
