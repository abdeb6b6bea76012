//! SharedFunctionInfo: a function's name and place.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, has_type};
use crate::scope_info;
use crate::script;
use crate::text;

/// What a SharedFunctionInfo says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// May be empty.
    pub(crate) name: String,
    /// The tagged Script; nothing for builtins.
    pub(crate) script: Option<u64>,
    /// Script offset of the first token (`function`, `class`, the name of a method).
    pub(crate) token: u32,
    /// Script offsets of start and end.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// False if only the name is known.
    pub(crate) placed: bool,
}

/// Names are cut here.
pub(crate) const LONGEST_NAME: u32 = 256;
/// The token's distance to the start does not fit into 16 bits.
const TOKEN_OUT_OF_RANGE: u16 = 0xffff;

/// The same with the names still in V8's memory. Found without an allocation: the signal handler may do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Tagged Strings: the first that is not empty is the name.
    pub(crate) names: [Option<u64>; 2],
    /// See [`Function`].
    pub(crate) script: Option<u64>,
    /// See [`Function`].
    pub(crate) token: u32,
    /// See [`Function`].
    pub(crate) start: u32,
    /// See [`Function`].
    pub(crate) end: u32,
    /// See [`Function`].
    pub(crate) placed: bool,
}

/// Reads the SharedFunctionInfo at `shared`, without its names.
pub(crate) fn outline<M: Memory>(memory: &M, layout: &Layout, shared: u64) -> Option<Outline> {
    if !has_type(memory, layout, shared, layout.types.shared_function_info) {
        return None;
    }
    let script = script::of_shared(memory, layout, shared);
    let name_or_scope = field(memory, shared, layout.shared.name_or_scope_info)?;
    let Some(scope) = scope_info::read(memory, layout, name_or_scope) else {
        return Some(Outline {
            names: [Some(name_or_scope), None],
            script,
            token: 0,
            start: 0,
            end: 0,
            placed: false,
        });
    };
    let distance = memory.u16(shared - 1 + layout.shared.token_offset)?;
    let distance = if distance == TOKEN_OUT_OF_RANGE {
        0
    } else {
        u32::from(distance)
    };
    Some(Outline {
        names: [scope.name, scope.inferred_name],
        script,
        token: scope.start.saturating_sub(distance),
        start: scope.start,
        end: scope.end,
        placed: true,
    })
}

/// Reads the SharedFunctionInfo at `shared`.
pub(crate) fn read<M: Memory>(memory: &M, layout: &Layout, shared: u64) -> Option<Function> {
    let Outline {
        names,
        script,
        token,
        start,
        end,
        placed,
    } = outline(memory, layout, shared)?;
    let name = names
        .into_iter()
        .flatten()
        .filter_map(|tagged| text::read(memory, layout, tagged, LONGEST_NAME))
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    Some(Function {
        name,
        script,
        token,
        start,
        end,
        placed,
    })
}
