//! Errors as JavaScript sees them: a message and a stable `code`.

use napi::Error;
use pronghorn_sampler::StartError;

/// The codes that the native half uses; lib/errors.ts documents them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    UnsupportedRuntime,
    AlreadyStarted,
    NotStarted,
    RotationInProgress,
    SerializeFailed,
    InvalidOption,
    InvalidProfile,
    Forked,
    ForkedInWorker,
    Internal,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Self::UnsupportedRuntime => "ERR_PRONGHORN_UNSUPPORTED_RUNTIME",
            Self::AlreadyStarted => "ERR_PRONGHORN_ALREADY_STARTED",
            Self::NotStarted => "ERR_PRONGHORN_NOT_STARTED",
            Self::RotationInProgress => "ERR_PRONGHORN_ROTATION_IN_PROGRESS",
            Self::SerializeFailed => "ERR_PRONGHORN_SERIALIZE_FAILED",
            Self::InvalidOption => "ERR_PRONGHORN_INVALID_OPTION",
            Self::InvalidProfile => "ERR_PRONGHORN_INVALID_PROFILE",
            Self::Forked => "ERR_PRONGHORN_FORKED",
            Self::ForkedInWorker => "ERR_PRONGHORN_FORKED_IN_WORKER",
            Self::Internal => "ERR_PRONGHORN_INTERNAL",
        }
    }
}

/// An error on its way to JavaScript. Plain data, so it may cross threads.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<Failure> for Error<Code> {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code, failure.message)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Unsupported(reason) => Self::new(Code::UnsupportedRuntime, reason),
            StartError::Failed(reason) => Self::new(Code::Internal, reason),
            StartError::Forked => Self::new(
                Code::Forked,
                "this process was forked off while its parent started the profiler",
            ),
        }
    }
}

/// What a `#[napi]` function returns.
pub(crate) type Result<T> = std::result::Result<T, Error<Code>>;

/// Runs `work`; a panic in it switches the sampler off and becomes an error.
pub(crate) fn guarded<T>(
    work: impl FnOnce() -> std::result::Result<T, Failure>,
) -> std::result::Result<T, Failure> {
    pronghorn_sampler::failure::guarded("a native call", work).unwrap_or_else(|| {
        let reason = pronghorn_sampler::failure::reason();
        Err(Failure::new(
            Code::Internal,
            reason.unwrap_or_else(|| "a native call failed".to_owned()),
        ))
    })
}
