//! One frame of a resolved stack.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::{Function, Position};

/// One frame of a resolved stack: 16 bytes, so that a stack of 30 frames is half a kilobyte.
///
/// Script frames are compared by the address of their function, not by its text: comparing is then as cheap as
/// comparing numbers. Equal functions behind different `Arc`s are merged when the profile is encoded.
#[derive(Debug, Clone)]
pub enum Frame {
    /// JavaScript.
    Script {
        /// The function that runs. The sampler keeps one `Arc` per function and clones it for every frame.
        function: Arc<Function>,
        /// The place that was executing.
        position: Position,
    },
    /// Native code at this address of the process; named off the main thread, by the [`Symbolizer`](crate::Symbolizer).
    Native {
        /// The address to look up.
        address: u64,
    },
    /// Something that is no function, but that a reader of the stack has to see.
    Marker(Marker),
}

// The size is part of the promise that recording is quick.
const _: () = assert!(size_of::<Frame>() == 16);

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Script { function, position },
                Self::Script {
                    function: other_function,
                    position: other_position,
                },
            ) => position == other_position && Arc::ptr_eq(function, other_function),
            (Self::Native { address }, Self::Native { address: other }) => address == other,
            (Self::Marker(marker), Self::Marker(other)) => marker == other,
            _ => false,
        }
    }
}

impl Eq for Frame {}

impl Hash for Frame {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash_word());
    }
}

impl Frame {
    /// A word that equal frames share: the input of the tables' own hash.
    pub(crate) fn hash_word(&self) -> u64 {
        match self {
            // An address has its top 16 bits free on every machine this runs on, and the line goes there and above the
            // low bits that alignment leaves zero.
            Self::Script { function, position } => {
                (Arc::as_ptr(function) as u64)
                    ^ u64::from(position.line()).rotate_left(44)
                    // 0 in most scripts; the odd factor spreads the others.
                    ^ u64::from(position.column()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            }
            Self::Native { address } => address ^ 1 << 63,
            Self::Marker(marker) => *marker as u64,
        }
    }
}

/// Frames that stand for something else than a function. The profile shows [`Marker::name`] as the function's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Marker {
    /// The event loop waits for events.
    Idle,
    /// V8 collects garbage, on the stack below.
    GarbageCollector,
    /// The stack was deeper than allowed; stands at the root end.
    Truncated,
    /// The walk gave up here; stands at the root end.
    Broken,
    /// The stack was not walked at all.
    WalkRefused,
    /// WebAssembly code.
    WebAssembly,
    /// Native code whose frames were not asked for.
    NativeCode,
}

impl Marker {
    /// The function name in the profile. These names are an interface: readers and tests look for them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "(idle)",
            Self::GarbageCollector => "(garbage collector)",
            Self::Truncated => "(truncated)",
            Self::Broken => "(broken)",
            Self::WalkRefused => "(walk refused)",
            Self::WebAssembly => "(wasm)",
            Self::NativeCode => "(native code)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str) -> Arc<Function> {
        Arc::new(Function {
            name: name.into(),
            file: "a.js".into(),
            start_line: 1,
            generated: None,
        })
    }

    #[test]
    fn script_frames_are_equal_by_function_identity_and_position() {
        let one = function("f");
        let same_text = function("f");
        let frame = |function: &Arc<Function>, line| Frame::Script {
            function: Arc::clone(function),
            position: Position::new(line, 0),
        };
        assert_eq!(frame(&one, 3), frame(&one, 3));
        assert_eq!(frame(&one, 3).hash_word(), frame(&one, 3).hash_word());
        assert_ne!(frame(&one, 3), frame(&one, 4));
        let elsewhere = Frame::Script {
            function: Arc::clone(&one),
            position: Position::new(3, 9),
        };
        assert_ne!(frame(&one, 3), elsewhere);
        assert_ne!(frame(&one, 3).hash_word(), elsewhere.hash_word());
        assert_ne!(frame(&one, 3), frame(&same_text, 3));
        assert_ne!(frame(&one, 3), Frame::Native { address: 3 });
    }

    #[test]
    fn marker_names_are_the_ones_readers_look_for() {
        let names = [
            Marker::Idle,
            Marker::GarbageCollector,
            Marker::Truncated,
            Marker::Broken,
            Marker::WalkRefused,
            Marker::WebAssembly,
            Marker::NativeCode,
        ]
        .map(Marker::name);
        assert_eq!(
            names,
            [
                "(idle)",
                "(garbage collector)",
                "(truncated)",
                "(broken)",
                "(walk refused)",
                "(wasm)",
                "(native code)"
            ]
        );
    }
}
