//! Writes a profile that has everything the encoder can write, for readers that are not ours.
//!
//! `cargo run -p pronghorn-pprof --example sample_profile -- OUT`; `__test__/pprof.test.mjs` knows what must be in it.

use std::error::Error;

use pronghorn_pprof::{Function, Label, Line, Location, LocationId, Mapping, Profile, StringId};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("usage: sample_profile OUT")?;
    std::fs::write(path, sample_profile().to_gzip()?)?;
    Ok(())
}

type CpuWallProfile = Profile<3>;

fn sample_profile() -> CpuWallProfile {
    let mut profile = Profile::new([
        ("samples", "count"),
        ("cpu", "nanoseconds"),
        ("wall", "nanoseconds"),
    ]);
    profile.set_default_sample_type("cpu");
    profile.set_period("cpu", "nanoseconds", 10_000_000);
    // 2026-11-23T12:34:56.789Z, and 1.5 s.
    profile.set_time(1_795_437_296_789_000_000, 1_500_000_000);
    profile.comment("pronghorn 0.1.0, node v24.21.0, v8 13.6.233.17");
    profile.comment("second comment");

    let main = script(&mut profile, "main", "/app/index.js", 1, 3);
    let unicode = script(&mut profile, "größe_名前_🦌", "/app/módulo.mjs", 10, 12);
    let unicode_other_line = script(&mut profile, "größe_名前_🦌", "/app/módulo.mjs", 10, 300);
    let idle = script(&mut profile, "(idle)", "", 0, 0);

    let node = mapping(
        &mut profile,
        0x40_0000,
        0x500_0000,
        0,
        "/usr/bin/node",
        "00aabbccddeeff11",
    );
    let library = mapping(
        &mut profile,
        0x7f00_0000_0000,
        0x7f00_0010_0000,
        0x2000,
        "/usr/lib/bibliothèque.so.1",
        "feedfacecafebeef00112233445566778899aabb",
    );
    let named = {
        let name = profile.string("crypto::digest(unsigned char*)");
        let filename = StringId::EMPTY;
        let function = profile.function(Function {
            name,
            filename,
            start_line: 0,
        });
        profile.location(Location {
            mapping: Some(library),
            address: 0x7f00_0000_1234,
            line: Some(Line { function, line: 0 }),
        })
    };
    let bare = profile.location(Location {
        mapping: Some(node),
        address: 0x40_1000,
        line: None,
    });

    let main_thread = thread(&mut profile, 4_242, "main");
    let worker = thread(&mut profile, 4_243, "wörker 🧵");
    let mut sample = |stack: &[LocationId], values, labels: &[Label]| {
        profile.sample(stack.iter().copied(), values, labels);
    };
    sample(
        &[named, unicode, main],
        [3, 30_000_000, 31_000_000],
        &main_thread,
    );
    sample(
        &[unicode_other_line, main],
        [1, 10_000_000, 10_000_001],
        &main_thread,
    );
    sample(
        &[named, unicode, main],
        [2, 20_000_000, 22_000_000],
        &worker,
    );
    sample(&[bare, main], [1, 127, 128], &worker);
    // A day of wall time without any CPU: more than 32 bits.
    sample(&[idle, main], [1, 0, 86_400_000_000_000], &main_thread);
    // 1,100 frames, and more than a double can count.
    let deep: Vec<LocationId> = std::iter::repeat_n(unicode, 1_099).chain([main]).collect();
    sample(&deep, [1, 1, 9_007_199_254_740_993], &worker);

    let key = profile.string("allocated");
    let unit = profile.string("bytes");
    let size = Label::Number {
        key,
        value: 4_096,
        unit,
    };
    profile.sample([main].into_iter(), [1, 5, 6], &[size]);
    profile
}

fn script(
    profile: &mut CpuWallProfile,
    name: &str,
    file: &str,
    start_line: i64,
    line: i64,
) -> LocationId {
    let name = profile.string(name);
    let filename = profile.string(file);
    let function = profile.function(Function {
        name,
        filename,
        start_line,
    });
    profile.location(Location {
        mapping: None,
        address: 0,
        line: Some(Line { function, line }),
    })
}

fn mapping(
    profile: &mut CpuWallProfile,
    start: u64,
    limit: u64,
    offset: u64,
    file: &str,
    build_id: &str,
) -> pronghorn_pprof::MappingId {
    let filename = profile.string(file);
    let build_id = profile.string(build_id);
    profile.mapping(Mapping {
        memory_start: start,
        memory_limit: limit,
        file_offset: offset,
        filename,
        build_id,
        has_functions: true,
        has_filenames: false,
        has_line_numbers: false,
    })
}

fn thread(profile: &mut CpuWallProfile, id: i64, name: &str) -> [Label; 2] {
    let id_key = profile.string("thread id");
    let name_key = profile.string("thread name");
    let name = profile.string(name);
    [
        Label::Number {
            key: id_key,
            value: id,
            unit: StringId::EMPTY,
        },
        Label::Text {
            key: name_key,
            value: name,
        },
    ]
}
