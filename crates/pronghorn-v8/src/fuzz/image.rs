//! A heap image with every kind of object that the readers know, damaged, and then read by each of them.

use std::cell::RefCell;
use std::time::Instant;

use super::counted::Counted;
use super::damage::{self, Area};
use crate::async_store::StorePlace;
use crate::bytecode_sizes::BytecodeSizes;
use crate::frame::{IsolateView, LeafRegisters, Registers, classify_in};
use crate::function_info::FunctionInfo;
use crate::layout::{Frames, Layout};
use crate::line_search::Mark;
use crate::memory::Image;
use crate::namer::{Namer, Room};
use crate::position_table::Reader;
use crate::ranges::CodeRanges;
use crate::raw_frame::{Kind, RawFrame};
use crate::resolve::Resolver;
use crate::test_support::scene::{START, Scene};
use crate::test_support::{BASE, VERSIONS, positions, ranges, unsigned, word};
use crate::version::Version;

const STACK: u64 = BASE + 0x7_0000;
const HEAP: u64 = BASE + 0x1_0000;
const BUILTIN: u64 = BASE + 0x5000;
/// What the resolver may read for one frame, at a safe point, and what the handler's readers may for one frame.
const RESOLVER_READS: u64 = 20_000_000;
const HANDLER_READS: u64 = 1_000_000;

/// A sound image, and what stands in it.
struct Base {
    scene: Scene,
    layout: Layout,
    bytecode: u64,
    function: u64,
    used: u64,
}

thread_local! {
    // Fork: for tests and fuzzers only, which do not fork.
    static BASES: RefCell<Vec<Base>> = RefCell::new(bases());
}

fn bases() -> Vec<Base> {
    VERSIONS
        .into_iter()
        .flat_map(|version| (0..3).map(move |kind| base(version, kind)))
        .collect()
}

/// Everything that a stack of this V8 leads to. The code at `START` is baseline's (0), Maglev's (1) or Turbofan's; before V8 13 there is no
/// table of Maglev's to correct.
fn base(version: Version, kind: u32) -> Base {
    let mut scene = Scene::new(version);
    let layout = scene.heap.layout;
    let sizes = BytecodeSizes::for_version(version).unwrap();
    let single = (4..32)
        .find(|&code| sizes.length(&[code]) == Some(1))
        .unwrap();
    let table = positions(&layout, &[(0, word(25)), (3, word(32))]);
    let table = scene.heap.bytes(&table);
    let bytecode = scene.heap.bytecode(&[single; 8], table);
    let inlined = positions(
        &layout,
        &[(0, word(24)), (16, word(62) | (1 << 31)), (40, word(25))],
    );
    let inlined = scene.heap.bytes(&inlined);
    match kind {
        0 => {
            let mut offsets = Vec::new();
            for delta in [20u64, 10, 10, 10, 10, 10, 10, 10, 10] {
                unsigned(&mut offsets, delta);
            }
            let offsets = scene.heap.bytes(&offsets);
            scene.code(layout.compiled.kind_baseline, 100, offsets, bytecode);
        }
        1 if version.major > 12 => maglev(&mut scene, bytecode),
        _ => {
            let data = scene.data(scene.inner, word(33));
            scene.code(layout.compiled.kind_baseline + kind, 200, inlined, data);
        }
    }
    strings(&mut scene);
    let function = stack(&mut scene, bytecode);
    let used = scene.heap.room(0) - HEAP;
    Base {
        scene,
        layout,
        bytecode,
        function,
        used,
    }
}

/// Code with a deoptimization point, at a call and at a slow path.
fn maglev(scene: &mut Scene, bytecode: u64) {
    let layout = scene.heap.layout;
    let table = positions(&layout, &[(0, word(62) | (1 << 31))]);
    let table = scene.heap.bytes(&table);
    let (outer, inner) = (scene.outer, scene.inner);
    let old = scene.data(inner, word(24));
    let heap = &mut scene.heap;
    let protected = heap.array(&[bytecode, bytecode]);
    let literals = heap.array(&[inner, outer]);
    let data = heap.array(&[0; 15]);
    let translation = heap.bytes(&[14, 0, 4, 4, 1, 8, 2, 0, 0, 1, 6, 0, 2, 0]);
    for index in 0..9 {
        let word = crate::memory::Memory::u64(&heap.image, old - 1 + 16 + 8 * index).unwrap();
        heap.set(data, 16 + 8 * index, word);
    }
    for (index, value) in [
        (0, translation),
        (2, protected),
        (3, literals),
        (14, 150 << 32),
    ] {
        heap.set(data, 16 + 8 * index, value);
    }
    scene.code(layout.compiled.kind_baseline + 1, 200, table, data);
    let image = &mut scene.heap.image;
    image.put_u32(START + 204, 1);
    image.put_u32(START + 208, 0b00_1001_0001);
    image.put(START + 216, &[40, 1, 151, 0]);
    // A jump to a slow path behind the table's end.
    image.put(START + 60, &[0x0f, 0x84, 60, 0, 0, 0]);
}

/// The script's name becomes a string of every other kind, and there is a map's URL, V8's line ends, and an eval's script.
fn strings(scene: &mut Scene) {
    let layout = scene.heap.layout;
    let script = scene.script;
    let heap = &mut scene.heap;
    let (first, wide) = (heap.text("/app"), heap.wide("größe.js"));
    let cons = heap.cons(first, wide, 12);
    let thin = heap.object(5, 40);
    heap.image.put_u32(thin - 1 + 12, 12);
    heap.set(thin, 16, cons);
    let sliced = heap.object(3, 40);
    heap.image.put_u32(sliced - 1 + 12, 10);
    heap.set(sliced, 16, thin);
    heap.set_smi(sliced, 24, 2);
    let url = heap.text("app.js.map");
    heap.set(script, layout.script.name, sliced);
    heap.set(script, layout.script.source_mapping_url, url);
    let ends = heap.object(layout.types.fixed_array, 64);
    heap.set_smi(ends, 8, 4);
    for (index, end) in [8, 27, 38, 40].into_iter().enumerate() {
        heap.set_smi(ends, 16 + index as u64 * 8, end);
    }
    let (empty, source) = (heap.text(""), heap.text("eval"));
    let eval = heap.script(4, empty, source);
    heap.set(eval, layout.script.eval_from_shared, scene.outer);
    heap.set(eval, layout.script.line_ends, ends);
    let many = heap.scope(80, None, Some(first), (1, 3));
    heap.shared(many, eval, 0);
}

/// Two interpreted frames, and a frame of the interpreter's dispatch table in front of them. Gives the function.
fn stack(scene: &mut Scene, bytecode: u64) -> u64 {
    let layout = scene.heap.layout;
    let function = scene.heap.function(scene.outer);
    let context = scene.heap.object(layout.types.fixed_array, 16);
    let image = &mut scene.heap.image;
    for fp in [STACK + 0x100, STACK + 0x200] {
        image.put_u64(fp, fp + 0x100);
        image.put_u64(fp + 8, BUILTIN + 0x100);
        image.put_u64(fp - 8, context);
        image.put_u64(fp - 16, function);
        image.put_u64(fp - 32, bytecode);
        image.put_u64(fp - 40, (layout.bytecode_data + 2) << 32);
    }
    for entry in 0..256 {
        image.put_u64(STACK + 0x800 + entry * 8, BUILTIN + entry * 0x20);
    }
    function
}

/// Damages one of the images, and reads it in every way.
pub fn image(data: &[u8]) {
    with_budgets(data, RESOLVER_READS, HANDLER_READS);
}

pub(super) fn with_budgets(data: &[u8], resolver_reads: u64, handler_reads: u64) {
    let mut reader = Reader::new(data);
    let (Some(which), Some(flags)) = (reader.byte(), reader.byte()) else {
        return;
    };
    BASES.with_borrow_mut(|bases| {
        let index = usize::from(which) % bases.len();
        let base = &mut bases[index];
        let heap = Area {
            start: HEAP,
            length: base.used,
        };
        let areas = [
            heap,
            heap,
            Area {
                start: START - 0x40,
                length: 0x200,
            },
            Area {
                start: STACK + 0x80,
                length: 0x280,
            },
        ];
        let changes = damage::apply(&mut base.scene.heap.image, areas, &mut reader);
        base.layout.frames = if flags & 1 == 0 {
            Frames::Full
        } else {
            Frames::Physical
        };
        read(base, flags, (resolver_reads, handler_reads));
        damage::undo(&mut base.scene.heap.image, changes);
    });
}

fn read(base: &Base, flags: u8, (resolver_reads, handler_reads): (u64, u64)) {
    let image: &Image = &base.scene.heap.image;
    let memory = Counted::new(image, flags & 2 != 0);
    let ranges = ranges();
    let mut frames = walk(&memory, base, &ranges, flags, handler_reads);
    let (outer, inner) = (base.scene.outer, base.scene.inner);
    for shared in [outer, inner, 0] {
        for pc in [25, 40, 41, 90, 205] {
            frames.push(RawFrame::compiled(START + pc, pc & 1 == 0, shared));
        }
    }
    for offset in [0, 4, 7, 1 << 20] {
        frames.push(RawFrame::interpreted(outer, base.bytecode, offset));
    }
    frames.push(RawFrame::builtin(BUILTIN, false, inner));
    frames.push(RawFrame::marker(Kind::Unknown, BUILTIN, false));
    resolve(&memory, base, &ranges, flags, &frames, resolver_reads);
    name(&memory, base, &ranges, &frames, handler_reads);
    memory.allow(handler_reads);
    if let Some(place) = StorePlace::find(&&memory, &base.layout, HEAP, outer, 3) {
        place.read(&&memory, &base.layout, HEAP, outer);
    }
    for offset in [0, 576, 2048] {
        let place = StorePlace::from_word(offset << 32 | 0xaf << 16 | 0xcd);
        place.read(&&memory, &base.layout, HEAP, outer);
    }
}

/// Follows the stack from several leaves.
fn walk(
    memory: &Counted<'_>,
    base: &Base,
    ranges: &CodeRanges,
    flags: u8,
    budget: u64,
) -> Vec<RawFrame> {
    let view = IsolateView {
        layout: base.layout,
        ranges: *ranges,
        stack_end: if flags & 4 == 0 { STACK + 0x1000 } else { 0 },
    };
    let fp = STACK + 0x100;
    let leaf = LeafRegisters {
        rdi: base.function,
        r9: base.layout.bytecode_data + 3,
        r10: START + 40,
        r12: base.bytecode,
        r15: STACK + 0x800,
    };
    let mut frames = Vec::new();
    for pc in [BUILTIN + 7, BUILTIN + 0x180, START, START + 0x40, u64::MAX] {
        for (sp, leaf) in [
            (fp - 0x40, Some(&leaf)),
            (fp, None),
            (u64::MAX, Some(&leaf)),
        ] {
            let mut registers = Registers { pc, sp, fp };
            let mut leaf = leaf;
            for _ in 0..32 {
                memory.allow(budget);
                let Ok(found) = classify_in(&memory, &view, registers, leaf.take()) else {
                    break;
                };
                frames.extend(found.frame);
                registers = found.caller;
            }
        }
    }
    frames
}

fn resolve(
    memory: &Counted<'_>,
    base: &Base,
    ranges: &CodeRanges,
    flags: u8,
    frames: &[RawFrame],
    budget: u64,
) {
    let mut resolver = Resolver::over(memory, base.layout, *ranges, flags & 8 != 0);
    let mut out = Vec::new();
    if flags & 16 != 0 {
        memory.allow(budget);
        let _ = resolver.prove_interpreted(
            &RawFrame::interpreted(base.scene.outer, base.bytecode, 4),
            "outer",
        );
    }
    // Time is up at once: it stops where it can.
    let deadline = (flags & 32 != 0).then(Instant::now);
    for raw in frames {
        memory.allow(budget);
        out.clear();
        let mut make = |info: &FunctionInfo<'_>| info.name.len() + info.file.len();
        resolver.resolve(raw, deadline, &mut make, &mut out);
        assert!(out.len() <= 1_024, "{} functions in one frame", out.len());
    }
}

fn name(memory: &Counted<'_>, base: &Base, ranges: &CodeRanges, frames: &[RawFrame], budget: u64) {
    let (mut text, mut scratch, mut marks) = ([0; 256], [0; 512], [Mark::default(); 4]);
    let room = Room {
        text: &mut text,
        scratch: &mut scratch,
        marks: &mut marks,
        characters: 10_000,
    };
    let mut namer = Namer::over(memory, &base.layout, ranges, room);
    for raw in frames {
        memory.allow(budget);
        namer.name(raw, &mut |named| {
            for span in [named.name, named.file] {
                assert!(span.start + span.length <= 256);
            }
        });
    }
}

/// What an image that is not damaged proves of its frames.
#[cfg(test)]
pub(super) fn proofs(which: usize) -> crate::proof::Proofs {
    let all = bases();
    let base = &all[which];
    let mut resolver = Resolver::over(base.scene.heap.image.clone(), base.layout, ranges(), true);
    for raw in [
        RawFrame::interpreted(base.scene.outer, base.bytecode, 4),
        RawFrame::compiled(START + 40, false, base.scene.outer),
        RawFrame::compiled(START + 25, true, base.scene.outer),
    ] {
        resolver.resolve(&raw, None, &mut |_| (), &mut Vec::new());
    }
    resolver.proofs()
}
