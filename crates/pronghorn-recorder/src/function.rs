//! A JavaScript function as a profile names it.

use std::sync::Arc;

use crate::Position;

/// What a profile says about one function. Shared by every frame that runs it, through an `Arc`.
///
/// Two functions that are equal by these three values are one function in the profile, even if they come from different
/// `Arc`s, for instance from two threads that loaded the same script.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// The function's name; the sampler puts `(anonymous)` for an empty one.
    pub name: Arc<str>,
    /// The script's name: a path, a `file:` URL, `node:internal/…`, or what the program chose.
    pub file: Arc<str>,
    /// The line on which the function begins, counted from 1; 0 if unknown.
    pub start_line: u32,
    /// If its script names a source map: what leads to the original.
    pub generated: Option<Generated>,
}

/// Where generated code says that its original is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Generated {
    /// The URL of the script's source map: one `Arc` for all functions of the script. Of a very long inline one, the beginning.
    pub url: Arc<str>,
    /// The length of the whole URL.
    pub url_length: u32,
    /// Where the function begins.
    pub start: Position,
    /// Where its name stands, if that is known.
    pub name: Option<Position>,
}
