use std::alloc::{GlobalAlloc, System};
use std::cell::Cell;

use super::*;
use crate::memory::Image;
use crate::test_support::scene::{START, Scene};
use crate::test_support::{Random, VERSIONS, positions, ranges, unsigned, word};

/// Counts what a thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

// SAFETY: the system's allocator, and a count beside it that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: std::alloc::Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What was named: function, file, line, column, offset.
type Shown = (String, String, u32, u32, Option<u32>);

fn name_with(scene: &Scene, raw: &RawFrame, text: &mut [u8], characters: u32) -> Vec<Named> {
    let ranges = ranges();
    let (mut scratch, mut marks) = ([0; 512], [Mark::default(); 4]);
    let room = Room {
        text,
        scratch: &mut scratch,
        marks: &mut marks,
        characters,
    };
    let image: Image = scene.heap.image.clone();
    let mut namer = Namer::over(image, &scene.heap.layout, &ranges, room);
    let mut all = Vec::with_capacity(64);
    let before = ALLOCATIONS.get();
    namer.name(raw, &mut |named| all.push(named));
    assert_eq!(
        ALLOCATIONS.get(),
        before,
        "a signal handler must not allocate"
    );
    all
}

fn shown(scene: &Scene, raw: &RawFrame, characters: u32) -> Vec<Shown> {
    let mut text = [0; 256];
    let all = name_with(scene, raw, &mut text, characters);
    let part = |span: Span| {
        let bytes = &text[span.start as usize..][..span.length as usize];
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    all.into_iter()
        .map(|named| {
            let (name, file) = (part(named.name), part(named.file));
            (name, file, named.line, named.column, named.offset)
        })
        .collect()
}

fn at(name: &str, line: u32, column: u32, offset: u32) -> Shown {
    (name.into(), "/app.js".into(), line, column, Some(offset))
}

#[test]
fn interpreted_frames_show_the_executed_place() {
    for version in VERSIONS {
        let mut scene = Scene::new(version);
        let table = positions(&scene.heap.layout, &[(0, word(25)), (3, word(32))]);
        let table = scene.heap.bytes(&table);
        let bytecode = scene.heap.bytecode(&[0x0c; 8], table);
        let raw = RawFrame::interpreted(scene.outer, bytecode, 4);
        assert_eq!(
            shown(&scene, &raw, 1_000),
            [at("outer", 3, 5, 32)],
            "{version}"
        );
        // Too far for what may still be looked through: the offset stays.
        assert_eq!(shown(&scene, &raw, 31), [at("outer", 0, 0, 32)]);
        // Without its position a function is where it begins.
        let raw = RawFrame::interpreted(scene.outer, 0, 4);
        assert_eq!(shown(&scene, &raw, 1_000), [at("outer", 2, 1, 9)]);
    }
}

#[test]
fn optimized_frames_show_what_was_inlined() {
    for version in VERSIONS {
        let mut scene = Scene::new(version);
        let table = positions(
            &scene.heap.layout,
            &[(0, word(24)), (16, word(62) | (1 << 31)), (40, word(25))],
        );
        let table = scene.heap.bytes(&table);
        let data = scene.data(scene.inner, word(33));
        let kind = scene.heap.layout.compiled.kind_baseline + 2;
        scene.code(kind, 200, table, data);
        let inlined = [at("inner", 6, 3, 62), at("outer", 3, 6, 33)];
        let frames = |pc, exact, shared| {
            shown(
                &scene,
                &RawFrame::compiled(START + pc, exact, shared),
                1_000,
            )
        };
        assert_eq!(frames(40, false, scene.outer), inlined, "{version}");
        assert_eq!(frames(20, true, 0), inlined);
        assert_eq!(frames(40, true, scene.outer), [at("outer", 2, 17, 25)]);
    }
}

#[test]
fn an_inlined_function_that_does_not_fit_leaves_the_function_itself() {
    let mut scene = Scene::new(VERSIONS[3]);
    let table = positions(&scene.heap.layout, &[(0, word(62) | (9 << 31))]);
    let table = scene.heap.bytes(&table);
    let data = scene.data(scene.inner, word(33));
    let kind = scene.heap.layout.compiled.kind_baseline + 2;
    scene.code(kind, 200, table, data);
    let raw = RawFrame::compiled(START + 9, false, scene.outer);
    assert_eq!(shown(&scene, &raw, 1_000), [at("outer", 2, 1, 9)]);
}

#[test]
fn baseline_frames_show_the_executed_place() {
    for version in VERSIONS {
        let mut scene = Scene::new(version);
        let layout = scene.heap.layout;
        let table = positions(&layout, &[(0, word(25)), (3, word(32))]);
        let table = scene.heap.bytes(&table);
        // Four bytecodes of a byte each; machine code for the prologue and for each.
        let bytecode = scene.heap.bytecode(&[0x0c; 4], table);
        let mut sizes = Vec::new();
        for size in [20, 10, 10, 10, 10] {
            unsigned(&mut sizes, size);
        }
        let table = scene.heap.bytes(&sizes);
        scene.code(layout.compiled.kind_baseline, 60, table, bytecode);
        let frames = |pc| {
            let raw = RawFrame::compiled(START + pc, true, scene.outer);
            shown(&scene, &raw, 1_000)
        };
        assert_eq!(frames(25), [at("outer", 2, 17, 25)], "{version}");
        assert_eq!(frames(55), [at("outer", 3, 5, 32)], "{version}");
    }
}

#[test]
fn a_name_that_does_not_fit_is_cut_or_empty() {
    let scene = Scene::new(VERSIONS[1]);
    let raw = RawFrame::function_only(scene.outer);
    let mut text = [0; 8];
    let all = name_with(&scene, &raw, &mut text, 1_000);
    assert_eq!((all[0].name.length, all[0].file.length), (5, 3));
    assert_eq!(&text, b"outer/ap");
    let all = name_with(&scene, &raw, &mut [], 1_000);
    assert_eq!((all[0].name.length, all[0].file.length), (0, 0));
    assert_eq!(all[0].line, 2);
}

#[test]
fn frames_of_nothing_give_nothing_and_damaged_ones_end() {
    let mut scene = Scene::new(VERSIONS[2]);
    let mut random = Random(5);
    assert_eq!(shown(&scene, &RawFrame::native(5, true), 10), []);
    assert_eq!(shown(&scene, &RawFrame::function_only(1), 10), []);
    let bytes = random.bytes(400);
    let table = scene.heap.bytes(&bytes);
    let data = scene.heap.bytes(&bytes);
    for kind in 0..scene.heap.layout.compiled.kind_baseline + 3 {
        scene.code(kind, 200, table, data);
        for pc in 0..50 {
            let raw = RawFrame::compiled(START + pc * 4, pc % 2 == 0, scene.outer);
            let _ = shown(&scene, &raw, 1_000);
        }
    }
}
