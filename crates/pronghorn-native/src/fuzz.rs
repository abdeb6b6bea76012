//! What the fuzzers of `fuzz/` call, and what a test replays from fixed seeds: the readers of unwind tables, of ELF files and of
//! mangled names, over bytes that are all the input's. Only compiled for tests and with `--cfg fuzzing`.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;

use crate::demangle::MAX_LENGTH;
use crate::elf;
use crate::symbol_source::Source;
use crate::symbols::Symbolizer;
use crate::unwind::fuzz_step;
use crate::{demangle, offline};

/// Where an input lies.
const BASE: u64 = 0x10_0000;
/// What one step out of a frame may read, whatever the tables say.
const MOST_READS: u64 = 20_000;

/// The index of unwind tables, their entries, programs and expressions; then the stubs and frames without a table. The first
/// bytes say where to look.
pub fn unwind(data: &[u8]) {
    unwind_with_budget(data, MOST_READS);
}

fn unwind_with_budget(data: &[u8], budget: u64) {
    let Some((head, tables)) = data.split_first_chunk::<4>() else {
        return;
    };
    let [place, pc, kind, exact] = head.map(u64::from);
    let reads = Cell::new(0);
    let memory = |address: u64| {
        reads.set(reads.get() + 1);
        assert!(reads.get() <= budget, "more than {budget} reads");
        let offset = usize::try_from(address.checked_sub(BASE)?).ok()?;
        match tables.get(offset..) {
            // A read that begins in the last bytes: what lies behind a table on its page.
            Some(rest) if !rest.is_empty() => {
                let mut word = [0; 8];
                let length = rest.len().min(8);
                word[..length].copy_from_slice(&rest[..length]);
                Some(u64::from_le_bytes(word))
            }
            // What is no table reads as some stack, or cannot be read.
            _ => (!address.is_multiple_of(3)).then_some(address.rotate_left(7) & 0x7fff_ffff_fff8),
        }
    };
    fuzz_step(
        &memory,
        (BASE, BASE + tables.len() as u64),
        BASE + place,
        BASE + pc * 8,
        (kind, exact & 1 == 0),
    );
}

/// An ELF file: its headers, build id, symbol tables and unwind index, as a file and as what a loaded image would be.
pub fn elf_file(data: &[u8]) {
    let (_file, path) = in_memory(data);
    if let Ok(images) = offline::image_list(&path) {
        assert!(images.images().len() <= 1);
        let segments = images
            .images()
            .iter()
            .flat_map(super::images::Image::segments);
        let addresses: Vec<u64> = segments
            .flat_map(|segment| [0, 1, 16, 4096].map(|at| segment.start.saturating_add(at)))
            .take(1_000)
            .collect();
        let names = Symbolizer::new().symbolize(&images, &addresses);
        assert_eq!(names.len(), addresses.len());
    }
    if let Ok(source) = Source::file(&path) {
        let _ = elf::sections(&source);
        let _ = elf::identity(&source);
        // The same bytes as memory: the header at 0, addresses that are offsets.
        for bias in [0, 4096] {
            let _ = elf::loaded_symbols(&source, 0, bias);
        }
    }
}

/// A symbol's name, of any language: what is shown never grows beyond a bound, or is the name itself.
pub fn name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let shown = demangle(text);
    let most = text.len().max(MAX_LENGTH);
    assert!(shown.len() <= most, "{} bytes of a name", shown.len());
}

/// A file that is nowhere but in memory, and its path.
fn in_memory(data: &[u8]) -> (File, PathBuf) {
    // SAFETY: the name is a C string; a descriptor that comes back is nobody else's.
    let mut file = unsafe {
        let descriptor = libc::memfd_create(c"fuzz".as_ptr(), libc::MFD_CLOEXEC);
        assert!(descriptor >= 0);
        File::from_raw_fd(descriptor)
    };
    file.write_all(data).unwrap();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    (file, path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

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

        fn damage(&mut self, bytes: &mut [u8], most: usize) {
            for _ in 0..=self.below(most) {
                let place = self.below(bytes.len());
                bytes[place] = match self.below(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => self.below(0x30) as u8,
                    _ => self.next() as u8,
                };
            }
        }
    }

    #[test]
    fn random_tables_are_read_within_bounds() {
        let mut random = Random(3);
        let mut bytes = vec![0; 300];
        for round in 0..30_000 {
            random.damage(&mut bytes, 40);
            // A version and encodings that are read, and lengths that are near the truth.
            bytes[4..8].copy_from_slice(&[1, 0x1b, 3, 0x3b]);
            bytes[2] = (round % 4) as u8;
            unwind(&bytes);
        }
    }

    #[test]
    fn names_of_any_kind_end() {
        let mut random = Random(9);
        let alphabet = b"_ZNSt3vINRT0_S_IJiEEELbcdefh12$%.@ (<{";
        for round in 0..30_000usize {
            let mut text = [&b"_ZN"[..], b"_R", b""][round % 3].to_vec();
            text.extend((0..random.below(60)).map(|_| alphabet[random.below(alphabet.len())]));
            name(&text);
        }
        name("_Z".repeat(100_000).as_bytes());
        name(format!("_Z1fI{}", "P".repeat(100_000)).as_bytes());
        name(format!("_ZN{}E", "1aI".repeat(50_000)).as_bytes());
    }

    #[test]
    fn damaged_elf_files_are_read_within_bounds() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let mut random = Random(5);
        // The headers and a part of what they name; the rest of such a file is missing.
        for round in 0..400 {
            let mut bytes = whole[..[4096, 40_000, 400_000][round % 3]].to_vec();
            random.damage(&mut bytes[..1024], 12);
            elf_file(&bytes);
        }
    }

    /// A budget that nothing exceeds would prove nothing.
    #[test]
    #[should_panic(expected = "more than 1 reads")]
    fn a_reader_that_reads_too_much_is_found() {
        unwind_with_budget(
            &[0, 0, 0, 0, 1, 0x1b, 3, 0x3b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            1,
        );
    }
}
