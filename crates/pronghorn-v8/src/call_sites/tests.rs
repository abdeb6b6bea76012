use super::reading::{jumps_in, slow_paths};
use super::*;
use crate::code::Code;
use crate::deopt_points;
use crate::layout::Layout;
use crate::memory::Image;
use crate::optimized::Inlined;
use crate::scratch::Scratch;
use crate::test_support::{BASE, Heap, Random, VERSIONS, positions, word};
use crate::version::Version;

const START: u64 = BASE + 0x1000;
const SIZE: u32 = 0x400;
/// Where the only lazy and the only eager exit are.
const LAZY: u64 = 0x300;
const EAGER: u64 = 0x310;

struct Scene {
    heap: Heap,
    code: Code,
    outer: u64,
    inner: u64,
    bytecodes: [u64; 2],
}

/// A function's translation; `literal` counts its SharedFunctionInfo and its BytecodeArray alike.
fn function(out: &mut Vec<u8>, literal: u8, offset: u8) {
    out.extend_from_slice(&[1, offset << 1, literal << 1, literal << 1, 0]);
}

/// `outer` with `inner` inlined twice (ids 0 and 1) into it; the position table says script offset 30 for everything.
/// A call at 0x120 in id 0 has outer at bytecode 5; a jump at 0x180 in id 1 has it at bytecode 9.
fn scene(version: Version, exit_of_call: u64) -> Scene {
    let mut translations = vec![14, 0, 4, 4];
    function(&mut translations, 0, 5);
    function(&mut translations, 1, 3);
    let second = translations.len();
    translations.extend_from_slice(&[14, 0, 4, 4]);
    function(&mut translations, 0, 9);
    function(&mut translations, 1, 4);
    scene_of(version, exit_of_call, &translations, second)
}

/// The same with these translations, of which the jump's is the one at `second`.
fn scene_of(version: Version, exit_of_call: u64, translations: &[u8], second: usize) -> Scene {
    let second = second as i32;
    let mut heap = Heap::new(version);
    let layout = heap.layout;
    let (outer, inner) = (heap.shared(0, 0, 0), heap.shared(0, 0, 0));
    let bytecodes = [heap.bytecode(&[0; 16], 0), heap.bytecode(&[0; 16], 0)];
    let translations = heap.bytes(translations);

    let literals = heap.array(&[outer, inner]);
    let own = heap.array(&bytecodes);
    let mut entries = Vec::new();
    for _ in 0..2 {
        entries.extend_from_slice(&word(30).to_le_bytes());
        entries.extend_from_slice(&1u64.to_le_bytes());
    }
    let entries = heap.bytes(&entries);
    let compiled = layout.compiled;
    let first = compiled.inlining_positions + 4;
    let data = heap.object(layout.types.fixed_array, 16 + 8 * (first + 6));
    heap.set_smi(data, 8, (first + 6) as i32);
    let at = |index: u64| 16 + 8 * index;
    heap.set(data, at(0), translations);
    heap.set_smi(data, at(compiled.inlined_count), 2);
    heap.set(data, at(compiled.literals), literals);
    heap.set(data, at(compiled.literals - 1), own);
    heap.set(data, at(compiled.inlining_positions), entries);
    for (index, value) in [0, second, EAGER as i32, 0, 0, LAZY as i32]
        .into_iter()
        .enumerate()
    {
        heap.set_smi(data, at(first + index as u64), value);
    }

    let id = |id: u64| word(30) | (id + 1) << 31;
    let table = positions(&layout, &[(0x10, word(30)), (0x100, id(0)), (0x140, id(1))]);
    let table = heap.bytes(&table);
    let object = heap.object(layout.types.code, 96);
    heap.set(object, layout.unexported.code_deopt, data);
    heap.set(object, layout.unexported.code_positions, table);
    // jne rel32 to the eager exit.
    let distance = (EAGER - 0x186) as u8;
    heap.image.put(
        START + 0x180,
        &[0x0f, 0x85, distance, ((EAGER - 0x186) >> 8) as u8, 0, 0],
    );
    // One call without a point, one with point 1: pc, point + 1, exit + 1, spilled slots.
    let safepoints = START + u64::from(SIZE);
    heap.image.put_u32(safepoints + 4, 2);
    heap.image.put_u32(safepoints + 8, 0b00_1010_0001);
    let exit = (exit_of_call + 1).to_le_bytes();
    heap.image.put(
        safepoints + 16,
        &[0x10, 0, 0, 0, 0, 0, 0x20, 1, 2, exit[0], exit[1], 0],
    );
    Scene {
        heap,
        code: Code {
            object,
            start: START,
            size: SIZE,
            kind: 11,
        },
        outer,
        inner,
        bytecodes,
    }
}

/// The reading of `code`, in one go.
fn whole(
    image: &Image,
    layout: &Layout,
    code: &Code,
    physical: u64,
    scratch: &mut Scratch,
) -> Option<CallSites> {
    let mut reading = Reading::begin(image, layout, code, physical, scratch)?;
    assert!(reading.go_on(image, layout, &mut scratch.part, &|| false));
    Some(reading.finish(scratch))
}

impl Scene {
    fn read(&self) -> Option<CallSites> {
        whole(
            &self.heap.image,
            &self.heap.layout,
            &self.code,
            self.outer,
            &mut Scratch::default(),
        )
    }

    fn at_return(&self, offset: u64) -> Option<Vec<Place>> {
        let Self { heap, code, .. } = self;
        deopt_points::at_return(
            &heap.image,
            &heap.layout,
            code,
            self.outer,
            offset,
            &mut Scratch::default(),
        )
    }

    fn at_outer(&self, offset: u64) -> Place {
        Place {
            shared: self.outer,
            bytecode: self.bytecodes[0],
            offset,
        }
    }

    fn at_inner(&self, offset: u64) -> Place {
        Place {
            shared: self.inner,
            bytecode: self.bytecodes[1],
            offset,
        }
    }
}

#[test]
fn calls_and_jumps_tell_where_functions_were_inlined() {
    for version in VERSIONS.into_iter().filter(|version| version.major > 12) {
        let scene = scene(version, LAZY);
        let sites = scene.read().unwrap();
        let both = vec![scene.at_inner(3), scene.at_outer(5)];
        assert_eq!(scene.at_return(0x120), Some(both), "{version}");
        assert_eq!(scene.at_return(0x10), None);
        assert_eq!(scene.at_return(0x121), None);
        assert_eq!(sites.callers(0), Some(&[scene.at_outer(5)][..]));
        assert_eq!(sites.callers(1), Some(&[scene.at_outer(9)][..]));
        assert_eq!(sites.callers(2), None);
    }
}

#[test]
fn a_translation_may_refer_to_one_far_in_front_of_it() {
    for between in [0, 700, 2_100] {
        let mut translations = vec![14, 0, 4, 4];
        function(&mut translations, 0, 5);
        function(&mut translations, 1, 3);
        translations.resize(translations.len() + between, 0xff);
        let second = translations.len();
        let distance = [second as u8 & 0x7f | 0x80, (second >> 7) as u8];
        translations.extend_from_slice(&[14, distance[0], distance[1], 4, 4]);
        function(&mut translations, 0, 9);
        // Two operations as there: the inner function and its value.
        translations.push(47);
        let scene = scene_of(VERSIONS[3], LAZY, &translations, second);
        let sites = scene.read().unwrap();
        let found = sites.before(0x180, Some(1)).map(|site| site.place);
        assert_eq!(found, Some(scene.at_inner(3)), "{between}");
        assert_eq!(sites.callers(1), Some(&[scene.at_outer(9)][..]));
        assert_eq!(sites.callers(0), Some(&[scene.at_outer(5)][..]));
    }
}

#[test]
fn the_last_place_in_front_belongs_to_the_same_inlined_call() {
    let scene = scene(VERSIONS[2], LAZY);
    let sites = scene.read().unwrap();
    assert_eq!(sites.before(0x11e, Some(0)), None);
    let first = sites.before(0x11f, Some(0)).unwrap();
    assert_eq!((first.place, first.by_table), (scene.at_inner(3), 30));
    assert_eq!(sites.before(0x200, Some(0)), Some(first));
    assert_eq!(
        sites.before(0x180, Some(1)).map(|site| site.place),
        Some(scene.at_inner(4))
    );
    assert_eq!(sites.before(0x200, None), None);
}

#[test]
fn slow_paths_belong_to_the_jumps_that_lead_there() {
    let jumps = [
        (0x20, 0x50),
        (0x40, 0x120),
        (0x60, 0x120),
        (0x70, 0x180),
        // Backwards, and from one slow path to another.
        (0x1f0, 0x190),
        (0x185, 0x200),
    ];
    let sites = CallSites {
        table_end: 0x100,
        slow: slow_paths(&jumps, 0x100),
        ..CallSites::default()
    };
    let origins = [0x50, 0x100, 0x110, 0x120, 0x17f, 0x195, 0x210].map(|pc| sites.origin(pc));
    assert_eq!(origins, [0x50, 0x100, 0x110, 0x40, 0x40, 0x70, 0x70]);
}

#[test]
fn a_slow_path_has_the_functions_of_its_jump() {
    // The position table of the scene ends at 0x140, so that the jump to the exit is itself in a slow path.
    for version in VERSIONS.into_iter().filter(|version| version.major > 12) {
        let mut scene = scene(version, LAZY);
        // je rel32 from id 0 to 0x170, in front of the jump to the exit.
        let distance = 0x170u32 - 0x136;
        let mut jump = vec![0x0f, 0x84];
        jump.extend_from_slice(&distance.to_le_bytes());
        scene.heap.image.put(START + 0x130, &jump);
        let sites = scene.read().unwrap();
        assert_eq!(sites.origin(0x180), 0x130, "{version}");
        assert_eq!(sites.origin(EAGER), 0x130);
        // The point belongs to id 0 now, whose call says something else: nobody is believed.
        assert_eq!((sites.callers(0), sites.callers(1)), (None, None));
    }
}

#[test]
fn a_point_that_names_another_exit_is_not_believed() {
    let scene = scene(VERSIONS[2], LAZY + 1);
    let sites = scene.read().unwrap();
    assert_eq!(scene.at_return(0x120), None);
    assert_eq!(sites.callers(0), None);
    assert!(sites.callers(1).is_some());
}

#[test]
fn another_function_is_not_believed() {
    let scene = scene(VERSIONS[3], LAZY);
    let sites = whole(
        &scene.heap.image,
        &scene.heap.layout,
        &scene.code,
        scene.inner,
        &mut Scratch::default(),
    )
    .unwrap();
    assert_eq!(sites.callers(0), None);
    assert_eq!(sites.callers(1), None);
}

#[test]
fn places_that_disagree_tell_nothing() {
    let scene = scene(VERSIONS[2], LAZY);
    let chain = [(scene.inner, Some(0)), (scene.outer, None)].map(|(shared, inlining)| Inlined {
        shared,
        offset: 30,
        inlining,
    });
    let mut sites = CallSites::default();
    sites.learn(1, 30, &chain, &[scene.at_inner(1), scene.at_outer(5)]);
    sites.learn(2, 30, &chain, &[scene.at_inner(2), scene.at_outer(5)]);
    assert_eq!(sites.callers(0), Some(&[scene.at_outer(5)][..]));
    sites.learn(3, 30, &chain, &[scene.at_inner(2), scene.at_outer(6)]);
    sites.learn(4, 30, &chain, &[scene.at_inner(2), scene.at_outer(5)]);
    assert_eq!(sites.callers(0), None);
    // Other functions than those of the position table are no place of it.
    sites.learn(5, 30, &chain, &[scene.at_outer(2), scene.at_outer(5)]);
    sites.learn(6, 30, &chain, &[scene.at_outer(5)]);
    assert_eq!(sites.sites.len(), 4);
}

#[test]
fn builtins_between_functions_belong_to_the_callers() {
    let mut scene = scene(VERSIONS[2], LAZY);
    let shared = scene.heap.shared(0, 0, 0);
    let builtin = Place {
        shared,
        bytecode: 0,
        offset: 0,
    };
    let chain = [(scene.inner, Some(0)), (scene.outer, None)].map(|(shared, inlining)| Inlined {
        shared,
        offset: 30,
        inlining,
    });
    let mut sites = CallSites::default();
    sites.learn(
        1,
        30,
        &chain,
        &[builtin, scene.at_inner(1), builtin, scene.at_outer(5)],
    );
    assert_eq!(sites.callers(0), Some(&[builtin, scene.at_outer(5)][..]));
    assert_eq!(
        sites.before(1, Some(0)).map(|site| site.place),
        Some(scene.at_inner(1))
    );
}

#[test]
fn damaged_code_ends_and_never_panics() {
    let mut random = Random(9);
    for round in 0..600usize {
        let mut scene = scene(VERSIONS[2 + round % 3], LAZY);
        // Safepoints, instructions, and anything in the heap.
        for (start, length) in [
            (START + u64::from(SIZE), 32),
            (START, 0x400),
            (BASE + 0x1_0000, 0x1000),
        ] {
            let bytes = random.bytes(6);
            scene.heap.image.put(start + random.next() % length, &bytes);
        }
        let _ = scene.read();
        let _ = scene.at_return(0x120);
    }
}

#[test]
fn a_reading_in_parts_finds_the_same() {
    let mut compared = 0;
    for version in VERSIONS {
        let scene = scene(version, LAZY);
        let Some(whole) = scene.read() else { continue };
        let (image, layout) = (&scene.heap.image, &scene.heap.layout);
        let mut scratch = Scratch::default();
        let mut reading =
            Reading::begin(image, layout, &scene.code, scene.outer, &mut scratch).unwrap();
        assert!(reading.is_of(&scene.code, scene.outer));
        assert!(!reading.is_of(&scene.code, scene.inner));
        let mut parts = 1;
        while !reading.go_on(image, layout, &mut scratch.part, &|| true) {
            parts += 1;
        }
        assert!(parts > 1 && parts < 100, "{parts}");
        let finished = reading.finish(&mut scratch);
        assert!(!finished.sites.is_empty() && !finished.callers.is_empty());
        assert_eq!(format!("{finished:?}"), format!("{whole:?}"));
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn jumps_are_found_at_every_byte() {
    let mut random = Random(17);
    let mut found = 0;
    for _ in 0..300 {
        // Openings, small operands of either sign, and little else.
        let mut bytes = random.bytes(400);
        for byte in &mut bytes {
            *byte =
                [0x0f, 0xe9, 0x84, 0x90, 0, 0, 0, 0, 0xff, 0xff, 7, 0xf0][usize::from(*byte) % 12];
        }
        let mut expected = Vec::new();
        for at in 0..bytes.len() - 5 {
            let (operand, end) = match bytes[at..at + 6] {
                [0x0f, code, ..] if code & 0xf0 == 0x80 => (at + 2, at + 6),
                [0xe9, ..] => (at + 1, at + 5),
                _ => continue,
            };
            let distance = i32::from_le_bytes(bytes[operand..operand + 4].try_into().unwrap());
            let target = end as i64 + i64::from(distance);
            if (0..bytes.len() as i64).contains(&target) {
                expected.push((at as u64, target as u64));
            }
        }
        assert_eq!(jumps_in(&bytes).collect::<Vec<_>>(), expected);
        found += expected.len();
    }
    assert!(found > 300, "{found}");
}
