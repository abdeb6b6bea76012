//! The few parts of the ELF format that naming addresses takes. Every number read is taken for hostile: nothing is
//! allocated or repeated by a count that was not bounded first.

use std::ops::Range;

use crate::build_id;
use crate::symbol_source::Source;

/// Magic number, 64-bit, little endian.
const IDENTITY: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
const HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: usize = 56;
const SECTION_HEADER_SIZE: usize = 64;
/// More headers than this are taken for damage; a build with a section per function has tens of thousands, but linked
/// images have about forty.
const MAX_PROGRAM_HEADERS: u16 = 512;
const MAX_SECTIONS: u16 = 4096;
const MAX_DYNAMIC_ENTRIES: u64 = 1024;
/// Hash buckets and chain links looked at to count the symbols of a loaded image.
const MAX_HASH_STEPS: u32 = 1 << 22;

pub(crate) const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
pub(crate) const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
pub(crate) const PF_X: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const SHT_DYNSYM: u32 = 11;
const SHF_EXECINSTR: u64 = 4;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_STRSZ: u64 = 10;
const DT_GNU_HASH: u64 = 0x6fff_fef5;

/// Bytes of one symbol.
pub(crate) const SYMBOL_SIZE: u64 = 24;

/// A symbol table and its names, by position in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SymbolTable {
    pub(crate) symbols: u64,
    pub(crate) count: u64,
    pub(crate) names: Range<u64>,
}

/// A field of a structure.
macro_rules! field {
    ($bytes:expr, $type:ty, $at:expr) => {
        $bytes
            .get($at..)
            .and_then(|rest| rest.first_chunk())
            .map(|chunk| <$type>::from_le_bytes(*chunk))
    };
}

pub(crate) use field;

pub(crate) struct ProgramHeader {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) file_size: u64,
    pub(crate) memory_size: u64,
}

/// The program headers of the ELF header at `base`; none if it is no ELF header.
pub(crate) fn program_headers(source: &Source, base: u64) -> Vec<ProgramHeader> {
    let parse = || {
        let header: [u8; HEADER_SIZE] = source.array(base)?;
        if !header.starts_with(&IDENTITY) || field!(header, u16, 54)? != PROGRAM_HEADER_SIZE as u16
        {
            return None;
        }
        Some((
            base.checked_add(field!(header, u64, 32)?)?,
            field!(header, u16, 56)?,
        ))
    };
    let Some((start, count)) = parse() else {
        return Vec::new();
    };
    let headers = (0..count.min(MAX_PROGRAM_HEADERS)).map_while(|index| {
        let position =
            start.checked_add(u64::from(index).checked_mul(PROGRAM_HEADER_SIZE as u64)?)?;
        let bytes: [u8; PROGRAM_HEADER_SIZE] = source.array(position)?;
        Some(ProgramHeader {
            kind: field!(bytes, u32, 0)?,
            flags: field!(bytes, u32, 4)?,
            offset: field!(bytes, u64, 8)?,
            address: field!(bytes, u64, 16)?,
            file_size: field!(bytes, u64, 32)?,
            memory_size: field!(bytes, u64, 40)?,
        })
    });
    headers.collect()
}

/// What tells whether a file is the one that an image was loaded from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) build_id: Option<Box<[u8]>>,
    /// Address of the first executable segment before relocation.
    pub(crate) code: Option<u64>,
}

/// The identity of the ELF file in `source`.
pub(crate) fn identity(source: &Source) -> Identity {
    let headers = program_headers(source, 0);
    let memory = |position: u64| source.u64(position);
    let mut notes = headers.iter().filter(|header| header.kind == PT_NOTE);
    let build_id = notes.find_map(|note| {
        build_id::find(
            &memory,
            note.offset,
            note.offset.checked_add(note.file_size)?,
        )
    });
    let code = headers
        .iter()
        .filter(|header| header.kind == PT_LOAD && header.flags & PF_X != 0);
    Identity {
        build_id,
        code: code.map(|header| header.address).min(),
    }
}

/// What a file's section headers say.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    /// `.symtab`: all symbols, unless the file was stripped.
    pub(crate) all: Option<SymbolTable>,
    /// `.dynsym`: what other images can see.
    pub(crate) dynamic: Option<SymbolTable>,
    /// Addresses of the sections with code, by section number.
    pub(crate) code: Vec<Option<Range<u64>>>,
}

/// Reads the section headers of the file in `source`.
pub(crate) fn sections(source: &Source) -> Sections {
    read_sections(source).unwrap_or_default()
}

fn read_sections(source: &Source) -> Option<Sections> {
    let header: [u8; HEADER_SIZE] = source.array(0)?;
    if !header.starts_with(&IDENTITY) || field!(header, u16, 58)? != SECTION_HEADER_SIZE as u16 {
        return None;
    }
    let start = field!(header, u64, 40)?;
    let count = field!(header, u16, 60)?.min(MAX_SECTIONS);
    let section = |index: u32| -> Option<[u8; SECTION_HEADER_SIZE]> {
        source.array(start.checked_add(u64::from(index).checked_mul(SECTION_HEADER_SIZE as u64)?)?)
    };
    let mut sections = Sections::default();
    for index in 0..u32::from(count) {
        let bytes = section(index)?;
        let kind = field!(bytes, u32, 4)?;
        let (flags, address) = (field!(bytes, u64, 8)?, field!(bytes, u64, 16)?);
        let (offset, size) = (field!(bytes, u64, 24)?, field!(bytes, u64, 32)?);
        let is_code = flags & SHF_EXECINSTR != 0;
        sections.code.push(
            address
                .checked_add(size)
                .filter(|_| is_code)
                .map(|end| address..end),
        );
        if kind == SHT_SYMTAB || kind == SHT_DYNSYM {
            let names = section(field!(bytes, u32, 40)?)?;
            let names_start = field!(names, u64, 24)?;
            let names = names_start..names_start.checked_add(field!(names, u64, 32)?)?;
            let table = Some(SymbolTable {
                symbols: offset,
                count: size.checked_div(SYMBOL_SIZE)?,
                names,
            });
            if kind == SHT_SYMTAB {
                sections.all = table;
            } else {
                sections.dynamic = table;
            }
        }
    }
    Some(sections)
}

/// The dynamic symbol table of an image in this process's memory, whose ELF header is at `header`.
pub(crate) fn loaded_symbols(source: &Source, header: u64, bias: u64) -> Option<SymbolTable> {
    let headers = program_headers(source, header);
    let dynamic = headers.iter().find(|header| header.kind == PT_DYNAMIC)?;
    let start = bias.wrapping_add(dynamic.address);
    let (mut symbols, mut names, mut names_size, mut hash, mut gnu_hash) =
        (None, None, None, None, None);
    // The loader relocates these addresses in place, but not in the vdso, which is read-only.
    let absolute = |value: u64| {
        Some(if value < header {
            bias.wrapping_add(value)
        } else {
            value
        })
    };
    for index in 0..(dynamic.memory_size >> 4).min(MAX_DYNAMIC_ENTRIES) {
        let position = start.checked_add(index << 4)?;
        let value = source.u64(position.checked_add(8)?)?;
        match source.u64(position)? {
            0 => break,
            DT_SYMTAB => symbols = absolute(value),
            DT_STRTAB => names = absolute(value),
            DT_STRSZ => names_size = Some(value),
            DT_HASH => hash = absolute(value),
            DT_GNU_HASH => gnu_hash = absolute(value),
            _ => {}
        }
    }
    let names = names?;
    let count = match hash {
        // The number of chain links, one for each symbol, stands behind the number of buckets.
        Some(hash) => source.u32(hash.checked_add(4)?)?,
        None => count_by_gnu_hash(source, gnu_hash?)?,
    };
    Some(SymbolTable {
        symbols: symbols?,
        count: count.into(),
        names: names..names.checked_add(names_size?)?,
    })
}

/// A GNU hash table does not say how many symbols there are: the longest chain ends with the last one.
fn count_by_gnu_hash(source: &Source, table: u64) -> Option<u32> {
    let buckets = source.u32(table)?;
    let first_hashed = source.u32(table.checked_add(4)?)?;
    let bloom_words = source.u32(table.checked_add(8)?)?;
    let bucket_start = table
        .checked_add(16)?
        .checked_add(u64::from(bloom_words).checked_mul(8)?)?;
    let chain_start = bucket_start.checked_add(u64::from(buckets).checked_mul(4)?)?;
    let mut last = greatest(source, bucket_start, buckets.min(MAX_HASH_STEPS))?;
    if last < first_hashed {
        return Some(first_hashed);
    }
    for _ in 0..MAX_HASH_STEPS {
        let link = u64::from(last.checked_sub(first_hashed)?);
        let hash = source.u32(chain_start.checked_add(link.checked_mul(4)?)?)?;
        last = last.checked_add(1)?;
        // An odd hash ends a chain.
        if hash & 1 == 1 {
            return Some(last);
        }
    }
    None
}

/// The greatest of `count` 32-bit numbers from `position` on. Read many at a time: a large program has 50,000 buckets, and each read is a
/// system call.
fn greatest(source: &Source, mut position: u64, count: u32) -> Option<u32> {
    let mut buffer = [0_u8; 4096];
    let mut left = u64::from(count).checked_mul(4)?;
    let mut greatest = 0;
    while left > 0 {
        let wanted = buffer.get_mut(..left.min(4096) as usize)?;
        source.fill(position, wanted)?;
        for number in wanted.chunks_exact(4) {
            greatest = field!(number, u32, 0)?.max(greatest);
        }
        position = position.checked_add(wanted.len() as u64)?;
        left = left.checked_sub(wanted.len() as u64)?;
    }
    Some(greatest)
}

#[cfg(test)]
mod tests;
