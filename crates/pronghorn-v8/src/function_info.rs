//! What a resolver tells about functions.

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
    /// Never empty; `(anonymous)` for a function without a name, `(wasm)` and `(regexp)` for those.
    pub name: &'a str,
    /// The script's name; `(builtin)` for builtins; empty for `(wasm)` and `(regexp)`.
    pub file: &'a str,
    /// Line of the function's first token, from 1; 0 if it is unknown.
    pub start_line: u32,
    /// Where it comes from.
    pub origin: Origin,
}

/// A function and the line it was at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<F> {
    /// What `make` gave for the function.
    pub function: F,
    /// From 1; 0 if it is unknown.
    pub line: u32,
}

/// The name of functions without one.
pub const ANONYMOUS: &str = "(anonymous)";
/// The file of builtins.
pub const BUILTIN_FILE: &str = "(builtin)";
