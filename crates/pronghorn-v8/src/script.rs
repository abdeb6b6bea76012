//! Scripts: identity, file name, line offset.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::object::{field, has_type, smi_field};
use crate::text;
use crate::utf8;

/// What a script says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// Unique within the isolate, for its whole life.
    pub(crate) id: i32,
    /// Never empty.
    pub(crate) file: String,
    /// Lines in front of the source in its resource.
    pub(crate) line_offset: u32,
    /// Characters in front of the source on its first line.
    pub(crate) column_offset: u32,
}

/// What the comment `//# sourceMappingURL=` of a script says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MapUrl {
    /// Never empty. Of an inline map that is longer than what is worth copying, the beginning.
    pub(crate) text: String,
    /// The length of the whole.
    pub(crate) length: u32,
}

/// Inline maps are copied up to here, of scripts that a file has: whoever parses them can read the file.
const LONGEST_COPY: u32 = 256 << 10;
/// Of scripts whose file has another text, such as those that a loader transpiled, or no file. A copy of this size takes half a
/// millisecond.
const LONGEST_ONLY_COPY: u32 = 1 << 20;
/// What is copied of a longer one: enough to tell it from another.
const BEGINNING: u32 = 256;

pub(crate) const LONGEST_NAME: u32 = 4096;
const DEEPEST_EVAL: u32 = 16;
pub(crate) const NAMELESS: &str = "(script without a name)";

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
    // compileFunction and vm.Script may state a negative one.
    let offset = |at: u64| {
        let stated = smi_field(memory, tagged, at).unwrap_or(0);
        u32::try_from(stated).unwrap_or(0)
    };
    Some(Script {
        id,
        file: file(memory, layout, tagged),
        line_offset: offset(layout.script.line_offset),
        column_offset: offset(layout.script.column_offset),
    })
}

/// Where the Script at `tagged`, called `file`, says that its source map is.
pub(crate) fn map_url<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
    file: &str,
) -> Option<MapUrl> {
    let url = field(memory, tagged, layout.script.source_mapping_url)?;
    let length = text::length(memory, layout, url).filter(|&length| length > 0)?;
    let is_file = [".js", ".cjs", ".mjs"]
        .iter()
        .any(|extension| file.ends_with(extension));
    let longest = if is_file {
        LONGEST_COPY
    } else {
        LONGEST_ONLY_COPY
    };
    let copied = if length <= longest { length } else { BEGINNING };
    Some(MapUrl {
        text: text::read_ascii(memory, layout, url, copied)
            .or_else(|| text::read(memory, layout, url, copied.min(LONGEST_NAME)))?,
        length,
    })
}

/// Where the name of a Script is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameString {
    /// A tagged String that is not empty.
    pub(crate) string: u64,
    /// It is the name of the script that called `eval`.
    pub(crate) of_eval: bool,
}

/// What stands in front of the name of a script that was made by `eval`.
pub(crate) const EVAL_PREFIX: &str = "eval at ";

/// The script's own name, else its sourceURL, else where its eval was. A sourceURL goes before a name that says nothing, such as
/// `evalmachine.<anonymous>`: it is what stack traces show, and what a source map is relative to. Allocates nothing.
pub(crate) fn name_string<M: Memory>(
    memory: &M,
    layout: &Layout,
    tagged: u64,
) -> Option<NameString> {
    let mut script = tagged;
    for depth in 0..DEEPEST_EVAL {
        let text_at = |offset: u64| {
            let name = field(memory, script, offset)?;
            text::length(memory, layout, name)
                .filter(|&length| length > 0)
                .map(|_| name)
        };
        let says_where = |name: &u64| {
            let mut begin = [0; 5];
            let used = utf8::write(memory, layout, *name, 5, &mut begin).unwrap_or(0);
            let begin = begin.get(..used).unwrap_or_default();
            [b"/".as_slice(), b"file:", b"node:"]
                .iter()
                .any(|&start| begin.starts_with(start))
        };
        let name = text_at(layout.script.name);
        if let Some(string) = name
            .filter(says_where)
            .or_else(|| text_at(layout.script.source_url))
            .or(name)
        {
            return Some(NameString {
                string,
                of_eval: depth > 0,
            });
        }
        script = field(memory, script, layout.script.eval_from_shared)
            .filter(|&shared| has_type(memory, layout, shared, layout.types.shared_function_info))
            .and_then(|shared| of_shared(memory, layout, shared))?;
    }
    None
}

fn file<M: Memory>(memory: &M, layout: &Layout, tagged: u64) -> String {
    let Some(NameString { string, of_eval }) = name_string(memory, layout, tagged) else {
        return NAMELESS.to_owned();
    };
    match text::read(memory, layout, string, LONGEST_NAME) {
        Some(name) if of_eval => format!("{EVAL_PREFIX}{name}"),
        Some(name) => name,
        None => NAMELESS.to_owned(),
    }
}
