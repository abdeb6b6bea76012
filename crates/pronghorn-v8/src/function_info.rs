//! What a resolver tells about functions.

use std::sync::Arc;

/// Where a function comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A script.
    Script,
    /// A builtin of V8 or Node, without a script.
    Builtin,
    /// WebAssembly.
    Wasm,
    /// A compiled regular expression.
    Regexp,
}

/// What `make` is told about a function, once per function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionInfo<'a> {
    /// Never empty; `(anonymous)` for a function without a name, `(wasm)` and `(regexp)` for those. What `make` keeps of it is no copy.
    pub name: &'a Arc<str>,
    /// The script's name, the same `Arc` for all functions of a script; `(builtin)` for builtins; empty for `(wasm)` and `(regexp)`.
    pub file: &'a Arc<str>,
    /// Line of the function's first token, from 1; 0 if it is unknown.
    pub start_line: u32,
    /// Where it comes from.
    pub origin: Origin,
    /// If its script names a source map and the resolver was made to look for it.
    pub map: Option<MapReference<'a>>,
}

/// A place in a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// From 1; 0 if it is unknown.
    pub line: u32,
    /// UTF-16 units in front of it on its line. 0 where nobody asks for it: in scripts without a source map.
    pub column: u32,
}

/// What leads to the original of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapReference<'a> {
    /// The URL of the script's map, never empty, the same `Arc` for all functions of a script. Of a very long one, the beginning.
    pub url: &'a Arc<str>,
    /// The length of the whole URL.
    pub url_length: u32,
    /// The function's first token.
    pub start: Place,
    /// Where its name stands in the script, in front of it.
    pub name: Option<Place>,
}

/// A function and the place it was at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<F> {
    /// What `make` gave for the function.
    pub function: F,
    /// Where.
    pub place: Place,
}

/// The name of functions without one.
pub const ANONYMOUS: &str = "(anonymous)";
/// The file of builtins.
pub const BUILTIN_FILE: &str = "(builtin)";
