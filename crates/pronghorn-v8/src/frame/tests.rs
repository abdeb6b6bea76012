use std::cell::RefCell;

use super::*;
use crate::memory::Image;
use crate::test_support::{BASE, Heap, Random, VERSIONS, ranges};
use crate::version::Version;

const CODE: u64 = BASE + 0x1000;
const BUILTIN: u64 = BASE + 0x5000;
const STACK: u64 = BASE + 0x7_0000;
const FP: u64 = STACK + 0x100;
const CALLER_FP: u64 = STACK + 0x200;
const RETURN: u64 = BUILTIN + 0x100;

struct Scene {
    heap: Heap,
    shared: u64,
    function: u64,
    bytecode: u64,
}

impl Scene {
    /// A stack with one JavaScript frame at `FP`, interpreted at `offset`.
    fn new(version: Version, offset: i32) -> Self {
        let mut heap = Heap::new(version);
        let (name, source) = (heap.text("a.js"), heap.text("source"));
        let script = heap.script(7, name, source);
        let shared = heap.shared(name, script, 0);
        let function = heap.function(shared);
        let context = heap.object(heap.layout.types.fixed_array, 16);
        let positions = heap.bytes(&[]);
        let bytecode = heap.bytecode(&[0x0c; 40], positions);
        heap.image.put_u64(FP, CALLER_FP);
        heap.image.put_u64(FP + 8, RETURN);
        heap.image.put_u64(FP - 8, context);
        heap.image.put_u64(FP - 16, function);
        heap.image.put_u64(FP - 32, bytecode);
        let raw = offset + heap.layout.bytecode_data as i32 - 1;
        heap.image
            .put_u64(FP - 40, u64::from(raw.cast_unsigned()) << 32);
        Self {
            heap,
            shared,
            function,
            bytecode,
        }
    }

    fn view(&self) -> IsolateView {
        IsolateView {
            layout: self.heap.layout,
            ranges: ranges(),
            stack_end: STACK + 0x1000,
        }
    }

    fn classify(
        &self,
        pc: u64,
        sp: u64,
        leaf: Option<LeafRegisters>,
    ) -> Result<Classified, Broken> {
        classify_in(
            &self.heap.image,
            &self.view(),
            Registers { pc, sp, fp: FP },
            leaf.as_ref(),
        )
    }
}

const CALLER: Registers = Registers {
    pc: RETURN,
    sp: FP + 16,
    fp: CALLER_FP,
};

#[test]
fn interpreted_frames_hold_their_bytecode() {
    for version in VERSIONS {
        let scene = Scene::new(version, 12);
        let found = scene.classify(BUILTIN, FP - 64, None).unwrap();
        assert_eq!(
            found.frame,
            Some(RawFrame::interpreted(scene.shared, scene.bytecode, 12)),
            "{version}"
        );
        assert_eq!(found.caller, CALLER);
    }
}

#[test]
fn compiled_frames_hold_their_pc() {
    let scene = Scene::new(VERSIONS[2], 12);
    let found = scene.classify(CODE, FP - 64, None).unwrap();
    assert_eq!(
        found.frame,
        Some(RawFrame::compiled(CODE, false, scene.shared))
    );
}

/// Memory that says where it was read, and what was asked for beforehand.
struct Watched<'a> {
    image: &'a Image,
    read: RefCell<Vec<u64>>,
    fetched: RefCell<Vec<u64>>,
}

impl Memory for Watched<'_> {
    fn u64(&self, address: u64) -> Option<u64> {
        self.read.borrow_mut().push(address);
        self.image.u64(address)
    }
    fn u32(&self, address: u64) -> Option<u32> {
        self.image.u32(address)
    }
    fn u16(&self, address: u64) -> Option<u16> {
        self.image.u16(address)
    }
    fn u8(&self, address: u64) -> Option<u8> {
        self.image.u8(address)
    }
    fn copy(&self, address: u64, into: &mut [u8]) -> bool {
        self.image.copy(address, into)
    }
    fn prefetch(&self, address: u64) {
        self.fetched.borrow_mut().push(address);
    }
}

#[test]
fn the_function_two_frames_on_is_asked_for_and_nothing_is_read_outside_of_the_stack() {
    const NEXT_FP: u64 = STACK + 0x300;
    const FUNCTION: u64 = 0x1234_5671;
    const END: u64 = STACK + 0x1000;
    let fetched = |caller_fp: u64, next_fp: u64, stack_end: u64| {
        let mut scene = Scene::new(VERSIONS[2], 12);
        scene.heap.image.put_u64(FP, caller_fp);
        if caller_fp == CALLER_FP {
            scene.heap.image.put_u64(CALLER_FP, next_fp);
        }
        scene.heap.image.put_u64(NEXT_FP - 16, FUNCTION);
        let memory = Watched {
            image: &scene.heap.image,
            read: RefCell::default(),
            fetched: RefCell::default(),
        };
        let registers = Registers {
            pc: CODE,
            sp: FP - 64,
            fp: FP,
        };
        let view = IsolateView {
            stack_end,
            ..scene.view()
        };
        classify_in(&memory, &view, registers, None).unwrap();
        let (heap, stack) = (BASE..STACK, FP - 64..END);
        let read = memory.read.take();
        let outside = read
            .iter()
            .find(|at| !heap.contains(at) && !stack.contains(at));
        assert_eq!(outside, None, "{caller_fp:x} {next_fp:x}");
        memory.fetched.take()
    };
    assert_eq!(fetched(CALLER_FP, NEXT_FP, END), [FUNCTION]);
    for caller_fp in [FP, FP - 8, CALLER_FP + 4, END - 8, END, 8, u64::MAX] {
        assert!(fetched(caller_fp, 0, END).is_empty(), "{caller_fp:x}");
    }
    for next_fp in [CALLER_FP, FP, NEXT_FP + 1, END - 16, END, 0, u64::MAX - 7] {
        assert!(fetched(CALLER_FP, next_fp, END).is_empty(), "{next_fp:x}");
    }
    // It is not known where the stack ends.
    for end in [0, u64::MAX] {
        assert!(fetched(CALLER_FP, NEXT_FP, end).is_empty());
    }
}

#[test]
fn compiled_frames_are_told_without_their_script() {
    let mut scene = Scene::new(VERSIONS[4], 12);
    scene
        .heap
        .set(scene.shared, scene.heap.layout.shared.script, 3);
    let found = scene.classify(CODE, FP - 64, None).unwrap();
    assert_eq!(
        found.frame,
        Some(RawFrame::compiled(CODE, false, scene.shared))
    );
}

#[test]
fn functions_without_a_script_are_builtins() {
    let mut scene = Scene::new(VERSIONS[4], 12);
    let undefined = scene.heap.object(scene.heap.layout.types.oddball, 16);
    scene
        .heap
        .set(scene.shared, scene.heap.layout.shared.script, undefined);
    let found = scene.classify(BUILTIN, FP - 64, None).unwrap();
    assert_eq!(
        found.frame,
        Some(RawFrame::builtin(BUILTIN, false, scene.shared))
    );
}

#[test]
fn typed_frames_are_skipped_but_for_wasm_regexp_and_builtins_in_cpp() {
    for version in VERSIONS {
        let mut scene = Scene::new(version, 0);
        let types = scene.heap.layout.frame_types;
        let mut at = |id: i32| {
            scene
                .heap
                .image
                .put_u64(FP - 8, u64::from(id.cast_unsigned()) << 1);
            scene.classify(BUILTIN, FP - 64, None).unwrap()
        };
        // Entry frames have id 1 everywhere.
        assert_eq!(
            at(1),
            Classified {
                frame: None,
                caller: CALLER,
                entry: None,
            }
        );
        assert_eq!(
            at(types.wasm).frame,
            Some(RawFrame::marker(Kind::Wasm, BUILTIN, false))
        );
        assert_eq!(
            at(types.irregexp).frame,
            Some(RawFrame::marker(Kind::Regexp, BUILTIN, false))
        );
        scene.heap.image.put_u64(FP + 24, scene.function);
        let exit = types.builtin_exit;
        scene
            .heap
            .image
            .put_u64(FP - 8, u64::from(exit.cast_unsigned()) << 1);
        let found = scene.classify(BUILTIN, FP - 64, None).unwrap();
        assert_eq!(
            found.frame,
            Some(RawFrame::builtin(BUILTIN, false, scene.shared))
        );
    }
}

/// The entry at a frame of type `id` and so many bytes, whose last three words are those.
fn entry_at(scene: &mut Scene, id: i32, size: u64, words: [u64; 3]) -> Option<Entry> {
    let image = &mut scene.heap.image;
    image.put_u64(FP - 8, u64::from(id.cast_unsigned()) << 1);
    for (at, word) in (FP - size..).step_by(8).zip(words) {
        image.put_u64(at, word);
    }
    let leaf = Some(LeafRegisters::default());
    let told = scene.classify(BUILTIN, FP - size, None).unwrap();
    let as_leaf = scene.classify(BUILTIN, FP - size, leaf).unwrap();
    assert_eq!(as_leaf.entry, None);
    assert_eq!((told.frame, told.caller), (None, CALLER));
    told.entry
}

#[test]
fn the_first_entry_into_v8_is_told_from_those_within_it_and_from_what_it_cannot_be() {
    for version in VERSIONS {
        let mut scene = Scene::new(version, 0);
        let types = scene.heap.layout.frame_types;
        let mut is_last = |id, size, words| {
            entry_at(&mut scene, id, size, words)
                .is_some_and(|entry| Entries::default().is_last(entry))
        };
        for id in [types.entry, types.construct_entry] {
            for size in [88, 104] {
                assert!(is_last(id, size, [0, 0, 2]));
                assert!(!is_last(id, size, [FP, 0, 0]), "entered from JavaScript");
                assert!(!is_last(id, size, [0, 0, 1]));
                assert!(!is_last(id, size, [0, 8, 2]));
            }
            for size in [80, 96, 112] {
                assert!(!is_last(id, size, [0, 0, 2]), "another frame's size");
            }
        }
        assert!(!is_last(63, 88, [0, 0, 2]), "of no type that a version has");
    }
}

#[test]
fn another_isolates_first_entry_between_two_of_an_isolates_own_is_not_its_last() {
    let mut scene = Scene::new(VERSIONS[4], 0);
    let id = scene.heap.layout.frame_types.entry;
    let first = entry_at(&mut scene, id, 104, [0, 0, 2]).unwrap();
    let mut inner = |before| entry_at(&mut scene, id, 104, [before, 0, 0]).unwrap();
    let (beneath, own) = (inner(FP + 0x400), inner(FP - 104));
    // The inner one leads to an entry that lies further up than the other isolate's first.
    let mut entries = Entries::default();
    assert!(!entries.is_last(beneath));
    assert!(!entries.is_last(first));
    // It leads to this very one.
    let mut entries = Entries::default();
    assert!(!entries.is_last(own));
    assert!(entries.is_last(first));
}

#[test]
fn a_leaf_that_is_entering_leaves_its_caller_whole() {
    let mut scene = Scene::new(VERSIONS[2], 0);
    let sp = FP - 64;
    scene.heap.image.put(CODE, &[0x55, 0x48, 0x89, 0xe5]);
    scene.heap.image.put_u64(sp, CODE + 0x200);
    let leaf = LeafRegisters {
        rdi: scene.function,
        ..Default::default()
    };
    // push rbp
    let found = scene.classify(CODE, sp, Some(leaf)).unwrap();
    assert_eq!(
        found.frame,
        Some(RawFrame::compiled(CODE, true, scene.shared))
    );
    assert_eq!(
        found.caller,
        Registers {
            pc: CODE + 0x200,
            sp: sp + 8,
            fp: FP
        }
    );
    // mov rbp, rsp
    let found = scene.classify(CODE + 1, sp - 8, Some(leaf)).unwrap();
    assert_eq!(
        found.caller,
        Registers {
            pc: CODE + 0x200,
            sp: sp + 8,
            fp: FP
        }
    );
    // Linked, with nothing pushed yet: what lies below is not read.
    let found = scene
        .classify(CODE + 4, FP, Some(LeafRegisters::default()))
        .unwrap();
    assert_eq!(
        found,
        Classified {
            frame: Some(RawFrame::compiled(CODE + 4, true, 0)),
            caller: CALLER,
            entry: None,
        }
    );
}

#[test]
fn a_leaf_that_is_leaving_returns_by_its_stack_pointer() {
    let mut scene = Scene::new(VERSIONS[2], 0);
    let sp = FP - 64;
    scene.heap.image.put_u64(sp, CODE + 0x200);
    for code in [[0xc3, 0, 0, 0], [0xc2, 0x10, 0, 0]] {
        scene.heap.image.put(CODE, &code);
        let found = scene
            .classify(CODE, sp, Some(LeafRegisters::default()))
            .unwrap();
        assert_eq!(
            found.caller,
            Registers {
                pc: CODE + 0x200,
                sp: sp + 8,
                fp: FP
            }
        );
    }
    // The return address waits in r10 while arguments are dropped.
    scene.heap.image.put(CODE, &[0x41, 0x52, 0xc3, 0]);
    let leaf = LeafRegisters {
        r10: CODE + 0x300,
        ..Default::default()
    };
    assert_eq!(
        scene.classify(CODE, sp, Some(leaf)).unwrap().caller.pc,
        CODE + 0x300
    );
}

#[test]
fn a_stub_without_a_frame_shows_the_compiled_caller_at_its_call() {
    let mut scene = Scene::new(VERSIONS[2], 0);
    // Not interpreted: the slot holds no Smi.
    scene.heap.image.put_u64(FP - 40, scene.function);
    let sp = FP - 80;
    scene.heap.image.put_u64(sp, CODE + 0x44);
    scene.heap.image.put_u64(sp + 8, CODE + 0x205);
    scene.heap.image.put(CODE + 0x200, &[0xe8, 1, 2, 3, 4]);
    let found = scene
        .classify(BUILTIN, sp, Some(LeafRegisters::default()))
        .unwrap();
    assert_eq!(
        found.frame,
        Some(RawFrame::compiled(CODE + 0x205, false, scene.shared))
    );
    assert_eq!(found.caller, CALLER);
}

#[test]
fn the_interpreters_registers_tell_the_bytecode() {
    let mut scene = Scene::new(VERSIONS[2], 3);
    let table = scene.heap.room(256 * 8) - 1;
    for bytecode in 0..256 {
        scene
            .heap
            .image
            .put_u64(table + bytecode * 8, BUILTIN + bytecode * 0x20);
    }
    let header = scene.heap.layout.bytecode_data - 1;
    let leaf = LeafRegisters {
        r9: header + 20,
        r12: scene.bytecode,
        r15: table,
        ..Default::default()
    };
    let inside = BUILTIN + 0x0c * 0x20 + 7;
    let offset = |pc, leaf| {
        scene
            .classify(pc, FP - 64, Some(leaf))
            .unwrap()
            .frame
            .unwrap()
            .pc()
    };
    assert_eq!(offset(inside, leaf), 20);
    // Another handler's pc, another array, an offset out of bounds: the frame's slot counts.
    assert_eq!(offset(inside + 0x20, leaf), 3);
    assert_eq!(offset(inside, LeafRegisters { r12: 1, ..leaf }), 3);
    assert_eq!(
        offset(
            inside,
            LeafRegisters {
                r9: header + 40,
                ..leaf
            }
        ),
        3
    );
}

#[test]
fn broken_frame_pointers_end_the_walk() {
    let scene = Scene::new(VERSIONS[2], 0);
    let view = scene.view();
    let at = |fp, sp| {
        classify_in(
            &scene.heap.image,
            &view,
            Registers {
                pc: BUILTIN,
                sp,
                fp,
            },
            None,
        )
    };
    assert_eq!(at(FP + 4, FP), Err(Broken::BadFramePointer));
    assert_eq!(at(FP, FP + 8), Err(Broken::BadFramePointer));
    assert_eq!(at(view.stack_end - 8, FP), Err(Broken::BadFramePointer));
    let nowhere = IsolateView {
        stack_end: 0,
        ..view
    };
    let registers = Registers {
        pc: BUILTIN,
        sp: 8,
        fp: u64::MAX - 7,
    };
    assert_eq!(
        classify_in(&scene.heap.image, &nowhere, registers, None),
        Err(Broken::BadLoad)
    );
}

#[test]
fn random_memory_never_panics() {
    let mut random = Random(11);
    for round in 0..3000u64 {
        let mut scene = Scene::new(VERSIONS[(round % 5) as usize], 0);
        for _ in 0..24 {
            let at = FP - 128 + random.next() % 256;
            let value = match random.next() % 4 {
                0 => random.next(),
                1 => BASE + random.next() % 0x8_0000,
                2 => (BASE + random.next() % 0x8_0000) | 1,
                _ => random.next() % 256,
            };
            scene.heap.image.put_u64(at, value);
        }
        let code = random.bytes(64);
        scene.heap.image.put(CODE, &code);
        let leaf = LeafRegisters {
            r9: random.next() % 128,
            r12: scene.bytecode,
            r15: FP,
            rdi: FP,
            r10: 0,
        };
        for pc in [CODE, CODE + random.next() % 40, BUILTIN, 1, u64::MAX] {
            for sp in [FP - 64, FP, FP - 8 * (random.next() % 20)] {
                let _ = scene.classify(pc, sp, Some(leaf));
                let _ = scene.classify(pc, sp, None);
            }
        }
    }
}
