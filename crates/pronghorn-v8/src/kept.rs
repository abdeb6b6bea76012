//! Frames that have been read, and whose lines are not counted: what is kept of them names nothing in V8's heap by its address, so it outlives a
//! collection. [`Resolver::keep`] makes it, [`Resolver::complete`] counts the lines.
//!
//! [`Resolver::keep`]: crate::Resolver::keep
//! [`Resolver::complete`]: crate::Resolver::complete

use std::sync::Arc;

use crate::function_info::{Place, Resolved};

/// A function of a frame, and where it was, as far as that is known without a count.
#[derive(Clone, Debug)]
pub struct Kept<F> {
    pub(crate) function: Named<F>,
    pub(crate) at: At,
}

#[derive(Clone, Debug)]
pub(crate) enum Named<F> {
    /// What `make` gave for it.
    Made(F),
    /// It was read, and is not made yet.
    Unlined(Arc<Unlined>),
}

/// All that is needed to make a function but its lines.
#[derive(Debug)]
pub(crate) struct Unlined {
    pub(crate) name: Arc<str>,
    pub(crate) script: i32,
    pub(crate) file: Option<Arc<str>>,
    /// The URL of the script's map and the length of the whole.
    pub(crate) map: Option<(Arc<str>, u32)>,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) token: u32,
    /// False if only the name is known.
    pub(crate) placed: bool,
    /// Script offset of its name.
    pub(crate) name_at: Option<u32>,
}

/// Where in its function a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Place(Place),
    /// Where the function starts, which is not counted yet.
    Start,
    /// At a script offset that is not counted yet. `start` stands in if it never can be.
    Offset {
        script: i32,
        offset: u32,
        start: Place,
    },
}

impl<F: Clone> Kept<F> {
    /// If nothing is missing.
    pub(crate) fn resolved(&self) -> Option<Resolved<F>> {
        match (&self.function, self.at) {
            (Named::Made(function), At::Place(place)) => Some(Resolved {
                function: function.clone(),
                place,
            }),
            _ => None,
        }
    }
}

impl<F: Clone> From<&Resolved<F>> for Kept<F> {
    fn from(resolved: &Resolved<F>) -> Self {
        Self {
            function: Named::Made(resolved.function.clone()),
            at: At::Place(resolved.place),
        }
    }
}

impl At {
    /// The place of the function's start, as far as that is known.
    pub(crate) fn start(self) -> Place {
        match self {
            Self::Place(place) => place,
            Self::Start | Self::Offset { .. } => Place::default(),
        }
    }
}
