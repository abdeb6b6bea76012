//! What is passed over in C++ names: expressions in template arguments, array bounds and constraints.

use super::operators::operator;
use super::reader::Reader;

impl Reader<'_> {
    pub(super) fn expression(&mut self) -> Option<()> {
        self.enter()?;
        match (self.peek(), self.second()) {
            (b'L', _) => self.literal()?,
            (b'T', _) => self.template_parameter()?,
            // A name; a vendor's expression.
            (b'0'..=b'9', _) => self.simple_name()?,
            (b'u', _) => {
                self.expect("u")?;
                self.source_name()?;
                self.argument_list()?;
            }
            // A parameter of the function, or of one around it; else a fold.
            (b'f', b'L') => {
                self.take(2)?;
                if self.number().is_some() {
                    self.expect("p")?;
                    self.function_parameter()?;
                } else {
                    self.operands("fe")?;
                }
            }
            (b'r', b'Q') => {
                self.take(2)?;
                while !self.eat("_") {
                    self.a_type()?;
                }
                self.requirements()?;
            }
            // What is called or initialized may be a type's name.
            (b'N' | b'S' | b'Z' | b'D', _) => self.a_type()?,
            _ => {
                let operator = operator(self.take(2)?)?;
                self.operands(operator.operands)?;
            }
        }
        self.leave();
        Some(())
    }

    fn operands(&mut self, operands: &str) -> Option<()> {
        for operand in operands.bytes() {
            match operand {
                b'e' => self.expression()?,
                b't' => self.a_type()?,
                // Expressions up to E, or up to _; template arguments up to E.
                b'l' | b'w' => {
                    let end = if operand == b'l' { "E" } else { "_" };
                    while !self.eat(end) {
                        self.expression()?;
                    }
                }
                b'a' => self.argument_list()?,
                b'-' => {
                    self.eat("_");
                }
                // One value, or a list between _ and E.
                b'v' if self.eat("_") => self.operands("l")?,
                b'v' => self.expression()?,
                // The initializer of new.
                b'n' if self.eat("pi") || self.eat("il") => self.operands("l")?,
                b'n' => self.expect("E")?,
                b's' => {
                    self.source_name()?;
                }
                b'o' => self.simple_name()?,
                b'd' => self.destroyed()?,
                b'q' => self.qualified()?,
                b'p' => self.function_parameter()?,
                b'f' => {
                    self.take(2)?;
                    self.expression()?;
                }
                b'r' => self.requirements()?,
                _ => return None,
            }
        }
        Some(())
    }

    /// A name or an operator, perhaps with arguments.
    fn simple_name(&mut self) -> Option<()> {
        self.unqualified()?;
        self.optional_arguments()
    }

    /// Behind `sr`: a type or names, and the name in it.
    fn qualified(&mut self) -> Option<()> {
        if self.peek().is_ascii_digit() {
            while self.peek().is_ascii_digit() {
                self.simple_name()?;
            }
            self.expect("E")?;
        } else {
            self.a_type()?;
        }
        if self.eat("on") {
            return self.simple_name();
        }
        if self.eat("dn") {
            return self.destroyed();
        }
        self.simple_name()
    }

    /// What a destructor is called after.
    fn destroyed(&mut self) -> Option<()> {
        match self.peek() {
            b'0'..=b'9' => self.simple_name(),
            _ => self.a_type(),
        }
    }

    /// Behind `fp`: `this`, or which parameter.
    fn function_parameter(&mut self) -> Option<()> {
        if self.eat("T") {
            return Some(());
        }
        self.qualifiers();
        self.index()
    }

    fn requirements(&mut self) -> Option<()> {
        while !self.eat("E") {
            match self.take(1)? {
                "X" => {
                    self.expression()?;
                    self.eat("N");
                    if self.eat("R") {
                        self.name()?;
                    }
                }
                "T" => self.a_type()?,
                "Q" => self.expression()?,
                _ => return None,
            }
        }
        Some(())
    }
}
