//! A period that is over and waits to be serialized.
//!
//! Fork: a period of the parent's is nothing in the child. What still refers to it there gets no data out of it, and
//! dropping it frees, unlocks and counts nothing: its tables are unmapped by the recorder's reset.

use std::sync::Arc;
use std::time::Instant;

use pronghorn_sync::OwnedGuard;

use crate::encode::{self, ProfileInfo};
use crate::recorder::{Recorder, Rotation};
use crate::slot::SlotData;
use crate::{ProfileTime, SerializeError, Symbolizer, Values};

/// What the inactive slot collected, taken out of it. Made by [`Recorder::flip`]; may move to another thread.
///
/// While it exists no other rotation can begin. Dropping it without [`FinishedPeriod::serialize`] gives the period up, which
/// counts as a failure.
#[must_use = "dropping a finished period loses it"]
pub struct FinishedPeriod {
    recorder: Arc<Recorder>,
    data: SlotData,
    start: ProfileTime,
    finish: ProfileTime,
    serialized: bool,
    // The last field: the tables are freed before the next rotation may begin.
    rotation: OwnedGuard<Rotation>,
}

/// A profile as it goes to a file or a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerializedProfile {
    /// A gzipped pprof.
    pub data: Vec<u8>,
    /// When the period began.
    pub start: ProfileTime,
    /// When it ended; never before `start`.
    pub finish: ProfileTime,
    /// The sum of all its samples.
    pub totals: Values,
}

impl FinishedPeriod {
    pub(crate) fn new(
        recorder: Arc<Recorder>,
        rotation: OwnedGuard<Rotation>,
        data: SlotData,
        start: ProfileTime,
        finish: ProfileTime,
    ) -> Self {
        Self {
            recorder,
            data,
            start,
            finish,
            serialized: false,
            rotation,
        }
    }

    /// When the period began.
    #[must_use]
    pub fn start(&self) -> ProfileTime {
        self.start
    }

    /// When it ended; the next one begins at the same time, unless the real-time clock was set meanwhile.
    #[must_use]
    pub fn finish(&self) -> ProfileTime {
        self.finish
    }

    /// The sum of all its samples; nothing in a process that inherited it.
    #[must_use]
    pub fn totals(&self) -> Values {
        if self.is_inherited() {
            return Values::default();
        }
        self.data.totals()
    }

    /// How many distinct stacks per thread it has; none in a process that inherited it.
    #[must_use]
    pub fn stack_count(&self) -> usize {
        if self.is_inherited() {
            return 0;
        }
        self.data.stacks().count()
    }

    /// Whether it is a period of a process that this one was forked off from.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        // Taken when the flip began, so a fork in the middle of the flip counts too.
        self.rotation.is_inherited()
    }

    /// Takes the data out, for tests that look at whose memory it is.
    #[cfg(test)]
    pub(crate) fn into_data(mut self) -> SlotData {
        std::mem::replace(&mut self.data, SlotData::placeholder())
    }

    /// Encodes and compresses the period, naming its native addresses. Takes milliseconds: not on the main thread.
    /// No lock is held that a recording thread could want.
    ///
    /// # Errors
    /// The period is lost then, and counted as a failure. The next rotation can begin either way.
    /// [`SerializeError::Forked`] in a process that inherited it, or that was forked off meanwhile: that counts nothing.
    pub fn serialize(
        mut self,
        symbolizer: &mut dyn Symbolizer,
        info: &ProfileInfo,
    ) -> Result<SerializedProfile, SerializeError> {
        if self.is_inherited() {
            return Err(SerializeError::Forked);
        }
        let began = Instant::now();
        let data = encode::encode(&self.data, self.start, self.finish, symbolizer, info)?;
        // A handler that interrupted this may have forked, and this be the child: the profile is the parent's.
        if self.is_inherited() {
            return Err(SerializeError::Forked);
        }
        self.recorder.counters().note_serialization(began.elapsed());
        self.serialized = true;
        Ok(SerializedProfile {
            data,
            start: self.start,
            finish: self.finish,
            totals: self.data.totals(),
        })
    }
}

impl Drop for FinishedPeriod {
    fn drop(&mut self) {
        // Here and not where errors are returned, so that a panic while serializing and a period nobody asked for count too.
        if !self.serialized && !self.is_inherited() {
            self.recorder.counters().note_failure();
        }
    }
}
