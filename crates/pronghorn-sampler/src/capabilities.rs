//! What the sampler can do in this process at this moment, and why not more.

use pronghorn_sync::fork;
use pronghorn_v8::{Frames, Proofs, Version};

use crate::handler::on_sampling_signal;
use crate::session::{Found, found, is_running};
use crate::{breaker, discovery, failure, signal, thread};

/// What the sampler can do in this process.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// V8's version.
    pub v8_version: Version,
    /// How much of a frame can be told.
    pub frames: Frames,
    /// Whether V8's frames are walked.
    pub walk: bool,
    /// What is degraded, a sentence each.
    pub reasons: Vec<String>,
    /// The sampling signal.
    pub signal: i32,
    /// How forks of this process are noticed.
    pub fork: fork::Installed,
    /// Which layouts have been checked against real frames of the calling thread.
    pub proofs: Proofs,
}

/// What the sampler can do now. `None` before the first start.
pub fn capabilities() -> Option<Capabilities> {
    let Found { version, layout } = found()?;
    let fork = fork::installed()?;
    let frames = layout.frames;
    let mut reasons = Vec::new();
    let running = is_running();
    if frames == Frames::Physical {
        reasons.push(format!(
            "V8 {version} is not known: inlined functions and executed lines of optimized code are not shown"
        ));
    }
    let ours = !running || pronghorn_v8::fault::is_ours();
    if !ours {
        reasons.push(
            "another library replaced the SIGSEGV or SIGBUS handler: V8's frames are not walked"
                .to_owned(),
        );
    }
    if breaker::shared().is_open() {
        reasons.push("too many walks failed: V8's frames are not walked".to_owned());
    }
    if running && !signal::is_ours(on_sampling_signal) {
        reasons.push("another library took the sampling signal: nothing is sampled".to_owned());
    }
    if signal::uses_fallback() {
        reasons.push(
            "the kernel queues no more signals (RLIMIT_SIGPENDING): SIGSTKFLT is used instead"
                .to_owned(),
        );
    }
    if !fork.handlers {
        reasons.push(format!(
            "fork handlers could not be registered (errno {}): a fork does not wait for the profiler's own threads",
            fork.error
        ));
    }
    reasons.extend(discovery::reasons());
    if let Some(reason) = failure::reason() {
        reasons.push(reason);
    }
    let proofs = thread::current()
        .and_then(|(_, slot)| {
            let _busy = slot.work()?;
            thread::with(slot, |thread| thread.builder().resolver.proofs())
        })
        .unwrap_or_default();
    Some(Capabilities {
        v8_version: version,
        frames,
        walk: running && ours && !breaker::shared().is_open(),
        reasons,
        signal: signal::number(),
        fork,
        proofs,
    })
}
