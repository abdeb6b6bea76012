//! Names of C++ functions, read from Itanium manglings (https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling).
//!
//! Only what a profile shows is put into words: the path of names. Template arguments are passed over, and become `<...>`; so are the parameters
//! of lambdas and of enclosing functions, and what follows the name is not looked at. Nothing that is shown refers back to
//! what was read before, so no substitution is ever looked up, and nothing can grow. Each byte is read once, by what it is: there is no
//! second try. Recursion has a bound (`reader.rs`).
//!
//! Where reading fails, what was shown up to there is still right, and is kept.

use super::operators::operator;
use super::reader::Reader;

/// The name of a function in words, or what of it could be read.
pub(super) fn read(name: &str) -> Option<String> {
    let mut reader = Reader::new(name.strip_prefix("_Z")?);
    let is_whole = reader.encoding().is_some();
    reader.into_text(is_whole)
}

/// Whether a name is read as what it is: nothing but its parameters follows, and what a compiler says of a copy.
#[cfg(test)]
pub(super) fn is_whole(name: &str) -> bool {
    let mut reader = Reader::new(name.strip_prefix("_Z").unwrap_or_default());
    let read = reader
        .encoding()
        .and_then(|()| reader.muted(Reader::parameters));
    read.is_some() && matches!(reader.peek(), 0 | b'.')
}

impl Reader<'_> {
    /// A function's name, or an object's. Its parameters are left to whoever needs what stands behind them.
    fn encoding(&mut self) -> Option<()> {
        self.enter()?;
        match self.peek() {
            b'T' | b'G' => self.special()?,
            _ => self.name()?,
        }
        self.leave();
        Some(())
    }

    /// An encoding with its parameters, up to the E behind it.
    pub(super) fn whole_encoding(&mut self) -> Option<()> {
        self.encoding()?;
        self.muted(Self::parameters)?;
        self.expect("E")
    }

    fn parameters(&mut self) -> Option<()> {
        while !matches!(self.peek(), b'E' | b'.' | 0) {
            self.parameter()?;
        }
        Some(())
    }

    /// Code that a compiler makes for a function. Tables and guards are data, and no profile names them.
    fn special(&mut self) -> Option<()> {
        match self.take(2)? {
            "Th" => {
                self.push("non-virtual thunk to ")?;
                self.offset("h")?;
                self.encoding()
            }
            "Tv" => {
                self.push("virtual thunk to ")?;
                self.offset("v")?;
                self.encoding()
            }
            "Tc" => {
                self.push("covariant return thunk to ")?;
                for _ in 0..2 {
                    let kind = self.take(1)?;
                    self.offset(kind)?;
                }
                self.encoding()
            }
            "TW" => {
                self.push("TLS wrapper function for ")?;
                self.name()
            }
            "TH" => {
                self.push("TLS init function for ")?;
                self.name()
            }
            "GT" if self.eat("t") || self.eat("n") => {
                self.push("transaction clone for ")?;
                self.encoding()
            }
            "TI" | "TS" | "TT" | "TV" if self.is_muted() => self.a_type(),
            _ => None,
        }
    }

    fn offset(&mut self, kind: &str) -> Option<()> {
        let numbers = if kind == "h" { 1 } else { 2 };
        for _ in 0..numbers {
            self.eat("n");
            self.number()?;
            self.expect("_")?;
        }
        Some(())
    }

    pub(super) fn name(&mut self) -> Option<()> {
        match self.peek() {
            b'N' => self.nested()?,
            b'Z' => self.local()?,
            b'S' => {
                if self.abbreviation()? == "std" {
                    self.unqualified()?;
                }
            }
            _ => self.unqualified()?,
        }
        self.optional_arguments()
    }

    fn nested(&mut self) -> Option<()> {
        self.expect("N")?;
        self.eat("H");
        self.qualifiers();
        let _ = self.eat("R") || self.eat("O");
        while !self.eat("E") {
            match (self.peek(), self.second()) {
                (b'S', _) => {
                    self.abbreviation()?;
                }
                (b'T', _) => self.quiet("{...}", Self::template_parameter)?,
                (b'D', b't' | b'T') => self.quiet("{...}", Self::a_type)?,
                (b'I', _) => self.arguments()?,
                // A lambda in the initializer of a data member, which the component before it names.
                (b'M', _) => self.expect("M")?,
                _ => self.unqualified()?,
            }
        }
        Some(())
    }

    /// Something that stands inside a function.
    fn local(&mut self) -> Option<()> {
        self.expect("Z")?;
        self.enter_function();
        self.whole_encoding()?;
        if self.eat("s") {
            self.component("string literal")?;
        } else {
            // In a default argument: which one does not matter.
            if self.eat("d") {
                let _ = self.number();
                self.expect("_")?;
            }
            self.name()?;
        }
        if self.eat("__") {
            self.number()?;
            self.expect("_")?;
        } else if self.eat("_") {
            self.take(1)?;
        }
        Some(())
    }

    /// `St` and its like, or a substitution: something that was named before, which nothing that is shown needs.
    pub(super) fn abbreviation(&mut self) -> Option<&'static str> {
        self.expect("S")?;
        let (name, arguments) = match self.peek() {
            b't' => ("std", ""),
            b'a' => ("allocator", ""),
            b'b' => ("basic_string", ""),
            b's' => ("string", ""),
            b'i' => ("basic_istream", "<...>"),
            b'o' => ("ostream", ""),
            b'd' => ("basic_iostream", "<...>"),
            _ if !self.is_muted() => return None,
            _ => {
                self.index()?;
                return Some("");
            }
        };
        self.take(1)?;
        if name != "std" {
            self.component("std")?;
        }
        self.component(name)?;
        self.push(arguments)?;
        Some(name)
    }

    pub(super) fn unqualified(&mut self) -> Option<()> {
        // A friend that only its class knows; internal linkage.
        let _ = self.eat("F");
        let _ = self.eat("L");
        match (self.peek(), self.second()) {
            (b'0'..=b'9', _) => {
                let name = self.source_name()?;
                let is_unnamed = name.starts_with("_GLOBAL__N");
                self.component(if is_unnamed {
                    "(anonymous namespace)"
                } else {
                    name
                })?;
            }
            (b'C', b'1'..=b'5') => {
                self.take(2)?;
                self.repeat_last("")?;
            }
            (b'C', b'I') => {
                self.take(3)?;
                self.quiet("", Self::a_type)?;
                self.repeat_last("")?;
            }
            (b'D', b'0'..=b'5') => {
                self.take(2)?;
                self.repeat_last("~")?;
            }
            (b'D', b'C') => {
                self.take(2)?;
                while !self.eat("E") {
                    self.source_name()?;
                }
                self.component("{structured binding}")?;
            }
            (b'U', b'l') => {
                self.take(2)?;
                self.muted(|reader| {
                    while !reader.eat("E") {
                        reader.parameter()?;
                    }
                    Some(())
                })?;
                self.numbered("lambda")?;
            }
            (b'U', b't') => {
                self.take(2)?;
                self.numbered("unnamed type")?;
            }
            _ => self.operator()?,
        }
        while self.eat("B") {
            let tag = self.source_name()?;
            for part in ["[abi:", tag, "]"] {
                self.push(part)?;
            }
        }
        Some(())
    }

    fn operator(&mut self) -> Option<()> {
        if self.eat("cv") {
            let builtin = self.builtin();
            if builtin.is_none() {
                self.quiet("", Self::a_type)?;
            }
            return self.component(&format!("operator {}", builtin.unwrap_or("...")));
        }
        if self.eat("li") {
            let suffix = self.source_name()?;
            return self.component(&format!("operator\"\" {suffix}"));
        }
        let operator = operator(self.take(2)?).filter(|operator| !operator.text.is_empty())?;
        self.component(&format!("operator{}", operator.text))
    }

    /// `{lambda#1}`: the first has no number, the second has 0.
    fn numbered(&mut self, what: &str) -> Option<()> {
        let number = match self.peek() {
            b'_' => 1,
            _ => self.number()?.checked_add(2)?,
        };
        self.expect("_")?;
        self.component(&format!("{{{what}#{number}}}"))
    }

    /// Shows `shown` for what is passed over.
    fn quiet(&mut self, shown: &str, read: fn(&mut Self) -> Option<()>) -> Option<()> {
        if !shown.is_empty() {
            self.component(shown)?;
        }
        self.muted(read)
    }

    fn repeat_last(&mut self, before: &str) -> Option<()> {
        let name = self.last();
        self.component(&format!("{before}{name}"))
    }
}
