//! What is passed over in C++ names: types and template arguments.

use super::reader::Reader;

impl Reader<'_> {
    /// Shown as `<...>`.
    pub(super) fn arguments(&mut self) -> Option<()> {
        self.expect("I")?;
        let is_operator = self.last().ends_with('<');
        self.push(if is_operator { " <...>" } else { "<...>" })?;
        self.muted(Self::argument_list)
    }

    pub(super) fn optional_arguments(&mut self) -> Option<()> {
        match self.peek() {
            b'I' => self.arguments(),
            _ => Some(()),
        }
    }

    /// Arguments and their constraint, up to the E behind them.
    pub(super) fn argument_list(&mut self) -> Option<()> {
        self.enter()?;
        while !self.eat("E") {
            match self.peek() {
                b'L' => self.literal()?,
                b'X' => {
                    self.expect("X")?;
                    self.expression()?;
                    self.expect("E")?;
                }
                // A pack; I is how old compilers wrote it.
                b'J' | b'I' => {
                    self.take(1)?;
                    self.argument_list()?;
                }
                _ => self.parameter()?,
            }
        }
        self.leave();
        Some(())
    }

    /// A type, or what may stand in a list of types: a constraint, or the declaration of a template parameter.
    pub(super) fn parameter(&mut self) -> Option<()> {
        match (self.peek(), self.second()) {
            (b'Q', _) => {
                self.expect("Q")?;
                self.expression()
            }
            (b'T', b'y' | b'n' | b't' | b'p' | b'k') => self.declaration(),
            _ => self.a_type(),
        }
    }

    fn declaration(&mut self) -> Option<()> {
        self.enter()?;
        while self.eat("Tp") {}
        match self.take(2)? {
            "Ty" => {}
            "Tn" => self.a_type()?,
            "Tk" => self.name()?,
            "Tt" => {
                while !self.eat("E") {
                    self.parameter()?;
                }
            }
            _ => return None,
        }
        self.leave();
        Some(())
    }

    /// A value: its type and digits, or something with an address of its own.
    pub(super) fn literal(&mut self) -> Option<()> {
        self.expect("L")?;
        if self.eat("_Z") {
            return self.whole_encoding();
        }
        self.a_type()?;
        // n is a minus; floating point numbers are hexadecimal, complex ones have a _ between their parts.
        self.take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'n' | b'_'));
        self.expect("E")
    }

    pub(super) fn qualifiers(&mut self) {
        self.take_while(|byte| matches!(byte, b'r' | b'V' | b'K'));
    }

    /// A builtin type that has one letter, or two with a D.
    pub(super) fn builtin(&mut self) -> Option<&'static str> {
        let (letter, length) = match self.peek() {
            b'D' if self.second().is_ascii_lowercase() => (self.second().to_ascii_uppercase(), 2),
            letter if letter.is_ascii_lowercase() => (letter, 1),
            _ => return None,
        };
        let row = BUILTIN
            .lines()
            .find(|row| row.as_bytes().first() == Some(&letter))?;
        self.take(length)?;
        row.get(1..)
    }

    pub(super) fn a_type(&mut self) -> Option<()> {
        self.enter()?;
        self.take_while(|byte| {
            matches!(byte, b'P' | b'R' | b'O' | b'K' | b'V' | b'r' | b'C' | b'G')
        });
        match (self.peek(), self.second()) {
            (b'N' | b'Z' | b'0'..=b'9', _) | (b'S', b't') => self.name()?,
            (b'S', _) => {
                self.abbreviation()?;
                self.optional_arguments()?;
            }
            (b'T', b's' | b'u' | b'e') => {
                self.take(2)?;
                self.name()?;
            }
            (b'T', _) => {
                self.template_parameter()?;
                self.optional_arguments()?;
            }
            (b'F', _) => self.function()?,
            (b'A', _) => {
                self.expect("A")?;
                self.bound()?;
                self.a_type()?;
            }
            (b'M', _) => {
                self.expect("M")?;
                self.a_type()?;
                self.a_type()?;
            }
            // A vendor's qualifier, or a vendor's type.
            (b'U', b'0'..=b'9') => {
                self.expect("U")?;
                self.source_name()?;
                self.optional_arguments()?;
                self.a_type()?;
            }
            (b'U', _) => self.unqualified()?,
            (b'u', _) => {
                self.expect("u")?;
                self.source_name()?;
                self.optional_arguments()?;
            }
            (b'D', _) if self.builtin().is_none() => self.extended()?,
            (b'D', _) => {}
            _ => {
                self.builtin()?;
            }
        }
        self.leave();
        Some(())
    }

    /// Types that begin with a D.
    fn extended(&mut self) -> Option<()> {
        match self.take(2)? {
            "Dp" => self.a_type(),
            "Dt" | "DT" => {
                self.expression()?;
                self.expect("E")
            }
            // Function types with an exception specification, or safe in transactions.
            "Do" | "Dx" => self.a_type(),
            "DO" => {
                self.expression()?;
                self.expect("E")?;
                self.a_type()
            }
            "Dw" => {
                while !self.eat("E") {
                    self.a_type()?;
                }
                self.a_type()
            }
            // A vector.
            "Dv" => {
                self.bound()?;
                self.a_type()
            }
            // _Float16 and std::bfloat16_t; _BitInt, with or without a sign.
            "DF" => {
                self.number()?;
                (self.eat("_") || self.eat("b") || self.eat("x")).then_some(())
            }
            "DB" | "DU" => self.bound(),
            // A deduced type with a constraint.
            "Dk" | "DK" => self.name(),
            // One type of a pack.
            "Dy" => {
                self.a_type()?;
                self.expression()
            }
            _ => None,
        }
    }

    /// A number or an expression, or nothing, and the `_` behind it.
    fn bound(&mut self) -> Option<()> {
        if self.number().is_none() && self.peek() != b'_' {
            self.expression()?;
        }
        self.expect("_")
    }

    fn function(&mut self) -> Option<()> {
        self.expect("F")?;
        self.eat("Y");
        while !self.eat("E") {
            // The function's own & or && stands last.
            if matches!(self.peek(), b'R' | b'O') && self.second() == b'E' {
                self.take(1)?;
            } else {
                self.a_type()?;
            }
        }
        Some(())
    }

    pub(super) fn template_parameter(&mut self) -> Option<()> {
        self.expect("T")?;
        if self.eat("L") {
            self.index()?;
        }
        self.index()
    }
}

/// Those with a D have a capital letter here. One text, as in `operators.rs`.
const BUILTIN: &str = "\
vvoid
wwchar_t
bbool
cchar
asigned char
hunsigned char
sshort
tunsigned short
iint
junsigned int
llong
munsigned long
xlong long
yunsigned long long
n__int128
ounsigned __int128
ffloat
ddouble
elong double
g__float128
z...
Ddecimal64
Edecimal128
Fdecimal32
Hhalf
Ichar32_t
Schar16_t
Uchar8_t
Aauto
Cdecltype(auto)
Nstd::nullptr_t
";
