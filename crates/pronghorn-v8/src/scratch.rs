//! Places that the resolver reads V8's tables into, used again and again.
//!
//! Not for what an allocation costs by itself: one that does not come out of glibc's cache of freed pieces (any calloc, any that grows, any above a kilobyte) first sorts all that
//! the program has freed since the last one of that kind (glibc 2.36, `_int_malloc`), which takes milliseconds where V8 has just compiled a lot. The fewer of them are ours, the seldomer that
//! falls into a slice (docs/measurements.md, "Slices").

use crate::call_sites::{Jump, Site};
use crate::deopt_points::{Call, Exit};

/// See the module documentation. What stands in them is nobody's.
#[derive(Default)]
pub(crate) struct Scratch {
    /// A table as it stands in memory.
    pub(crate) bytes: Vec<u8>,
    /// A part of another one, while `bytes` is in use.
    pub(crate) part: Vec<u8>,
    /// A position table, read.
    pub(crate) positions: Vec<(i64, u64)>,
    pub(crate) calls: Vec<Call>,
    pub(crate) jumps: Vec<Jump>,
    pub(crate) exits: Vec<Exit>,
    pub(crate) sites: Vec<Site>,
}

/// What stays for the next table; the place of a larger one is given back.
const MOST_KEPT: usize = 256 << 10;

impl Scratch {
    /// Gives back what was for an unusually large table.
    pub(crate) fn trim(&mut self) {
        let Self {
            bytes,
            part,
            positions,
            calls,
            jumps,
            exits,
            sites,
        } = self;
        trim(bytes);
        trim(part);
        trim(positions);
        trim(calls);
        trim(jumps);
        trim(exits);
        trim(sites);
    }
}

fn trim<T>(place: &mut Vec<T>) {
    if place.capacity() * size_of::<T>() > MOST_KEPT {
        *place = Vec::new();
    }
}

/// `place` with `size` bytes, whatever they are.
pub(crate) fn sized(place: &mut Vec<u8>, size: usize) -> &mut [u8] {
    if place.len() < size {
        place.resize(size, 0);
    }
    place.get_mut(..size).unwrap_or_default()
}
