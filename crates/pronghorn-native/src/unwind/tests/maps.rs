//! Reads of this process's memory that cannot fault, by the ranges of `/proc/self/maps`.

use std::fs;

use crate::memory::Memory;

/// The readable ranges at one moment.
pub(super) struct Maps {
    ranges: Vec<(u64, u64)>,
}

impl Maps {
    pub(super) fn snapshot() -> Self {
        let text = fs::read_to_string("/proc/self/maps").unwrap();
        let ranges = text.lines().filter_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let readable = rest.starts_with('r') && !rest.contains("[vvar");
            readable.then(|| {
                (
                    u64::from_str_radix(start, 16).unwrap(),
                    u64::from_str_radix(end, 16).unwrap(),
                )
            })
        });
        Self {
            ranges: ranges.collect(),
        }
    }
}

impl Memory for Maps {
    fn u64(&self, address: u64) -> Option<u64> {
        let above = self.ranges.partition_point(|&(start, _)| start <= address);
        let &(_, end) = self.ranges.get(above.checked_sub(1)?)?;
        // SAFETY: in a mapping that is readable and that the tests do not unmap.
        (address.checked_add(8)? <= end)
            .then(|| unsafe { (address as *const u64).read_unaligned() })
    }
}
