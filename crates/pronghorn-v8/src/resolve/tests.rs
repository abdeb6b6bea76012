use super::*;
use crate::function_info::BUILTIN_FILE;
use crate::layout::Frames;
use crate::memory::Image;
use crate::proof::Proof;
use crate::test_support::scene::{START, Scene};
use crate::test_support::{BASE, Heap, Random, VERSIONS, positions, ranges, unsigned, word};

type Shown = (String, String, u32);

impl Scene {
    fn resolver(self) -> Resolver<Shown, Image> {
        Resolver::over(self.heap.image, self.heap.layout, ranges(), false)
    }
}

fn make(info: &FunctionInfo<'_>) -> Shown {
    (
        info.name.to_string(),
        info.file.to_string(),
        info.start_line,
    )
}

fn lines(resolver: &mut Resolver<Shown, Image>, raw: RawFrame) -> Vec<(String, u32)> {
    let mut out = Vec::new();
    resolver.resolve(&raw, None, &mut make, &mut out);
    out.into_iter()
        .map(|frame| (frame.function.0, frame.place.line))
        .collect()
}

fn named(list: &[(&str, u32)]) -> Vec<(String, u32)> {
    list.iter()
        .map(|&(name, line)| (name.to_owned(), line))
        .collect()
}

#[test]
fn interpreted_frames_show_the_executed_line() {
    for version in VERSIONS {
        let mut scene = Scene::new(version);
        let table = positions(&scene.heap.layout, &[(0, word(25)), (3, word(32))]);
        let table = scene.heap.bytes(&table);
        let bytecode = scene.heap.bytecode(&[0x0c; 8], table);
        let outer = scene.outer;
        let mut resolver = scene.resolver();
        let mut out = Vec::new();
        resolver.resolve(
            &RawFrame::interpreted(outer, bytecode, 4),
            None,
            &mut make,
            &mut out,
        );
        let expected = Resolved {
            function: ("outer".to_owned(), "/app.js".to_owned(), 2),
            place: ScriptPlace { line: 3, column: 0 },
        };
        assert_eq!(out, [expected], "{version}");
        assert_eq!(resolver.proofs().interpreted, Proof::Proved);
        assert_eq!(
            resolver.prove_interpreted(&RawFrame::interpreted(outer, bytecode, 4), "outer"),
            Ok(())
        );
        assert!(
            resolver
                .prove_interpreted(&RawFrame::interpreted(outer, bytecode, 4), "probe")
                .is_err()
        );
        assert_eq!(resolver.proofs().interpreted, Proof::Refused);
        resolver.forget_pointers(&mut |_| None);
        assert_eq!(
            lines(&mut resolver, RawFrame::interpreted(outer, bytecode, 4)),
            named(&[("outer", 2)])
        );
    }
}

#[test]
fn functions_are_made_once_and_outlive_collections() {
    let mut scene = Scene::new(VERSIONS[2]);
    // The same function at another address, as after a compaction.
    let name = scene.heap.text("outer");
    let scope = scene.heap.scope(0, Some(name), None, (23, 42));
    let moved = scene.heap.shared(scope, scene.script, 14);
    let outer = scene.outer;
    let mut resolver = scene.resolver();
    let mut made = 0;
    for raw in [
        RawFrame::function_only(outer),
        RawFrame::function_only(outer),
        RawFrame::function_only(moved),
    ] {
        let mut out = Vec::new();
        resolver.resolve(
            &raw,
            None,
            &mut |info| {
                made += 1;
                make(info)
            },
            &mut out,
        );
        assert_eq!(out.len(), 1);
        resolver.forget_pointers(&mut |_| None);
    }
    assert_eq!(made, 1);
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
        let (outer, inner) = (scene.outer, scene.inner);
        let data = scene.data(inner, word(33));
        let kind = scene.heap.layout.compiled.kind_baseline + 2;
        scene.code(kind, 200, table, data);
        let mut resolver = scene.resolver();
        // The return address behind a call at 39 belongs to the inlined function, an exact pc at 40 does not.
        let inlined = named(&[("inner", 6), ("outer", 3)]);
        assert_eq!(
            lines(&mut resolver, RawFrame::compiled(START + 40, false, outer)),
            inlined,
            "{version}"
        );
        assert_eq!(
            lines(&mut resolver, RawFrame::compiled(START + 40, true, outer)),
            named(&[("outer", 2)])
        );
        // A leaf that has no frame yet: the code names its function.
        assert_eq!(
            lines(&mut resolver, RawFrame::compiled(START + 20, true, 0)),
            inlined
        );
        let proofs = resolver.proofs();
        assert_eq!(
            (proofs.optimized, proofs.inlined, proofs.failures),
            (Proof::Proved, Proof::Proved, 0)
        );
    }
}

#[test]
fn maglev_frames_believe_the_deoptimizer_more_than_the_table() {
    for version in VERSIONS.into_iter().filter(|version| version.major > 12) {
        let mut scene = Scene::new(version);
        let layout = scene.heap.layout;
        let (outer, inner) = (scene.outer, scene.inner);
        // By the tables outer calls on its first line, inner works on its second one.
        let table = positions(&layout, &[(0, word(62) | (1 << 31))]);
        let table = scene.heap.bytes(&table);
        let old = scene.data(inner, word(24));
        let field = |heap: &Heap, index: u64| heap.image.u64(old - 1 + 16 + 8 * index).unwrap();
        let array = |heap: &mut Heap, words: &[u64]| {
            let array = heap.object(layout.types.fixed_array, 16 + 8 * words.len() as u64);
            heap.set_smi(array, 8, words.len() as i32);
            for (index, &word) in words.iter().enumerate() {
                heap.set(array, 16 + 8 * index as u64, word);
            }
            array
        };
        let heap = &mut scene.heap;
        let bytecodes = [(25, 32), (60, 66)].map(|(first, second)| {
            let table = positions(&layout, &[(0, word(first)), (3, word(second))]);
            let table = heap.bytes(&table);
            heap.bytecode(&[0x0c; 8], table)
        });
        let protected = array(heap, &bytecodes);
        // The scene has inner as literal 0; outer becomes literal 1.
        let literals = array(heap, &[inner, outer]);
        let translation = heap.bytes(&[14, 0, 4, 4, 1, 8, 2, 0, 0, 1, 6, 0, 2, 0]);
        let mut words = vec![0; 15];
        for (index, word) in words.iter_mut().enumerate().take(9) {
            *word = field(heap, index as u64);
        }
        words[0] = translation;
        words[2] = protected;
        words[3] = literals;
        words[14] = 150 << 32;
        let data = array(heap, &words);
        let kind = layout.compiled.kind_baseline + 1;
        scene.code(kind, 200, table, data);
        // A call that returns to 40, point 0, exit 150.
        let safepoints = START + 200;
        scene.heap.image.put_u32(safepoints + 4, 1);
        scene.heap.image.put_u32(safepoints + 8, 0b00_1001_0001);
        scene.heap.image.put(safepoints + 16, &[40, 1, 151, 0]);
        let mut resolver = scene.resolver();
        let expected = named(&[("inner", 6), ("outer", 3)]);
        for raw in [
            RawFrame::compiled(START + 40, false, outer),
            // Behind it, and without a point of their own.
            RawFrame::compiled(START + 41, true, outer),
            RawFrame::compiled(START + 90, false, outer),
        ] {
            assert_eq!(lines(&mut resolver, raw), expected, "{version}");
        }
        let proofs = resolver.proofs();
        assert_eq!(
            (proofs.optimized, proofs.inlined, proofs.failures),
            (Proof::Proved, Proof::Proved, 0)
        );

        // Without any time it takes several attempts, of which none is wrong.
        let mut hurried = Resolver::over(resolver.memory.clone(), resolver.layout, ranges(), false);
        let raw = RawFrame::compiled(START + 90, false, outer);
        let (mut out, mut was_cut) = (Vec::new(), false);
        for _ in 0..50 {
            let time = Some(Instant::now());
            if hurried.resolve(&raw, time, &mut make, &mut out) != Progress::Unfinished {
                break;
            }
            assert!(out.is_empty());
            was_cut |= hurried.reading.is_some();
        }
        let found: Vec<_> = out
            .into_iter()
            .map(|frame| (frame.function.0, frame.place.line))
            .collect();
        assert_eq!(found, expected, "{version}");
        assert!(was_cut && hurried.reading.is_none(), "{version}");
        assert_eq!(hurried.proofs().failures, 0);
    }
}

#[test]
fn an_inlined_function_that_does_not_fit_is_refused() {
    let mut scene = Scene::new(VERSIONS[3]);
    let table = positions(&scene.heap.layout, &[(0, word(62) | (1 << 31))]);
    let table = scene.heap.bytes(&table);
    let outer = scene.outer;
    // The position lies outside of the function that is named as inlined.
    let data = scene.data(outer, word(33));
    let kind = scene.heap.layout.compiled.kind_baseline + 1;
    scene.code(kind, 200, table, data);
    let mut resolver = scene.resolver();
    // One alone may have been caught while V8 replaced it; eight have not.
    for pc in START + 9..START + 17 {
        assert_ne!(resolver.proofs().inlined, Proof::Refused);
        assert_eq!(
            lines(&mut resolver, RawFrame::compiled(pc, false, outer)),
            named(&[("outer", 2)])
        );
    }
    assert_eq!(
        (resolver.proofs().optimized, resolver.proofs().inlined),
        (Proof::Proved, Proof::Refused)
    );
}

#[test]
fn code_that_names_another_function_is_refused() {
    let mut scene = Scene::new(VERSIONS[2]);
    let table = positions(&scene.heap.layout, &[(0, word(62))]);
    let table = scene.heap.bytes(&table);
    let inner = scene.inner;
    let data = scene.data(inner, word(33));
    let kind = scene.heap.layout.compiled.kind_baseline + 1;
    scene.code(kind, 200, table, data);
    let mut resolver = scene.resolver();
    for pc in START + 9..START + 17 {
        assert_ne!(resolver.proofs().optimized, Proof::Refused);
        assert_eq!(
            lines(&mut resolver, RawFrame::compiled(pc, false, inner)),
            named(&[("inner", 5)])
        );
    }
    assert_eq!(resolver.proofs().optimized, Proof::Refused);
}

#[test]
fn baseline_frames_show_the_executed_line() {
    for version in VERSIONS {
        let mut scene = Scene::new(version);
        let layout = scene.heap.layout;
        let table = positions(&layout, &[(0, word(25)), (3, word(32))]);
        let table = scene.heap.bytes(&table);
        // Eight bytecodes of one byte; LdaZero has the same number within each major's neighbours: 0x0c or 0x0b.
        let sizes = BytecodeSizes::for_version(version).unwrap();
        let single = (4..32)
            .find(|&code| sizes.length(&[code]) == Some(1))
            .unwrap();
        let bytecode = scene.heap.bytecode(&[single; 8], table);
        let mut offsets = Vec::new();
        for delta in [20u64, 10, 10, 10, 10, 10, 10, 10, 10] {
            unsigned(&mut offsets, delta);
        }
        let offsets = scene.heap.bytes(&offsets);
        scene.code(layout.compiled.kind_baseline, 100, offsets, bytecode);
        let outer = scene.outer;
        let mut resolver = scene.resolver();
        // 20..30 is bytecode 0, 50..60 is bytecode 3.
        assert_eq!(
            lines(&mut resolver, RawFrame::compiled(START + 25, true, outer)),
            named(&[("outer", 2)])
        );
        assert_eq!(
            lines(&mut resolver, RawFrame::compiled(START + 51, false, outer)),
            named(&[("outer", 3)])
        );
        assert_eq!(resolver.proofs().baseline, Proof::Proved, "{version}");
        // Without a frame yet, the bytecode is known from before.
        assert_eq!(
            lines(&mut resolver, RawFrame::compiled(START + 52, true, 0)),
            named(&[("outer", 3)])
        );
    }
}

#[test]
fn markers_builtins_and_physical_frames() {
    let mut scene = Scene::new(VERSIONS[1]);
    let (name, undefined) = (scene.heap.text("map"), scene.heap.object(131, 48));
    let map = scene.heap.shared(name, undefined, 0);
    let outer = scene.outer;
    scene.heap.layout.frames = Frames::Physical;
    let mut resolver = scene.resolver();
    let one = |resolver: &mut Resolver<Shown, Image>, raw| {
        let mut out = Vec::new();
        resolver.resolve(&raw, None, &mut make, &mut out);
        out.into_iter()
            .map(|frame| (frame.function.0, frame.function.1, frame.place.line))
            .collect::<Vec<_>>()
    };
    let text = |name: &str, file: &str, line| vec![(name.to_owned(), file.to_owned(), line)];
    assert_eq!(
        one(&mut resolver, RawFrame::marker(Kind::Wasm, 5, true)),
        text("(wasm)", "", 0)
    );
    assert_eq!(
        one(&mut resolver, RawFrame::marker(Kind::Regexp, 5, true)),
        text("(regexp)", "", 0)
    );
    assert_eq!(
        one(&mut resolver, RawFrame::builtin(5, true, map)),
        text("map", BUILTIN_FILE, 0)
    );
    assert_eq!(
        one(&mut resolver, RawFrame::compiled(START, true, outer)),
        text("outer", "/app.js", 2)
    );
    assert_eq!(one(&mut resolver, RawFrame::native(5, true)), []);
    assert_eq!(
        one(&mut resolver, RawFrame::marker(Kind::Unknown, 5, true)),
        []
    );
    assert_eq!(resolver.proofs().unknown, 1);
}

#[test]
fn damaged_heaps_never_panic() {
    let mut random = Random(5);
    for round in 0..400usize {
        let mut scene = Scene::new(VERSIONS[round % 5]);
        let table = positions(
            &scene.heap.layout,
            &[(0, word(24)), (16, word(62) | (1 << 31))],
        );
        let table = scene.heap.bytes(&table);
        let data = scene.data(scene.inner, word(33));
        let bytecode = scene.heap.bytecode(&[0x0c; 8], table);
        let kind = scene.heap.layout.compiled.kind_baseline + (random.next() % 3) as u32;
        let held = if random.next().is_multiple_of(2) {
            data
        } else {
            bytecode
        };
        scene.code(kind, 200, table, held);
        let end = scene.heap.room(0);
        for _ in 0..40 {
            let at = BASE + 0x1_0000 + random.next() % (end - BASE - 0x1_0000);
            let value = match random.next() % 3 {
                0 => random.next(),
                1 => (BASE + 0x1_0000 + random.next() % 0x4000) | 1,
                _ => random.next() & !0xffff_ffff,
            };
            scene.heap.image.put_u64(at & !7, value);
        }
        let (outer, inner) = (scene.outer, scene.inner);
        let mut resolver = scene.resolver();
        for shared in [outer, inner, 0, 1, random.next()] {
            let pc = START + random.next() % 250;
            lines(&mut resolver, RawFrame::compiled(pc, true, shared));
            lines(
                &mut resolver,
                RawFrame::interpreted(shared, bytecode, (random.next() % 9) as u32),
            );
            lines(&mut resolver, RawFrame::builtin(pc, false, shared));
        }
    }
}

mod kept {
    use super::*;
    use crate::lines::CHUNK;

    const CHUNKS: usize = 4;
    const LINES: u32 = (CHUNKS * CHUNK / 2) as u32;

    /// A resolver, an interpreted frame in the second line of `outer`, which stands behind four chunks of text, and a word where V8 would keep the
    /// script's address up to date.
    fn behind_text() -> (Resolver<Shown, Image>, RawFrame, u64) {
        let mut heap = Heap::with_room(VERSIONS[3], 2 << 20);
        let text = "x\n".repeat(LINES as usize);
        let at = text.len();
        let source = format!("{text}function outer() {{\n  inner();\n}}\n");
        let (file, source) = (heap.text("/app.js"), heap.text(&source));
        let script = heap.script(3, file, source);
        let name = heap.text("outer");
        let scope = heap.scope(1, Some(name), None, (at as i32 + 14, at as i32 + 33));
        let outer = heap.shared(scope, script, 14);
        let table = positions(&heap.layout, &[(0, word(at as u64 + 21))]);
        let table = heap.bytes(&table);
        let bytecode = heap.bytecode(&[0x0c; 8], table);
        let handle = heap.room(8);
        heap.image.put_u64(handle, script);
        let raw = RawFrame::interpreted(outer, bytecode, 4);
        let resolver = Resolver::over(heap.image, heap.layout, ranges(), false);
        (resolver, raw, handle)
    }

    fn keep(resolver: &mut Resolver<Shown, Image>, raw: &RawFrame) -> Kept<Shown> {
        let mut kept = Vec::new();
        resolver.keep(raw, &mut make, &mut kept);
        resolver.keep(raw, &mut make, &mut kept);
        assert_eq!(kept.len(), 2, "the second one is known");
        kept.remove(0)
    }

    /// The function's line and the frame's.
    fn lines_of(resolved: &Resolved<Shown>) -> (u32, u32) {
        assert_eq!(resolved.function.0, "outer");
        assert_eq!(resolved.function.1, "/app.js");
        (resolved.function.2, resolved.place.line)
    }

    #[test]
    fn lines_are_counted_behind_a_collection_in_slices_as_long_as_the_script_is_held() {
        let (mut resolver, raw, handle) = behind_text();
        let kept = keep(&mut resolver, &raw);
        assert!(kept.resolved().is_none(), "nothing was counted");
        resolver.forget_pointers(&mut |_| Some(handle));
        let late = Some(Instant::now());
        let mut looks = 1;
        let resolved = loop {
            match resolver.complete(&kept, late, &mut make) {
                Some(resolved) => break resolved,
                None => looks += 1,
            }
        };
        assert_eq!(lines_of(&resolved), (LINES + 1, LINES + 2));
        assert_eq!(looks, CHUNKS + 1, "a chunk at a time");
        let mut disposed = Vec::new();
        resolver.let_go(&mut |handle| disposed.push(handle));
        resolver.let_go(&mut |handle| disposed.push(handle));
        assert_eq!(disposed, [handle], "once");
    }

    #[test]
    fn a_script_that_is_gone_has_no_lines_and_one_that_comes_again_has() {
        let (mut resolver, raw, _) = behind_text();
        let kept = keep(&mut resolver, &raw);
        resolver.forget_pointers(&mut |_| None);
        let resolved = resolver.complete(&kept, None, &mut make).unwrap();
        assert_eq!(lines_of(&resolved), (0, 0), "missing, not wrong");
        assert_eq!(lines(&mut resolver, raw), named(&[("outer", LINES + 2)]));
        let resolved = resolver.complete(&kept, None, &mut make).unwrap();
        assert_eq!(lines_of(&resolved), (LINES + 1, LINES + 2));
    }

    #[test]
    fn what_is_known_is_kept_whole_and_holds_nothing() {
        let (mut resolver, raw, _) = behind_text();
        assert_eq!(lines(&mut resolver, raw), named(&[("outer", LINES + 2)]));
        let kept = keep(&mut resolver, &raw);
        assert!(kept.resolved().is_some());
        resolver.forget_pointers(&mut |_| panic!("nobody needs the script"));
        let resolved = resolver.complete(&kept, None, &mut make).unwrap();
        assert_eq!(lines_of(&resolved), (LINES + 1, LINES + 2));
    }
}
