//! From the raw frames of one record to the stack that goes into the profile: which native frames stay, where it ends,
//! and what stands in for what is missing.

use pronghorn_recorder::{Frame, Function, Generated, Marker, Position};
use pronghorn_v8::{
    FunctionInfo, Kept, Kind, MapReference, Place, Progress, RawFrame, Resolved, Resolver,
};
use std::sync::Arc;
use std::time::Instant;

use crate::buffer::RecordKind;

/// Which native frames a stack shows. Frames below the outermost JavaScript frame are never shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NativeFrames {
    /// None. A stack without JavaScript becomes `(native code)`.
    None,
    /// Those that the innermost JavaScript function called.
    Leaf,
    /// Those, and the ones between JavaScript functions.
    #[default]
    All,
}

/// Builds stacks. One per JavaScript thread, used on that thread alone.
pub struct StackBuilder {
    /// Reads V8's heap.
    pub resolver: Resolver<Arc<Function>>,
    resolved: Vec<Resolved<Arc<Function>>>,
}

/// A stack that names nothing in V8's heap by its address: it outlives collections, and its lines may not be counted yet.
#[derive(Clone, Default)]
pub struct KeptStack {
    frames: Vec<KeptFrame>,
    kind: RecordKind,
}

#[derive(Clone)]
enum KeptFrame {
    Native { address: u64 },
    Script(Kept<Arc<Function>>),
}

impl StackBuilder {
    /// A builder around the resolver of one isolate.
    pub fn new(resolver: Resolver<Arc<Function>>) -> Self {
        Self {
            resolver,
            resolved: Vec::new(),
        }
    }

    /// Resolves `raw` (leaf first) into `out`, which is emptied first. At a safe point of the isolate's own thread.
    ///
    /// False if it was not done by `deadline`. It knows more then than before, by one frame or one piece of a source at least, so that the
    /// same call made again and again comes to its end.
    pub fn build(
        &mut self,
        raw: &[RawFrame],
        kind: RecordKind,
        native: NativeFrames,
        max_depth: usize,
        deadline: Option<Instant>,
        out: &mut Vec<Frame>,
    ) -> bool {
        out.clear();
        let mut scripts = Scripts::default();
        for (at, frame) in raw.iter().enumerate() {
            self.resolver.ahead(raw.get(at..).unwrap_or_default());
            if frame.kind() == Kind::Native {
                let address = native_address(frame);
                out.push(Frame::Native { address });
                continue;
            }
            self.resolved.clear();
            let progress = self
                .resolver
                .resolve(frame, deadline, &mut made, &mut self.resolved);
            if progress == Progress::Unfinished {
                return false;
            }
            for resolved in self.resolved.drain(..) {
                scripts.push(out, resolved);
            }
            if progress == Progress::New && deadline.is_some_and(|end| Instant::now() >= end) {
                return false;
            }
        }
        finish(out, scripts.0, kind, native, max_depth);
        true
    }

    /// Reads `raw` (leaf first) without counting lines, for [`StackBuilder::complete`]. At a safe point of the isolate's own thread.
    pub fn keep(&mut self, raw: &[RawFrame], kind: RecordKind) -> KeptStack {
        let mut frames = Vec::with_capacity(raw.len());
        let mut kept = Vec::new();
        for frame in raw {
            if frame.kind() == Kind::Native {
                let address = native_address(frame);
                frames.push(KeptFrame::Native { address });
            } else {
                self.resolver.keep(frame, &mut made, &mut kept);
                frames.extend(kept.drain(..).map(KeptFrame::Script));
            }
        }
        KeptStack { frames, kind }
    }

    /// As [`StackBuilder::build`], of what was kept.
    pub fn complete(
        &mut self,
        stack: &KeptStack,
        native: NativeFrames,
        max_depth: usize,
        deadline: Option<Instant>,
        out: &mut Vec<Frame>,
    ) -> bool {
        out.clear();
        let mut scripts = Scripts::default();
        for frame in &stack.frames {
            match frame {
                KeptFrame::Native { address } => out.push(Frame::Native { address: *address }),
                KeptFrame::Script(kept) => {
                    let Some(resolved) = self.resolver.complete(kept, deadline, &mut made) else {
                        return false;
                    };
                    scripts.push(out, resolved);
                }
            }
        }
        finish(out, scripts.0, stack.kind, native, max_depth);
        true
    }
}

/// The places of the innermost and the outermost JavaScript frame of a stack that is being built.
#[derive(Default)]
struct Scripts(Option<(usize, usize)>);

impl Scripts {
    fn push(&mut self, out: &mut Vec<Frame>, resolved: Resolved<Arc<Function>>) {
        let place = out.len();
        let innermost = self.0.map_or(place, |(innermost, _)| innermost);
        self.0 = Some((innermost, place));
        out.push(Frame::Script {
            function: resolved.function,
            position: position(resolved.place),
        });
    }
}

/// The address to name is within the call, not behind it.
fn native_address(frame: &RawFrame) -> u64 {
    frame.pc() - u64::from(!frame.is_exact())
}

fn made(function: &FunctionInfo<'_>) -> Arc<Function> {
    Arc::new(Function {
        name: Arc::clone(function.name),
        file: Arc::clone(function.file),
        start_line: function.start_line,
        generated: function.map.as_ref().map(generated),
    })
}

fn position(place: Place) -> Position {
    Position::new(place.line, place.column)
}

fn generated(map: &MapReference<'_>) -> Generated {
    Generated {
        url: Arc::clone(map.url),
        url_length: map.url_length,
        start: position(map.start),
        name: map.name.map(position),
    }
}

/// Cuts a resolved stack to what is asked for. `scripts`: the places of its innermost and outermost JavaScript frames.
fn finish(
    out: &mut Vec<Frame>,
    scripts: Option<(usize, usize)>,
    kind: RecordKind,
    native: NativeFrames,
    max_depth: usize,
) {
    if let Some((innermost, outermost)) = scripts {
        // A stack that was cut off at its root end has its outermost JavaScript frame beyond the cut.
        if kind != RecordKind::Truncated {
            out.truncate(outermost + 1);
        }
        let mut place = 0;
        out.retain(|frame| {
            let keep = match (frame, native) {
                (Frame::Native { .. }, NativeFrames::None) => false,
                (Frame::Native { .. }, NativeFrames::Leaf) => place < innermost,
                _ => true,
            };
            place += 1;
            keep
        });
    } else if native == NativeFrames::None && !out.is_empty() {
        out.clear();
        out.push(Frame::Marker(Marker::NativeCode));
    }
    let too_deep = out.len() > max_depth;
    out.truncate(max_depth);
    match kind {
        RecordKind::Refused => out.push(Frame::Marker(Marker::WalkRefused)),
        RecordKind::Broken => out.push(Frame::Marker(Marker::Broken)),
        _ if too_deep || kind == RecordKind::Truncated => {
            out.push(Frame::Marker(Marker::Truncated));
        }
        _ => {}
    }
    if out.is_empty() {
        out.push(Frame::Marker(Marker::NativeCode));
    }
}

/// Turns the stack that caused a collection into the stack of its samples: what V8 did on the way into the collector goes,
/// `(garbage collector)` becomes the leaf.
pub fn as_garbage_collection(frames: &mut Vec<Frame>) {
    let script = frames
        .iter()
        .position(|frame| !matches!(frame, Frame::Native { .. }))
        .unwrap_or(frames.len());
    frames.drain(..script);
    frames.insert(0, Frame::Marker(Marker::GarbageCollector));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(name: &str) -> Frame {
        Frame::Script {
            function: Arc::new(Function {
                name: name.into(),
                file: "a.js".into(),
                start_line: 1,
                generated: None,
            }),
            position: Position::new(1, 0),
        }
    }

    fn names(frames: &[Frame]) -> Vec<String> {
        frames
            .iter()
            .map(|frame| match frame {
                Frame::Script { function, .. } => function.name.to_string(),
                Frame::Native { address } => address.to_string(),
                Frame::Marker(marker) => marker.name().into(),
            })
            .collect()
    }

    fn finished(kind: RecordKind, native: NativeFrames, depth: usize) -> Vec<String> {
        let mut frames = vec![
            Frame::Native { address: 1 },
            script("inner"),
            Frame::Native { address: 2 },
            script("outer"),
            Frame::Native { address: 3 },
        ];
        finish(&mut frames, Some((1, 3)), kind, native, depth);
        names(&frames)
    }

    #[test]
    fn native_frames_are_kept_as_asked_and_never_below_javascript() {
        let stack = |native| finished(RecordKind::Stack, native, 100);
        assert_eq!(stack(NativeFrames::All), ["1", "inner", "2", "outer"]);
        assert_eq!(stack(NativeFrames::Leaf), ["1", "inner", "outer"]);
        assert_eq!(stack(NativeFrames::None), ["inner", "outer"]);
    }

    #[test]
    fn the_leaf_end_stays_when_a_stack_is_too_deep() {
        assert_eq!(
            finished(RecordKind::Stack, NativeFrames::All, 2),
            ["1", "inner", "(truncated)"]
        );
        assert_eq!(
            finished(RecordKind::Stack, NativeFrames::All, 4),
            ["1", "inner", "2", "outer"]
        );
    }

    #[test]
    fn what_is_missing_is_shown() {
        assert_eq!(
            finished(RecordKind::Broken, NativeFrames::None, 100),
            ["inner", "outer", "(broken)"]
        );
        let mut none = Vec::new();
        finish(&mut none, None, RecordKind::Refused, NativeFrames::All, 9);
        assert_eq!(names(&none), ["(walk refused)"]);
    }

    #[test]
    fn a_collection_replaces_the_native_leaf() {
        let mut frames = vec![Frame::Native { address: 1 }, script("allocates")];
        as_garbage_collection(&mut frames);
        assert_eq!(names(&frames), ["(garbage collector)", "allocates"]);
        let mut native = vec![Frame::Native { address: 1 }];
        as_garbage_collection(&mut native);
        assert_eq!(names(&native), ["(garbage collector)"]);
    }
}
