use std::os::fd::AsRawFd;

use super::record::{Entry, Frames, MOST_FRAMES, Outcome};
use super::*;
use crate::stack::NativeFrames;
use pronghorn_v8::Span;

fn record() -> Box<Record> {
    // SAFETY: zeroed memory is an empty record.
    unsafe { Box::new(std::mem::zeroed()) }
}

fn write(record: &mut Record, text: &str) -> Span {
    let start = record
        .text
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    record.text[start..start + text.len()].copy_from_slice(text.as_bytes());
    Span {
        start: start as u32,
        length: text.len() as u32,
    }
}

fn push(record: &mut Record, entry: Entry) {
    let mut frames = Frames {
        entries: &mut record.entries,
        used: &mut record.used,
        left_out: &mut record.left_out,
    };
    frames.push(entry);
}

fn script(record: &mut Record, name: &str, file: &str, (line, column, offset): (u32, u32, u32)) {
    let (name, file) = (write(record, name), write(record, file));
    push(
        record,
        Entry {
            kind: FrameKind::Script,
            line,
            column,
            offset,
            name,
            file,
            ..Entry::default()
        },
    );
}

fn native(record: &mut Record) {
    push(
        record,
        Entry {
            address: 5,
            ..Entry::default()
        },
    );
}

fn report(record: Option<&Record>) -> Report {
    let mut report = Report::new(7, 1_000_000, 1_235_000_000, record);
    report.pid = 712;
    report
}

#[test]
fn a_report_reads_like_a_stack_trace() {
    let mut record = record();
    record.outcome = Outcome::Stack;
    native(&mut record);
    script(&mut record, "parse", "/app/a.js", (12, 5, 400));
    native(&mut record);
    push(
        &mut record,
        Entry {
            kind: FrameKind::Wasm,
            ..Entry::default()
        },
    );
    script(&mut record, "", "/app/b.js", (0, 0, 31));
    script(
        &mut record,
        "evil\x1b[2J\n    at fake\u{202e}",
        "",
        (0, 0, 0),
    );
    native(&mut record);
    let mut report = report(Some(&record));
    assert_eq!(
        report.text(),
        "pronghorn: the event loop of process 712 has been blocked for 1,234 ms in\n    \
         at [native] (native)\n    \
         at parse (/app/a.js:12:5)\n    \
         at [native] (native)\n    \
         at (wasm)\n    \
         at (anonymous) (/app/b.js, character 30)\n    \
         at evil\u{fffd}[2J\u{fffd}    at fake\u{fffd} ()\n"
    );
    report.show_native(NativeFrames::Leaf);
    let natives = |report: &Report| {
        let native = |frame: &&ReportFrame| frame.kind == FrameKind::Native;
        report.frames.iter().filter(native).count()
    };
    assert_eq!(natives(&report), 1);
    report.show_native(NativeFrames::None);
    assert_eq!(natives(&report), 0);
    assert!(!report.is_debugged());
}

#[test]
fn what_is_missing_is_said() {
    let mut record = record();
    record.outcome = Outcome::Collection;
    assert_eq!(
        report(Some(&record)).text(),
        "pronghorn: the event loop of process 712 has been blocked for 1,234 ms in a garbage collection\n"
    );
    assert!(
        report(None)
            .text()
            .ends_with("1,234 ms; its thread has not answered\n")
    );
    record.outcome = Outcome::Stack;
    for _ in 0..MOST_FRAMES + 3 {
        script(&mut record, "deep", "", (1, 1, 1));
    }
    let stack = report(Some(&record)).stack();
    assert_eq!(stack.lines().count(), MOST_FRAMES + 1);
    assert!(stack.ends_with("    ... and 3 more\n"));
}

#[test]
fn native_functions_get_names_and_a_debugger_is_seen() {
    let mut record = record();
    record.outcome = Outcome::Stack;
    push(
        &mut record,
        Entry {
            address: native_functions_get_names_and_a_debugger_is_seen as *const () as u64 + 4,
            ..Entry::default()
        },
    );
    let mut report = report(Some(&record));
    let images = pronghorn_native::ImageList::snapshot();
    report.name_native(&mut Symbolizer::new(), &images);
    let name = &report.frames[0].function;
    assert!(name.contains("a_debugger_is_seen"), "{name}");
    report.frames[0].function = "v8_inspector::V8Debugger::handleProgramBreak".to_owned();
    assert!(report.is_debugged());
}

#[test]
fn a_text_arrives_whole_or_the_writer_gives_up() {
    let (reader, writer) = std::io::pipe().unwrap();
    let text = "x".repeat(20_000);
    output::write_all(writer.as_raw_fd(), text.as_bytes()).unwrap();
    let mut seen = vec![0; 20_000];
    std::io::Read::read_exact(&mut &reader, &mut seen).unwrap();
    assert_eq!(seen, text.as_bytes());
    // Nobody reads: a pipe takes 64 KiB, and the rest is not waited for.
    let error = output::write_all(writer.as_raw_fd(), &vec![b'x'; 1 << 20]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(output::write_all(-1, b"x").is_err());
}

#[test]
fn a_fork_leaves_the_memory_and_nothing_else() {
    let State {
        threshold_ns,
        phase,
        noticed,
        since,
        first_turn,
        excused,
        is_writing,
        has_ended,
        record: memory,
        raw,
        output,
        current,
        ended,
        symbols,
    } = {
        let state = State::new();
        let words = [
            &state.threshold_ns,
            &state.noticed,
            &state.since,
            &state.first_turn,
            &state.excused,
        ];
        for word in words {
            word.store(7, Relaxed);
        }
        state.phase.store(TAKEN, Relaxed);
        state.is_writing.store(true, Relaxed);
        state.has_ended.store(true, Relaxed);
        state.record.store(std::ptr::dangling_mut(), Relaxed);
        let memory = crate::mapping::map(CAPACITY as usize).unwrap();
        // SAFETY: mapped for good, for this buffer.
        unsafe { state.raw.attach(memory) };
        state.raw.begin().unwrap().commit(Default::default());
        state
            .output
            .lock()
            .with(|place| *place = StallOutput::File("x".into()));
        state
            .current
            .lock()
            .with(|place| *place = Some(report(None)));
        let stall = Stall {
            report: report(None),
            duration_ns: 7,
            threshold_ns: 7,
        };
        state.ended.lock().with(|place| place.push(stall));
        state
            .symbols
            .lock()
            .with(|place| *place = Some(Symbolizer::new()));
        // Held by threads that are gone.
        std::mem::forget(state.output.lock());
        std::mem::forget(state.current.lock());
        std::mem::forget(state.symbols.lock());
        state.inherited()
    };
    for word in [threshold_ns, noticed, since, first_turn, excused] {
        assert_eq!(word.load(Relaxed), 0);
    }
    assert_eq!(phase.load(Relaxed), IDLE);
    assert!(!is_writing.load(Relaxed) && !has_ended.load(Relaxed));
    assert!(!memory.load(Relaxed).is_null());
    assert!(raw.is_empty() && raw.begin().is_some());
    assert_eq!(
        output.lock().with(|output| output.clone()),
        StallOutput::Stderr
    );
    assert!(current.lock().with(|current| current.is_none()));
    assert!(ended.lock().with(|ended| ended.is_empty()));
    assert!(symbols.lock().with(|symbols| symbols.is_none()));
}
