//! A message in pieces: what lies inside of it is not copied when it is wrapped.

use std::io::{self, Write};

use pronghorn_pprof::Message;

/// Pieces of a message, in order.
#[derive(Debug, Default)]
pub(crate) struct Rope {
    pieces: Vec<Message>,
}

impl Rope {
    pub(crate) fn push(&mut self, piece: Message) {
        self.pieces.push(piece);
    }

    /// Puts `inner` behind the rest, as the message in this field.
    pub(crate) fn message(&mut self, field: u32, inner: Self) {
        let mut head = Message::new();
        head.head(field, inner.len());
        self.pieces.push(head);
        self.pieces.extend(inner.pieces);
    }

    pub(crate) fn len(&self) -> usize {
        let lengths = self.pieces.iter().map(|piece| piece.as_bytes().len());
        lengths.sum()
    }

    pub(crate) fn write_to(&self, writer: &mut impl Write) -> io::Result<()> {
        for piece in &self.pieces {
            writer.write_all(piece.as_bytes())?;
        }
        Ok(())
    }
}

impl From<Message> for Rope {
    fn from(message: Message) -> Self {
        Self {
            pieces: vec![message],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_has_the_bytes_of_the_message() {
        let mut inner = Message::new();
        inner.uint(1, 150);
        let mut middle = Message::new();
        middle.message(2, &inner);
        middle.uint(3, 1);
        let mut whole = Message::new();
        whole.message(4, &middle);

        let mut rope = Rope::default();
        rope.message(2, inner.into());
        let mut last = Message::new();
        last.uint(3, 1);
        rope.push(last);
        let mut outer = Rope::default();
        outer.message(4, rope);
        let mut bytes = Vec::new();
        outer.write_to(&mut bytes).unwrap();
        assert_eq!(bytes, whole.as_bytes());
        assert_eq!(outer.len(), bytes.len());
    }
}
