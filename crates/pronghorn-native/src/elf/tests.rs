use super::*;
use crate::images::ImageList;

#[test]
fn the_greatest_number_is_found_wherever_it_stands() {
    let source = Source::process().unwrap();
    let mut numbers = vec![7_u32; 5_000];
    let greatest_of = |numbers: &[u32]| {
        let position = numbers.as_ptr() as u64;
        greatest(&source, position, u32::try_from(numbers.len()).unwrap())
    };
    assert_eq!(greatest_of(&[]), Some(0));
    for place in [0, 1_023, 1_024, 4_095, 4_999] {
        numbers[place] = 1_000 + u32::try_from(place).unwrap();
        assert_eq!(greatest_of(&numbers), Some(numbers[place]));
    }
}

#[test]
fn numbers_that_are_not_there_have_no_greatest() {
    let source = Source::process().unwrap();
    assert_eq!(greatest(&source, 16, 1), None);
    assert_eq!(greatest(&source, u64::MAX - 8, 5_000), None);
}

/// Which is why what a file has need not be looked for in memory. One of these libraries has the old table of hashes beside the new one, the other
/// has not.
#[test]
fn the_loaded_table_has_as_many_symbols_as_the_files() {
    let memory = Source::process().unwrap();
    let images = ImageList::snapshot();
    for (name, least) in [("libc.so.6", 1_000), ("libgcc_s.so.1", 100)] {
        let mut images = images.images().iter();
        let image = images.find(|image| image.path().ends_with(name)).unwrap();
        let loaded = loaded_symbols(&memory, image.header, image.load_bias).unwrap();
        let source = Source::file(image.path()).unwrap();
        let file = sections(&source).dynamic.unwrap();
        assert!(file.count > least, "{name}");
        assert_eq!(loaded.count, file.count, "{name}");
    }
}
