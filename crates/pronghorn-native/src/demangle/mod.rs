//! Names that read well in a flame graph, from mangled ones.
//!
//! Symbol names come from files that are not trusted. Reading is bounded by the recursion limits of both readers, and text by
//! [`MAX_LENGTH`]: a short name of Rust's can stand for gigabytes. `cpp.rs` is the way in for C++, with a file for each part of its grammar;
//! Rust's names are rustc-demangle's.

mod cpp;
mod expressions;
mod operators;
mod reader;
#[cfg(test)]
mod tests;
mod types;

use std::fmt::{self, Write};

/// Longest demangled text in bytes; a name that would be longer stays mangled.
pub(crate) const MAX_LENGTH: usize = 4096;
/// What compilers append to the names of a function's parts and copies.
const CLONES: [&str; 6] = [
    ".cold",
    ".part.",
    ".constprop.",
    ".isra.",
    ".lto_priv.",
    ".llvm.",
];

/// A readable name for a symbol: C++ and Rust names are demangled, without parameters, return types and hashes, C++'s
/// template arguments as `<...>`; symbol versions and the marks of compiler-made copies are cut off. Any other name is returned
/// as it is. Never panics on damaged names.
#[must_use]
pub fn demangle(symbol: &str) -> String {
    // "@@GLIBC_2.14" behind a name in .symtab; an @ in front is part of the name.
    let name = match symbol.find('@') {
        Some(at) if at > 0 => symbol.get(..at).unwrap_or(symbol),
        _ => symbol,
    };
    let name = CLONES
        .iter()
        .filter_map(|mark| name.find(mark))
        .min()
        .and_then(|cut| name.get(..cut))
        .unwrap_or(name);
    let readable = if name.starts_with("_R") || is_legacy_rust(name) {
        rust(name)
    } else if name.starts_with("_Z") {
        cpp::read(name)
    } else {
        None
    };
    readable.unwrap_or_else(|| name.to_owned())
}

/// Rust's old mangling is C++'s with a hash as last path element: `17h`, 16 hexadecimal digits, `E`.
fn is_legacy_rust(name: &str) -> bool {
    let hash = name
        .strip_suffix('E')
        .and_then(|rest| rest.len().checked_sub(19).and_then(|at| rest.get(at..)));
    name.starts_with("_ZN")
        && hash
            .and_then(|hash| hash.strip_prefix("17h"))
            .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn rust(name: &str) -> Option<String> {
    let demangled = rustc_demangle::try_demangle(name).ok()?;
    let mut text = Bounded::default();
    // The alternate form leaves the hash out.
    write!(text, "{demangled:#}").ok()?;
    Some(text.0)
}

/// Text that refuses to grow beyond [`MAX_LENGTH`].
#[derive(Default)]
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > MAX_LENGTH {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
