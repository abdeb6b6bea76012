//! A JavaScript function as a profile names it.

/// What a profile says about one function. Shared by every frame that runs it, through an `Arc`.
///
/// Two functions that are equal by these three values are one function in the profile, even if they come from different
/// `Arc`s, for instance from two threads that loaded the same script.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// The function's name; the sampler puts `(anonymous)` for an empty one.
    pub name: String,
    /// The script's name: a path, a `file:` URL, `node:internal/…`, or what the program chose.
    pub file: String,
    /// The line on which the function begins, counted from 1; 0 if unknown.
    pub start_line: u32,
}
