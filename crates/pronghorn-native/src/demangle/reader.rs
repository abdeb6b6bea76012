//! What the readers of C++ names share: the bytes that are left, and the words that are shown.

use std::ops::Range;

use super::MAX_LENGTH;

/// How deeply types, expressions and encodings may stand in each other.
const MAX_DEPTH: u32 = 128;

/// Every function that reads gives `None` where it cannot, and the whole reading ends there.
pub(super) struct Reader<'a> {
    rest: &'a str,
    text: String,
    /// Where in `text` the last component is, which a constructor repeats.
    last: Range<usize>,
    /// Whether another component would need `::` before it.
    joined: bool,
    /// Whether the name of an enclosing function has begun.
    local: bool,
    /// Above 0 nothing is shown.
    muted: u32,
    depth: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a str) -> Self {
        Self {
            rest,
            text: String::new(),
            last: 0..0,
            joined: false,
            local: false,
            muted: 0,
            depth: 0,
        }
    }

    /// What was shown, if that names anything.
    pub(super) fn into_text(mut self, is_whole: bool) -> Option<String> {
        if !self.joined || !is_whole && self.text == "std" {
            return None;
        }
        if !is_whole && self.local {
            self.muted = 0;
            self.push("::{...}")?;
        }
        Some(self.text)
    }

    /// The next byte, or 0.
    pub(super) fn peek(&self) -> u8 {
        self.rest.as_bytes().first().copied().unwrap_or(0)
    }

    /// The byte behind the next one, or 0.
    pub(super) fn second(&self) -> u8 {
        self.rest.as_bytes().get(1).copied().unwrap_or(0)
    }

    pub(super) fn eat(&mut self, what: &str) -> bool {
        let rest = self.rest.strip_prefix(what);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    pub(super) fn expect(&mut self, what: &str) -> Option<()> {
        self.eat(what).then_some(())
    }

    /// The next bytes, as many as are asked for.
    pub(super) fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// All the next bytes that are of a kind, which may be none.
    pub(super) fn take_while(&mut self, is_one: fn(&u8) -> bool) -> &'a str {
        let length = self.rest.bytes().take_while(is_one).count();
        self.take(length).unwrap_or("")
    }

    pub(super) fn number(&mut self) -> Option<usize> {
        self.take_while(u8::is_ascii_digit).parse().ok()
    }

    /// A number that may be left out, and the `_` behind it.
    pub(super) fn index(&mut self) -> Option<()> {
        self.take_while(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        self.expect("_")
    }

    pub(super) fn source_name(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        self.take(length).filter(|name| !name.is_empty())
    }

    /// To be called before reading what may contain its own kind.
    pub(super) fn enter(&mut self) -> Option<()> {
        self.depth = self.depth.checked_add(1)?;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Reads without showing.
    pub(super) fn muted(&mut self, read: fn(&mut Self) -> Option<()>) -> Option<()> {
        self.muted = self.muted.checked_add(1)?;
        read(self)?;
        self.muted = self.muted.checked_sub(1)?;
        Some(())
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted > 0
    }

    /// What follows is the name of a function, and then of something in it.
    pub(super) fn enter_function(&mut self) {
        self.local |= !self.is_muted();
    }

    /// Shows a part of the path.
    pub(super) fn component(&mut self, name: &str) -> Option<()> {
        if self.is_muted() {
            return Some(());
        }
        if self.joined {
            self.push("::")?;
        }
        self.joined = true;
        let start = self.text.len();
        self.push(name)?;
        self.last = start..self.text.len();
        Some(())
    }

    /// Shows something else.
    pub(super) fn push(&mut self, text: &str) -> Option<()> {
        if self.is_muted() {
            return Some(());
        }
        if self.text.len().saturating_add(text.len()) > MAX_LENGTH {
            // A part of such a name is no help.
            self.joined = false;
            return None;
        }
        self.text.push_str(text);
        Some(())
    }

    /// What a constructor or destructor is called after.
    pub(super) fn last(&self) -> &str {
        self.text.get(self.last.clone()).unwrap_or("")
    }
}
