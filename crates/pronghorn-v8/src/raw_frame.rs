//! One frame as the signal handler stores it: 24 bytes, no work left undone that a garbage collection could spoil soon.
//!
//! It holds no JSFunction, which scavenges move: only SharedFunctionInfo and BytecodeArray, which live in old space until
//! a major collection, and code addresses, which move only then too. Before each major collection raw frames are resolved or kept.

/// What a raw frame is.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Native code; made by the sampler. `pc`.
    Native = 0,
    /// Interpreted JavaScript: shared, bytecode array, bytecode offset.
    Interpreted = 1,
    /// Compiled JavaScript (baseline, maglev, turbofan, OSR) or a compiled regular expression: `pc`; shared may be 0,
    /// and a `pc` of 0 means that only the function is known.
    Compiled = 2,
    /// A builtin JavaScript function (`Array.prototype.map`): shared, `pc`.
    Builtin = 3,
    /// Compiled WebAssembly: `pc`.
    Wasm = 4,
    /// A compiled regular expression: `pc`.
    Regexp = 5,
    /// A frame whose function could not be told; counts as bad, resolves to nothing: `pc`.
    Unknown = 6,
}

/// A raw frame. Plain data: may be copied to and from any buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RawFrame {
    // Bits 0..48 pc or bytecode offset, bit 55: the pc is exact, bits 56..64 kind.
    word: u64,
    shared: u64,
    extra: u64,
}

const _: () = assert!(size_of::<RawFrame>() == 24);

const LOW: u64 = (1 << 48) - 1;
const EXACT: u64 = 1 << 55;

impl RawFrame {
    const fn new(kind: Kind, pc: u64, exact: bool, shared: u64, extra: u64) -> Self {
        Self {
            word: (pc & LOW) | if exact { EXACT } else { 0 } | ((kind as u64) << 56),
            shared,
            extra,
        }
    }

    /// A native frame. `exact`: `pc` is the interrupted instruction, not a return address.
    #[must_use]
    pub const fn native(pc: u64, exact: bool) -> Self {
        Self::new(Kind::Native, pc, exact, 0, 0)
    }

    pub(crate) const fn interpreted(shared: u64, bytecode_array: u64, offset: u32) -> Self {
        Self::new(
            Kind::Interpreted,
            offset as u64,
            true,
            shared,
            bytecode_array,
        )
    }

    pub(crate) const fn compiled(pc: u64, exact: bool, shared: u64) -> Self {
        Self::new(Kind::Compiled, pc, exact, shared, 0)
    }

    pub(crate) const fn function_only(shared: u64) -> Self {
        Self::new(Kind::Compiled, 0, true, shared, 0)
    }

    pub(crate) const fn builtin(pc: u64, exact: bool, shared: u64) -> Self {
        Self::new(Kind::Builtin, pc, exact, shared, 0)
    }

    pub(crate) const fn marker(kind: Kind, pc: u64, exact: bool) -> Self {
        Self::new(kind, pc, exact, 0, 0)
    }

    /// What it is; a word from nowhere is [`Kind::Unknown`].
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.word >> 56 {
            0 => Kind::Native,
            1 => Kind::Interpreted,
            2 => Kind::Compiled,
            3 => Kind::Builtin,
            4 => Kind::Wasm,
            5 => Kind::Regexp,
            _ => Kind::Unknown,
        }
    }

    /// The program counter; for interpreted frames the bytecode offset.
    #[must_use]
    pub const fn pc(&self) -> u64 {
        self.word & LOW
    }

    /// True if the pc is the interrupted instruction itself, false for a return address.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.word & EXACT != 0
    }

    /// The tagged SharedFunctionInfo, or 0.
    #[must_use]
    pub const fn shared(&self) -> u64 {
        self.shared
    }

    /// The tagged BytecodeArray of interpreted frames; 0 in others.
    #[must_use]
    pub const fn bytecode_array(&self) -> u64 {
        self.extra
    }
}
