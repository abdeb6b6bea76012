//! Where a script's map is, and how it is loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source_path::{directory, file_url, percent_decoded, scheme_length};
use crate::{Broken, Map, Script, data_url, read};

/// Which file a map was read from and when that was last written to: another stamp is another map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) seconds: i64,
    pub(crate) nanos: i64,
}

/// What came of loading a map.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Of the file; none of a map that the script itself has.
    pub stamp: Option<Stamp>,
    /// The map, or why there is none.
    pub outcome: Result<Arc<Map>, Broken>,
}

/// What a URL leads to.
enum Place {
    /// The whole `data:` URL is at hand.
    Inline,
    /// It is so long that only its beginning is; the script's file has it.
    InlineInFile(PathBuf),
    File(PathBuf),
    /// Why not.
    Nowhere(Broken),
}

/// Shown in errors instead of URLs that are data.
const INLINE: &str = "inline";
/// What a text that is shown has at most.
const LONGEST_SHOWN: usize = 512;
/// What may stand behind the URL in a file: line ends, and comments of other tools.
const BEHIND: u64 = 4 << 10;

/// Loads the map of a script, unless the file still has the stamp of the one that is known.
pub fn load(script: &Script, known: Option<Stamp>) -> Option<Loaded> {
    match place(script) {
        Place::Nowhere(broken) => Some(Loaded {
            stamp: None,
            outcome: Err(broken),
        }),
        Place::Inline => Some(Loaded {
            stamp: None,
            outcome: data_url::decode(&script.url)
                .and_then(|json| Map::parse(&json, &script.file))
                .map(Arc::new)
                .map_err(|reason| Broken::new(INLINE, reason)),
        }),
        Place::File(path) => {
            let path = existing(path);
            from_file(
                &path,
                known,
                || {
                    let (json, stamp) = read::all(&path)?;
                    Ok((json, stamp))
                },
                &path.to_string_lossy(),
            )
        }
        Place::InlineInFile(path) => from_file(
            &path,
            known,
            || {
                let (tail, stamp) = read::tail(&path, u64::from(script.url_length) + BEHIND)?;
                let url = find_inline(&tail, script).ok_or_else(|| {
                    std::io::Error::other(
                        "the script's file does not have its long inline map any more",
                    )
                })?;
                let json = data_url::decode(url).map_err(std::io::Error::other)?;
                Ok((json, stamp))
            },
            &script.file,
        ),
    }
}

fn from_file(
    path: &Path,
    known: Option<Stamp>,
    read: impl FnOnce() -> std::io::Result<(Vec<u8>, Stamp)>,
    base: &str,
) -> Option<Loaded> {
    let shown = path.to_string_lossy();
    let stamp = read::stamp(path);
    if let (Ok(stamp), Some(known)) = (&stamp, known)
        && *stamp == known
    {
        return None;
    }
    // A file that is there and is no map keeps its stamp: it is not read again until it changes.
    let before = stamp.as_ref().ok().copied();
    Some(match stamp.and_then(|_| read()) {
        Ok((json, stamp)) => Loaded {
            stamp: Some(stamp),
            outcome: Map::parse(&json, base)
                .map(Arc::new)
                .map_err(|reason| Broken::new(shown, reason)),
        },
        Err(error) => Loaded {
            stamp: before,
            outcome: Err(Broken::new(shown, error.to_string())),
        },
    })
}

fn place(script: &Script) -> Place {
    let url = script.url.trim_ascii();
    let nowhere = |reason: &str| {
        let shown: String = url.chars().take(LONGEST_SHOWN).collect();
        Place::Nowhere(Broken::new(shown, reason))
    };
    let own = own_path(&script.file);
    if url.starts_with("data:") {
        return match own {
            _ if script.url_length as usize <= script.url.len() => Place::Inline,
            Some(path) => Place::InlineInFile(path),
            None => Place::Nowhere(Broken::new(
                INLINE,
                "it is too long for code that no file has",
            )),
        };
    }
    if (script.url_length as usize) > script.url.len() || url.contains('\0') {
        return nowhere("it is no URL");
    }
    if let Some(path) = file_url(url) {
        return Place::File(path.into());
    }
    if url.starts_with('/') && !url.starts_with("//") {
        return Place::File(url.into());
    }
    if url.starts_with("//") || scheme_length(url).is_some() {
        return nowhere("it is not fetched from there");
    }
    match own {
        Some(path) => Place::File(path.with_file_name("").join(url)),
        None => nowhere("its script has no file that it could be relative to"),
    }
}

/// The path of a script's file.
fn own_path(file: &str) -> Option<PathBuf> {
    if file.starts_with('/') {
        return Some(file.into());
    }
    file_url(file).map(PathBuf::from)
}

/// A map's path as it is, or without escapes and without the query that some tools write behind it.
fn existing(path: PathBuf) -> PathBuf {
    if path.exists() {
        return path;
    }
    let text = path.to_string_lossy();
    let name = directory(&text).len();
    let query = text.get(name..).and_then(|name| name.find(['?', '#']));
    let bare = query
        .and_then(|length| text.get(..name + length))
        .unwrap_or(&text);
    [PathBuf::from(bare), percent_decoded(bare).into()]
        .into_iter()
        .find(|candidate| candidate.exists())
        .unwrap_or(path)
}

/// The inline map of a script in the end of its file: the one that begins like what is known of it and is as long.
fn find_inline<'a>(tail: &'a [u8], script: &Script) -> Option<&'a str> {
    let begin = memchr::memmem::rfind(tail, script.url.as_bytes())?;
    let url = tail.get(begin..begin + script.url_length as usize)?;
    let behind = tail.get(begin + script.url_length as usize);
    if behind.is_some_and(|byte| !byte.is_ascii_whitespace() && *byte != b'*') {
        return None;
    }
    std::str::from_utf8(url).ok()
}
