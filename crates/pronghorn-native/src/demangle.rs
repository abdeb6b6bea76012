//! Readable names from mangled ones.

/// A readable name for a symbol.
#[must_use]
pub fn demangle(name: &str) -> String {
    name.to_owned()
}
