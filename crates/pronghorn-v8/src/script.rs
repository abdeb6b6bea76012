//! Scripts: identity, file name, line offset.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, has_type, smi_field};
use crate::text;

/// What a script says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// Unique within the isolate, for its whole life.
    pub(crate) id: i32,
    /// Never empty.
    pub(crate) file: String,
    /// Lines in front of the source in its resource.
    pub(crate) line_offset: u32,
}

const LONGEST_NAME: u32 = 4096;
const DEEPEST_EVAL: u32 = 16;
const NAMELESS: &str = "(script without a name)";

/// The Script of a SharedFunctionInfo. With a debugger attached, older versions keep a DebugInfo in that slot, which has
/// the Script in one of its own first slots.
pub(crate) fn of_shared<M: Memory>(memory: &M, layout: &Layout, shared: u64) -> Option<u64> {
    let script = field(memory, shared, layout.shared.script)?;
    let is_script = |tagged: u64| has_type(memory, layout, tagged, layout.types.script);
    if is_script(script) {
        return Some(script);
    }
    (1..6)
        .filter_map(|index| field(memory, script, index * 8))
        .find(|&word| is_script(word))
}

/// The id of the Script at `tagged`.
pub(crate) fn id<M: Memory>(memory: &M, layout: &Layout, tagged: u64) -> Option<i32> {
    if !has_type(memory, layout, tagged, layout.types.script) {
        return None;
    }
    smi_field(memory, tagged, layout.script.id)
}

/// Reads the Script at `tagged`.
pub(crate) fn read<M: Memory>(memory: &M, layout: &Layout, tagged: u64) -> Option<Script> {
    let id = id(memory, layout, tagged)?;
    let line_offset = smi_field(memory, tagged, layout.script.line_offset).unwrap_or(0);
    Some(Script {
        id,
        file: file(memory, layout, tagged),
        // compileFunction and vm.Script may state a negative one.
        line_offset: u32::try_from(line_offset).unwrap_or(0),
    })
}

/// The script's own name, else its sourceURL, else where its eval was.
fn file<M: Memory>(memory: &M, layout: &Layout, tagged: u64) -> String {
    let mut script = tagged;
    for depth in 0..DEEPEST_EVAL {
        let text_at = |offset: u64| {
            let name = field(memory, script, offset)?;
            text::read(memory, layout, name, LONGEST_NAME).filter(|name| !name.is_empty())
        };
        if let Some(name) =
            text_at(layout.script.name).or_else(|| text_at(layout.script.source_url))
        {
            return if depth == 0 {
                name
            } else {
                format!("eval at {name}")
            };
        }
        let Some(outer) = field(memory, script, layout.script.eval_from_shared)
            .filter(|&shared| has_type(memory, layout, shared, layout.types.shared_function_info))
            .and_then(|shared| of_shared(memory, layout, shared))
        else {
            break;
        };
        script = outer;
    }
    NAMELESS.to_owned()
}
