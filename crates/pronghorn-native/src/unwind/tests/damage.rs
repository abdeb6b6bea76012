//! Damaged unwind tables end in an error, never in a panic or an endless loop.

use std::cell::Cell;
use std::path::Path;

use crate::images::ImageList;
use crate::unwind::registers::Registers;
use crate::unwind::{UnwindCache, UnwindTable, program, step};

/// Reads that one step may take at most, whatever the tables say: the bounds of the program and of its expressions.
const MOST_READS: u64 = 20_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// The unwind tables of a library as it is in memory: header and entries in one piece.
struct Tables {
    start: u64,
    bytes: Vec<u8>,
}

impl Tables {
    fn of_libc() -> Self {
        let images = ImageList::snapshot();
        let image = images
            .images()
            .iter()
            .find(|image| image.path().file_name() == Some(Path::new("libc.so.6").as_os_str()))
            .unwrap();
        let table = image.unwind_table().unwrap();
        let start = table.header() & !7;
        let segment_end = {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let line = maps.lines().find(|line| {
                let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
                let from = u64::from_str_radix(from, 16).unwrap();
                (from..u64::from_str_radix(to, 16).unwrap()).contains(&start)
            });
            u64::from_str_radix(
                line.unwrap()
                    .split_once(' ')
                    .unwrap()
                    .0
                    .split_once('-')
                    .unwrap()
                    .1,
                16,
            )
            .unwrap()
        };
        let length = usize::try_from(segment_end - start).unwrap();
        // SAFETY: from inside a readable mapping of libc to that mapping's end.
        let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, length) }.to_vec();
        Self { start, bytes }
    }

    fn u64(&self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        Some(u64::from_le_bytes(
            *self.bytes.get(offset..)?.first_chunk()?,
        ))
    }
}

#[test]
fn damaged_tables() {
    let mut tables = Tables::of_libc();
    let images = ImageList::snapshot();
    let libc = images
        .find(libc::gnu_get_libc_version as *const () as u64)
        .unwrap();
    let (code, header) = (libc.segments()[0], libc.unwind_table().unwrap().header());
    let end = tables.start + tables.bytes.len() as u64;
    let mut random = Random(20_261_123);
    let (mut good, mut bad, mut worst) = (0_u64, 0_u64, 0_u64);
    let sound = UnwindTable::parse(&|address| tables.u64(address), header, end).unwrap();
    for round in 0..40_000 {
        let pc = code.start + random.next() % (code.end - code.start);
        let Ok(entry) = sound.find(&|address| tables.u64(address), pc) else {
            continue;
        };
        // Damage the header of the index, the index, this entry, or what its functions share.
        let (from, to) = match round % 8 {
            0 => (header, header + 12),
            1 => (header + 12, header + 12 + u64::from(sound.len()) * 8),
            2 => (entry.initial.start - 20, entry.initial.end),
            _ => (entry.address, entry.instructions.end),
        };
        let mut undo = Vec::new();
        for _ in 0..=random.below(6) {
            let place = (from - tables.start) as usize + random.below((to - from) as usize);
            undo.push((place, tables.bytes[place]));
            tables.bytes[place] = match random.below(4) {
                0 => 0xff,
                1 => 0,
                2 => random.below(0x30) as u8,
                _ => random.next() as u8,
            };
        }
        let reads = Cell::new(0_u64);
        let memory = |address: u64| {
            reads.set(reads.get() + 1);
            // What is not a table reads as some stack.
            let stack = || {
                (!address.is_multiple_of(3)).then_some(address.rotate_left(7) & 0x7fff_ffff_fff8)
            };
            tables.u64(address).or_else(stack)
        };
        let result = UnwindTable::parse(&memory, header, end).and_then(|table| {
            let entry = table.find(&memory, pc)?;
            let row = program::run(&memory, &entry, pc)?;
            row.apply(
                &memory,
                &mut Registers::new(pc, 0x7000_0000, 0x7000_0100, true),
            )
        });
        if result.is_ok() {
            good += 1;
        } else {
            bad += 1;
        }
        worst = worst.max(reads.get());
        assert!(
            reads.get() < MOST_READS,
            "round {round}: {} reads",
            reads.get()
        );
        for (place, byte) in undo.into_iter().rev() {
            tables.bytes[place] = byte;
        }
    }
    println!("{good} steps succeeded, {bad} failed, at most {worst} reads in one");
    assert!(good > 1_000 && bad > 1_000);
}

/// Entries made of nothing but random bytes behind a valid head: every opcode with every operand.
#[test]
fn random_programs() {
    let mut random = Random(7);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..60_000 {
        let mut bytes = vec![0_u8; 256];
        let head = [
            // CIE: length, id, version, "zR", alignments 1 and -8, register 16, one byte of data: pcrel sdata4
            &[
                20_u8, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8,
                0x90, 1, 0, 0,
            ][..],
            // FDE: length, distance to the CIE, start relative to itself, length of code, no data
            &[220, 0, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        ]
        .concat();
        bytes[..head.len()].copy_from_slice(&head);
        for byte in &mut bytes[head.len()..] {
            // Small operands make deeper programs.
            *byte = if random.below(2) == 0 {
                random.next() as u8
            } else {
                random.below(24) as u8
            };
        }
        let base = 0x10_0000_u64;
        let memory = |address: u64| {
            let offset = usize::try_from(address.checked_sub(base)?).ok()?;
            bytes
                .get(offset..)?
                .first_chunk()
                .map(|word| u64::from_le_bytes(*word))
                .or(Some(0))
        };
        let result =
            crate::unwind::frame_entry::FrameEntry::parse(&memory, base + 24).and_then(|entry| {
                let pc = entry.begin + random.next() % 256;
                let row = program::run(&memory, &entry, pc)?;
                let mut caller = Registers::new(pc, 0x7000_0000, 0x7000_0100, true);
                row.apply(&memory, &mut caller)
            });
        if result.is_ok() { good += 1 } else { bad += 1 }
    }
    println!("{good} programs ran, {bad} failed");
    assert!(good > 10 && bad > 10_000);
}

/// Zeros are an empty cache, and memory that reads as nothing ends a walk.
#[test]
fn nothing_readable() {
    let images = ImageList::snapshot();
    let cache = Box::new(UnwindCache::new());
    let nothing = |_: u64| None;
    for pc in [
        0,
        1,
        0x1000,
        libc::gnu_get_libc_version as *const () as u64,
        u64::MAX,
    ] {
        for exact in [false, true] {
            let mut registers = Registers::new(pc, 0x7000_0000, 0, exact);
            assert!(step(&images, &cache, &nothing, &mut registers).is_err());
            assert_eq!(registers.pc, pc);
        }
    }
}
