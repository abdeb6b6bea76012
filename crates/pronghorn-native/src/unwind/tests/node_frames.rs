//! All frame descriptions of the four Node binaries, against an independent reader of them.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::{ptr, slice};

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindSection,
};

use crate::elf::{self, PT_GNU_EH_FRAME, PT_LOAD, ProgramHeader};
use crate::memory::Memory;
use crate::symbol_source::Source;
use crate::unwind::registers::{RA, RBP, RBX};
use crate::unwind::row::{Cfa, Row, Rule};
use crate::unwind::{UnwindTable, program};

/// Every so many-th description in the short run; a prime.
const STRIDE: usize = 37;

/// A file mapped as one piece, read by the addresses that its code would have.
struct Mapped {
    bytes: &'static [u8],
    headers: Vec<ProgramHeader>,
}

impl Mapped {
    fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
        // SAFETY: a new private mapping of a whole file that nothing writes to; it is never unmapped.
        let bytes = unsafe {
            let start = libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            );
            assert_ne!(start, libc::MAP_FAILED);
            slice::from_raw_parts(start.cast(), length)
        };
        Self {
            bytes,
            headers: elf::program_headers(&Source::file(path).unwrap(), 0),
        }
    }

    fn offset(&self, address: u64) -> Option<usize> {
        let mut loaded = self.headers.iter().filter(|header| header.kind == PT_LOAD);
        let header =
            loaded.find(|header| address.wrapping_sub(header.address) < header.file_size)?;
        usize::try_from(address - header.address + header.offset).ok()
    }
}

impl Memory for Mapped {
    fn u64(&self, address: u64) -> Option<u64> {
        let offset = self.offset(address)?;
        Some(u64::from_le_bytes(
            *self.bytes.get(offset..)?.first_chunk()?,
        ))
    }
}

fn binary(version: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join(format!("__test__/nodes/node_modules/{version}/bin/node"));
    assert!(
        path.exists(),
        "no {}: run `npm ci --prefix __test__/nodes`",
        path.display()
    );
    path
}

/// What both readers say about one register, in the same words.
fn describe(rule: Option<&RegisterRule<usize>>) -> String {
    match rule {
        None | Some(RegisterRule::SameValue) => "same".into(),
        Some(RegisterRule::Undefined) => "undefined".into(),
        Some(RegisterRule::Offset(offset)) => format!("at {offset}"),
        Some(RegisterRule::ValOffset(offset)) => format!("is {offset}"),
        Some(RegisterRule::Register(register)) => format!("in {}", register.0),
        Some(RegisterRule::Expression(_)) => "at expression".into(),
        Some(RegisterRule::ValExpression(_)) => "is expression".into(),
        Some(other) => format!("{other:?}"),
    }
}

fn describe_ours(rule: Option<Rule>) -> String {
    match rule.unwrap() {
        Rule::Same => "same".into(),
        Rule::Undefined => "undefined".into(),
        Rule::Offset(offset) => format!("at {offset}"),
        Rule::ValueOffset(offset) => format!("is {offset}"),
        Rule::Register(register) => format!("in {register}"),
        Rule::Expression(_) => "at expression".into(),
        Rule::ValueExpression(_) => "is expression".into(),
    }
}

fn describe_cfa(row: &Row) -> String {
    match row.cfa() {
        Cfa::Unset => "unset".into(),
        Cfa::Register { register, offset } => format!("{register}+{offset}"),
        Cfa::Expression(_) => "expression".into(),
    }
}

/// Compares every `stride`-th description of a binary at several addresses; returns how many addresses.
fn compare(version: &str, stride: usize) -> u64 {
    let memory = Mapped::open(&binary(version));
    let header = memory
        .headers
        .iter()
        .find(|header| header.kind == PT_GNU_EH_FRAME)
        .unwrap();
    let table =
        UnwindTable::parse(&memory, header.address, header.address + header.memory_size).unwrap();
    // The header's second field says where .eh_frame is, relative to itself.
    let field = header.address + 4;
    let distance = memory.u64(field).unwrap() as u32;
    let frames = field.wrapping_add_signed(i64::from(distance.cast_signed()));
    let section = EhFrame::new(
        &memory.bytes[memory.offset(frames).unwrap()..],
        LittleEndian,
    );
    let bases = BaseAddresses::default().set_eh_frame(frames);
    let mut context = UnwindContext::new();
    let (mut entries, mut index, mut functions, mut addresses, mut failed) =
        (section.entries(&bases), 0, 0_u64, 0, 0_u64);
    while let Some(entry) = entries.next().unwrap() {
        let CieOrFde::Fde(partial) = entry else {
            continue;
        };
        index += 1;
        if index % stride != 0 {
            continue;
        }
        let entry = partial.parse(EhFrame::cie_from_offset).unwrap();
        let (start, length) = (entry.initial_address(), entry.len());
        if length == 0 {
            continue;
        }
        functions += 1;
        for pc in [0, 1, 4, length / 3, length / 2, length - 1].map(|at| start + at.min(length - 1))
        {
            addresses += 1;
            let theirs = entry
                .unwind_info_for_address(&section, &bases, &mut context, pc)
                .unwrap();
            let ours = match table
                .find(&memory, pc)
                .and_then(|entry| program::run(&memory, &entry, pc))
            {
                Ok(row) => row,
                Err(error) => {
                    println!("{version} {pc:#x}: {error}");
                    failed += 1;
                    continue;
                }
            };
            let their_cfa = match theirs.cfa() {
                CfaRule::RegisterAndOffset { register, offset } => {
                    format!("{}+{offset}", register.0)
                }
                CfaRule::Expression(_) => "expression".into(),
            };
            assert_eq!(describe_cfa(&ours), their_cfa, "{version} {pc:#x}");
            for register in [RA, RBP, RBX, 12, 13, 14, 15] {
                let rule = theirs.register(Register(register.into()));
                assert_eq!(
                    describe_ours(ours.rule(register)),
                    describe(rule.as_ref()),
                    "{version} {pc:#x} {register}"
                );
            }
        }
    }
    println!(
        "{version}: {functions} of {} functions, {addresses} addresses, {failed} failed",
        table.len()
    );
    assert!(functions > 500);
    assert_eq!(failed, 0);
    assert!(stride > 1 || functions >= u64::from(table.len()));
    addresses
}

#[test]
fn some_descriptions_agree() {
    for version in ["node20", "node22", "node24", "node26"] {
        assert!(compare(version, STRIDE) > 10_000);
    }
}

#[test]
#[ignore = "half a million functions take minutes without optimization"]
fn all_descriptions_agree() {
    for version in ["node20", "node22", "node24", "node26"] {
        assert!(compare(version, 1) > 400_000);
    }
}
