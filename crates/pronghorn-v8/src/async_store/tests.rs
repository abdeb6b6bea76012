//! Over memory images of an isolate whose frame is a Map, and of what it must not take for one.

use super::*;
use crate::memory::Image;
use crate::test_support::{BASE, VERSIONS, layout};

const ISOLATE: u64 = BASE;
/// The word of the isolate.
const WORD: u64 = 0x2c0;
const FRAME: u64 = BASE + 0x8000;
const TABLE_AT: u64 = BASE + 0x8100;
const MAP_OF_FRAME: u64 = BASE + 0x9000;
const MAP_OF_TABLE: u64 = BASE + 0x9100;
const KEY: u64 = BASE + 0xa001;
const OTHER: u64 = BASE + 0xa101;

const fn as_smi(value: i32) -> u64 {
    (value as u32 as u64) << 32
}

/// A process in whose frame the entries stand.
fn image(entries: &[(u64, u64)], deleted: i32, layout: &Layout) -> Image {
    let mut image = Image::new(BASE, 0x10_000);
    image.put_u64(ISOLATE + WORD, FRAME + 1);
    image.put_u64(FRAME, MAP_OF_FRAME + 1);
    image.put_u64(FRAME + TABLE, TABLE_AT + 1);
    image.put_u64(TABLE_AT, MAP_OF_TABLE + 1);
    image.put_u16(MAP_OF_FRAME + layout.map_instance_type, 2100);
    image.put_u16(MAP_OF_TABLE + layout.map_instance_type, 180);
    image.put_u64(TABLE_AT + LIVE, as_smi(entries.len() as i32 - deleted));
    image.put_u64(TABLE_AT + DELETED, as_smi(deleted));
    image.put_u64(TABLE_AT + BUCKETS, as_smi(2));
    for (index, (key, value)) in entries.iter().enumerate() {
        let entry = TABLE_AT + FIRST_BUCKET + 16 + index as u64 * ENTRY;
        image.put_u64(entry, *key);
        image.put_u64(entry + VALUE, *value);
    }
    image
}

fn found(image: &Image, layout: &Layout, wanted: i32) -> Option<StorePlace> {
    StorePlace::find(image, layout, ISOLATE, KEY, wanted)
}

#[test]
fn the_word_is_found_by_what_it_leads_to_and_read_afterwards() {
    for version in VERSIONS {
        let layout = layout(version);
        let image = image(&[(OTHER, as_smi(5)), (KEY, as_smi(77))], 0, &layout);
        let place = found(&image, &layout, 77).unwrap();
        assert_eq!(u64::from(place.offset()), WORD);
        assert_eq!(StorePlace::from_word(place.to_word()), place);
        assert_eq!(place.read(&image, &layout, ISOLATE, KEY), Some(77));
        assert_eq!(place.read(&image, &layout, ISOLATE, OTHER), Some(5));
        assert_eq!(place.read(&image, &layout, ISOLATE, OTHER + 8), None);
        assert_eq!(found(&image, &layout, 78), None, "another number");
    }
}

#[test]
fn a_deleted_entry_is_passed_over() {
    let layout = layout(VERSIONS[2]);
    let hole = BASE + 0xb001;
    let image = image(&[(hole, hole), (KEY, as_smi(9))], 1, &layout);
    assert_eq!(
        found(&image, &layout, 9).map(|place| place.offset()),
        Some(WORD as u32)
    );
}

#[test]
fn surprises_are_no_number() {
    let layout = layout(VERSIONS[2]);
    let good = image(&[(KEY, as_smi(9))], 0, &layout);
    let place = found(&good, &layout, 9).unwrap();
    let changed = |change: &dyn Fn(&mut Image)| {
        let mut image = good.clone();
        change(&mut image);
        place.read(&image, &layout, ISOLATE, KEY)
    };
    assert_eq!(changed(&|_| {}), Some(9));
    // No frame, undefined or a number in its place, another kind of object, a pointer into nowhere.
    for word in [0, as_smi(3), BASE + 0xb001, 0x7fff_0000_0001, u64::MAX] {
        assert_eq!(changed(&|image| image.put_u64(ISOLATE + WORD, word)), None);
        assert_eq!(changed(&|image| image.put_u64(FRAME + TABLE, word)), None);
        assert_eq!(changed(&|image| image.put_u64(FRAME, word)), None);
    }
    let map_type =
        |kind| changed(&|image| image.put_u16(MAP_OF_FRAME + layout.map_instance_type, kind));
    assert_eq!((map_type(2100), map_type(2101)), (Some(9), None));
    let table_type =
        |kind| changed(&|image| image.put_u16(MAP_OF_TABLE + layout.map_instance_type, kind));
    assert_eq!((table_type(180), table_type(181)), (Some(9), None));
    // Counts that are none, or too many; a store that is no number.
    for count in [as_smi(-1), as_smi(65), as_smi(i32::MAX), 7, KEY] {
        for place in [LIVE, DELETED, BUCKETS] {
            assert_eq!(
                changed(&|image| image.put_u64(TABLE_AT + place, count)),
                None
            );
        }
    }
    let value = TABLE_AT + FIRST_BUCKET + 16 + VALUE;
    assert_eq!(changed(&|image| image.put_u64(value, OTHER)), None);
}

#[test]
fn a_table_that_runs_out_of_memory_ends_the_look() {
    let layout = layout(VERSIONS[3]);
    let mut image = image(&[(OTHER, as_smi(1))], 0, &layout);
    let end = BASE + 0x10_000 - 48;
    image.put_u64(FRAME + TABLE, end + 1);
    image.put_u64(end, MAP_OF_TABLE + 1);
    image.put_u64(end + LIVE, as_smi(60));
    image.put_u64(end + BUCKETS, as_smi(2));
    let place = StorePlace {
        offset: WORD as u32,
        map_type: 2100,
        table_type: 180,
    };
    assert_eq!(place.read(&image, &layout, ISOLATE, KEY), None);
}
