//! From raw frames to functions and lines.

use crate::layout::Layout;
use crate::ranges::CodeRanges;
use crate::raw_frame::RawFrame;

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
#[derive(Clone, Copy, Debug)]
pub struct FunctionInfo<'a> {
    /// Never empty.
    pub name: &'a str,
    /// The script's name; never empty.
    pub file: &'a str,
    /// Line of the function's first token, from 1; 0 if it has no script.
    pub start_line: u32,
    /// Where it comes from.
    pub origin: Origin,
}

/// A function and the line it was at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<F> {
    /// What `make` gave for the function.
    pub function: F,
    /// From 1; 0 if unknown.
    pub line: u32,
}

/// Whether a kind of frame has been checked against real frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Proof {
    /// None seen yet.
    #[default]
    Unproved,
    /// A real frame met every invariant.
    Proved,
    /// The first real frame did not: such frames show their physical function at its start line.
    Refused,
}

/// The proofs of a resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Proofs {
    /// Interpreted frames.
    pub interpreted: Proof,
    /// Baseline frames.
    pub baseline: Proof,
    /// Maglev and turbofan frames.
    pub optimized: Proof,
    /// Inlined functions.
    pub inlined: Proof,
    /// Frames of a proved kind that did not meet an invariant.
    pub failures: u64,
}

/// Resolves the raw frames of one isolate.
pub struct Resolver<F: Clone> {
    layout: Layout,
    ranges: CodeRanges,
    functions: std::collections::HashMap<u64, F>,
}

impl<F: Clone> Resolver<F> {
    /// A resolver for one isolate.
    #[must_use]
    pub fn new(layout: Layout, ranges: CodeRanges) -> Self {
        Self {
            layout,
            ranges,
            functions: std::collections::HashMap::new(),
        }
    }

    /// Appends the functions of `raw`, innermost inlined one first, to `out`.
    ///
    /// # Safety
    /// On the isolate's own thread, outside GC, and since the last major GC nothing may have happened that `raw` does not
    /// know of.
    pub fn resolve(
        &mut self,
        raw: &RawFrame,
        make: &mut dyn FnMut(&FunctionInfo<'_>) -> F,
        out: &mut Vec<Resolved<F>>,
    ) {
        let _ = (raw, make, out, &self.layout, &self.ranges, &self.functions);
    }

    /// Drops every cache that is keyed by an address: after each major collection, and before the next `resolve`.
    pub fn forget_pointers(&mut self) {}

    /// What has been proved so far.
    #[must_use]
    pub fn proofs(&self) -> Proofs {
        Proofs::default()
    }

    /// Proves the interpreted layout on a raw frame of a function with a known name.
    ///
    /// # Errors
    /// What does not fit, as a sentence.
    pub fn prove_interpreted(&mut self, raw: &RawFrame, name: &str) -> Result<(), String> {
        let _ = (raw, name);
        Ok(())
    }
}
