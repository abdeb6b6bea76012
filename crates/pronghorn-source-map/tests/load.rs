//! Loading from files: what is one, what has changed, and what is never opened or waited for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pronghorn_source_map::{Loaded, Script, load};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("pronghorn-maps-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const JSON: &str = r#"{"version":3,"sources":["../src/a.ts"],"names":[],"mappings":"AAAA"}"#;

fn script(file: &Path, url: &str) -> Script {
    Script {
        file: Arc::from(file.to_str().unwrap()),
        url: Arc::from(url),
        url_length: url.len() as u32,
    }
}

fn reason(loaded: Option<Loaded>) -> String {
    loaded
        .expect("loaded")
        .outcome
        .expect_err("it cannot be used")
        .to_string()
}

fn source(loaded: Option<Loaded>) -> String {
    let map = loaded.expect("loaded").outcome.expect("a map");
    map.original(0, 0).expect("a place").file.to_string()
}

#[test]
fn a_map_is_read_again_when_its_file_has_changed() {
    let folder = Folder::new("changes");
    let js = folder.path("a.js");
    let map = folder.path("a.js.map");
    let named = script(&js, "a.js.map");
    assert!(reason(load(&named, None)).contains("No such file"));
    fs::write(&map, JSON).unwrap();
    let first = load(&named, None).expect("loaded");
    assert!(first.stamp.is_some() && first.outcome.is_ok());
    assert!(load(&named, first.stamp).is_none(), "nothing has changed");
    fs::write(&map, JSON.replace("a.ts", "other.ts")).unwrap();
    assert!(source(load(&named, first.stamp)).ends_with("src/other.ts"));
    fs::write(&map, &JSON[..20]).unwrap();
    let broken = load(&named, first.stamp).expect("loaded");
    assert!(broken.outcome.is_err());
    assert!(
        load(&named, broken.stamp).is_none(),
        "a broken one is not read again either"
    );
    fs::remove_file(&map).unwrap();
    assert!(
        load(&named, broken.stamp)
            .expect("it has gone")
            .outcome
            .is_err()
    );
}

#[test]
fn urls_lead_to_files() {
    let folder = Folder::new("urls");
    let map = folder.path("my maps/a b.map");
    fs::create_dir_all(map.parent().unwrap()).unwrap();
    fs::write(&map, JSON).unwrap();
    let js = folder.path("dist/a.js");
    let absolute = map.to_str().unwrap();
    for url in [
        "../my maps/a b.map",
        "../my%20maps/a%20b.map",
        "../my%20maps/a%20b.map?v=1#x",
        absolute,
        &format!("file://{}", absolute.replace(' ', "%20")),
    ] {
        fs::create_dir_all(js.parent().unwrap()).unwrap();
        assert!(
            source(load(&script(&js, url), None)).ends_with("/src/a.ts"),
            "{url}"
        );
        let module = PathBuf::from(format!("file://{}", js.to_str().unwrap()));
        assert!(
            source(load(&script(&module, url), None)).ends_with("/src/a.ts"),
            "{url}"
        );
    }
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = Folder::new("kinds");
    let js = folder.path("a.js");
    fs::create_dir(folder.path("folder")).unwrap();
    symlink("loop2", folder.path("loop1")).unwrap();
    symlink("loop1", folder.path("loop2")).unwrap();
    symlink("/dev/zero", folder.path("device")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(folder.path("fifo"))
            .status()
            .unwrap()
            .success()
    );
    let large = fs::File::create(folder.path("large")).unwrap();
    large.set_len((64 << 20) + 1).unwrap();
    fs::write(folder.path("empty"), "").unwrap();
    let began = Instant::now();
    for (url, word) in [
        ("folder", "directory"),
        ("loop1", "ymbolic"),
        ("device", "regular"),
        ("/dev/tty", "regular"),
        ("fifo", "regular"),
        ("large", "bytes"),
        ("empty", "no source map"),
        ("/proc/self/environ", "no source map"),
        ("missing", "No such file"),
        ("a\0b", "no URL"),
        ("http://127.0.0.1:9/a.map", "fetched"),
        ("//127.0.0.1/a.map", "fetched"),
    ] {
        let reason = reason(load(&script(&js, url), None));
        assert!(reason.contains(word), "{url}: {reason}");
    }
    let nobodys = script(Path::new("evalmachine.<anonymous>"), "a.map");
    assert!(reason(load(&nobodys, None)).contains("no file"));
    assert!(began.elapsed() < Duration::from_secs(5));
    // A link to a map is one.
    fs::write(folder.path("real"), JSON).unwrap();
    symlink("real", folder.path("link")).unwrap();
    assert!(load(&script(&js, "link"), None).unwrap().outcome.is_ok());
}

#[test]
fn inline_maps_are_decoded_or_found_in_the_script() {
    let folder = Folder::new("inline");
    let js = folder.path("dist/a.js");
    fs::create_dir_all(js.parent().unwrap()).unwrap();
    let url = format!("data:application/json;base64,{}", encode(JSON.as_bytes()));
    let whole = script(&js, &url);
    assert!(source(load(&whole, None)).ends_with("/src/a.ts"));
    let evaluated = script(Path::new("made-up"), &url);
    assert_eq!(source(load(&evaluated, None)), "../src/a.ts");
    // Only the beginning is known.
    let beginning = Script {
        file: Arc::clone(&whole.file),
        url: Arc::from(&url[..40]),
        url_length: url.len() as u32,
    };
    assert!(reason(load(&beginning, None)).contains("No such file"));
    fs::write(&js, format!("code();\n//# sourceMappingURL={url}\n")).unwrap();
    let found = load(&beginning, None).expect("loaded");
    assert!(found.stamp.is_some());
    assert!(source(Some(found)).ends_with("/src/a.ts"));
    fs::write(&js, format!("code();\n//# sourceMappingURL={url}A\n")).unwrap();
    assert!(reason(load(&beginning, None)).contains("any more"));
    let nobodys = Script {
        file: Arc::from("made-up"),
        ..beginning
    };
    assert!(reason(load(&nobodys, None)).contains("too long"));
    for url in [
        "data:application/json;base64,!!!",
        "data:application/json",
        "data:,[]",
    ] {
        assert!(!reason(load(&script(&js, url), None)).is_empty(), "{url}");
    }
}

fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}
