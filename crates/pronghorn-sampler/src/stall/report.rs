//! What is said of a stall: its stack, in the words of a JavaScript stack trace.
//!
//! Threads: made by the ticker or the main thread from the record; then owned by whoever holds it. Knows no hook and no lock.

use std::fmt::Write;

use pronghorn_native::{ImageList, Symbolizer};
use pronghorn_v8::ANONYMOUS;

use super::STATE;
pub use super::record::FrameKind;
use super::record::{Entry, Outcome, Record};
use crate::stack::NativeFrames;
use crate::{clock, session};
use std::sync::atomic::Ordering::Relaxed;

/// A frame of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFrame {
    /// What it is.
    pub kind: FrameKind,
    /// The function's name; `(anonymous)` without one, `[libc.so.6]` for native code whose name is not known.
    pub function: String,
    /// The script; the file's name of a binary for native code; empty if there is none.
    pub file: String,
    /// From 1; 0 if it is unknown.
    pub line: u32,
    /// From 1; 0 if it is unknown.
    pub column: u32,
    /// The script offset in UTF-16 units, if it is known.
    pub offset: Option<u32>,
    /// Of native code.
    pub address: u64,
}

/// See the module's description.
#[derive(Clone, Debug)]
pub struct Report {
    /// The process that it is about.
    pub pid: i32,
    /// The turn that it is about, by its beginning.
    pub(super) turn: u64,
    /// Since when the loop was blocked, in nanoseconds since the epoch.
    pub since_epoch_ns: u64,
    /// For how long it had been when the stack was taken, in nanoseconds.
    pub blocked_ns: u64,
    /// Whether the loop had not come round since the profiler started.
    pub since_start: bool,
    /// What came of the attempt to take the stack.
    pub outcome: Outcome,
    /// Innermost first.
    pub frames: Vec<ReportFrame>,
    /// Frames further out than those.
    pub left_out: u32,
}

/// What is on the stack while a debugger has paused the program, or Node waits for one to come (Node's inspector_agent.cc, V8's
/// v8-debugger.cc). Which of them is inlined differs from one binary to the next.
const DEBUGGER: [&str; 3] = [
    "NodeInspectorClient::runMessageLoop",
    "V8Debugger::handleProgramBreak",
    "V8Debugger::BreakProgram",
];

impl Report {
    /// Of the turn that began at `turn` and counts as blocked since `since`; both, and `now`, are monotonic. Without a record there is no stack.
    pub(super) fn new(turn: u64, since: u64, now: u64, record: Option<&Record>) -> Self {
        let age = clock::monotonic_ns().saturating_sub(since);
        let mut frames: Vec<ReportFrame> = Vec::new();
        if let Some(record) = record {
            frames.extend(record.entries().iter().map(|entry| frame(record, entry)));
        }
        let outcome = record.map_or(Outcome::NoAnswer, |record| record.outcome);
        let mut report = Self {
            // SAFETY: getpid has no preconditions.
            pid: unsafe { libc::getpid() },
            turn,
            since_epoch_ns: clock::Reading::now().real_time_ns.saturating_sub(age),
            blocked_ns: now.saturating_sub(since),
            since_start: STATE.get().first_turn.load(Relaxed) == turn,
            outcome,
            frames,
            left_out: record.map_or(0, |record| record.left_out),
        };
        report.name_images();
        report.cut();
        report
    }

    /// Whether it says where the thread was.
    pub(super) fn has_stack(&self) -> bool {
        self.outcome == Outcome::Stack
    }

    /// Native frames further out than all JavaScript say nothing: Node's way into it.
    fn cut(&mut self) {
        let is_script = |frame: &ReportFrame| frame.kind != FrameKind::Native;
        if let Some(outermost) = self.frames.iter().rposition(is_script)
            && self.left_out == 0
        {
            self.frames.truncate(outermost + 1);
        }
    }

    /// Without the native frames that profiles do not show either; a stack of nothing else stays.
    pub(super) fn show_native(&mut self, native: NativeFrames) {
        let innermost = self
            .frames
            .iter()
            .position(|frame| frame.kind != FrameKind::Native);
        let Some(innermost) = innermost else {
            return;
        };
        let mut place = 0;
        self.frames.retain(|frame| {
            let keep = match native {
                NativeFrames::All => true,
                NativeFrames::Leaf => frame.kind != FrameKind::Native || place < innermost,
                NativeFrames::None => frame.kind != FrameKind::Native,
            };
            place += 1;
            keep
        });
    }

    /// What is known without reading a file.
    fn name_images(&mut self) {
        // SAFETY: null, or a list, and those are never freed.
        let Some(images) = (unsafe { session::images().as_ref() }) else {
            return;
        };
        for frame in self.native() {
            if let Some(image) = images.find(frame.address) {
                let name = image.path().file_name().unwrap_or_default();
                frame.file = name.to_string_lossy().into_owned();
                frame.function = in_brackets(&frame.file);
            }
        }
    }

    /// Names for the native frames, from the symbol tables on disk: tens of milliseconds the first time.
    pub(super) fn name_native(&mut self, symbols: &mut Symbolizer, images: &ImageList) {
        let addresses: Vec<u64> = self.native().map(|frame| frame.address).collect();
        let found = symbols.symbolize(images, &addresses);
        for (frame, symbol) in self.native().zip(found) {
            if let Some(symbol) = symbol {
                frame.function = symbol.name.to_string();
            }
        }
    }

    fn native(&mut self) -> impl Iterator<Item = &mut ReportFrame> {
        self.frames
            .iter_mut()
            .filter(|frame| frame.kind == FrameKind::Native)
    }

    /// Whether a debugger has paused the program, as far as the names of native functions tell.
    pub(super) fn is_debugged(&self) -> bool {
        self.frames.iter().any(|frame| {
            frame.kind == FrameKind::Native
                && DEBUGGER.iter().any(|name| frame.function.contains(name))
        })
    }

    /// The stack as text: lines such as `    at parse (/app/a.js:12:5)`, each with its line end.
    #[must_use]
    pub fn stack(&self) -> String {
        let mut text = String::new();
        for frame in &self.frames {
            line(frame, &mut text);
        }
        if self.left_out > 0 {
            let _ = writeln!(text, "    ... and {} more", self.left_out);
        }
        text
    }

    /// The whole report, with its line ends.
    #[must_use]
    pub fn text(&self) -> String {
        let ms = with_commas(self.blocked_ns / 1_000_000);
        let pid = self.pid;
        let what = match self.outcome {
            Outcome::Stack => " in",
            Outcome::Collection => " in a garbage collection",
            Outcome::Refused => "; its stack cannot be read",
            Outcome::NoAnswer => "; its thread has not answered",
        };
        let stack = self.stack();
        if self.since_start {
            format!(
                "pronghorn: process {pid} has not come to its event loop since the profiler started {ms} ms ago; it is blocked{what}\n{stack}"
            )
        } else {
            format!(
                "pronghorn: the event loop of process {pid} has been blocked for {ms} ms{what}\n{stack}"
            )
        }
    }
}

fn frame(record: &Record, entry: &Entry) -> ReportFrame {
    let name = record.text(entry.name);
    let function = match entry.kind {
        FrameKind::Wasm => "(wasm)".to_owned(),
        FrameKind::Regexp => "(regexp)".to_owned(),
        FrameKind::Native => "[native]".to_owned(),
        FrameKind::Script | FrameKind::Builtin if name.is_empty() => ANONYMOUS.to_owned(),
        FrameKind::Script | FrameKind::Builtin => name,
    };
    ReportFrame {
        kind: entry.kind,
        function,
        file: record.text(entry.file),
        line: entry.line,
        column: entry.column,
        offset: entry.offset.checked_sub(1),
        address: entry.address,
    }
}

/// What native code is called whose name is not known.
fn in_brackets(file: &str) -> String {
    format!("[{file}]")
}

fn line(frame: &ReportFrame, text: &mut String) {
    let function = printable(&frame.function);
    let file = printable(&frame.file);
    let _ = match frame.kind {
        FrameKind::Native if file.is_empty() || function == in_brackets(&file) => {
            writeln!(text, "    at {function} (native)")
        }
        FrameKind::Native => writeln!(text, "    at {function} (native, {file})"),
        FrameKind::Builtin => writeln!(text, "    at {function} (builtin)"),
        FrameKind::Wasm | FrameKind::Regexp => writeln!(text, "    at {function}"),
        FrameKind::Script => match (frame.line, frame.offset) {
            (0, Some(offset)) => writeln!(text, "    at {function} ({file}, character {offset})"),
            (0, None) => writeln!(text, "    at {function} ({file})"),
            (row, _) => writeln!(text, "    at {function} ({file}:{row}:{})", frame.column),
        },
    };
}

/// Names are the program's: nothing in them may move a terminal's cursor or pretend to be a line of the report.
fn printable(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                char::REPLACEMENT_CHARACTER
            }
            other if other.is_control() => char::REPLACEMENT_CHARACTER,
            other => other,
        })
        .collect()
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
