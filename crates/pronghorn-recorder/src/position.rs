//! Where in a script a frame was.

/// A line and a column in seven bytes, so that a frame is no larger than without the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position {
    line: [u8; 3],
    column: [u8; 4],
}

const LAST_LINE: u32 = (1 << 24) - 1;

impl Position {
    /// `line` counts from 1, 0 if it is unknown; those behind the 16,777,215th are taken for that one. `column`: the UTF-16 units in front of
    /// it, or 0 where it tells nothing, so that positions on one line are equal.
    #[must_use]
    pub const fn new(line: u32, column: u32) -> Self {
        let line = if line > LAST_LINE { LAST_LINE } else { line };
        let [first, second, third, _] = line.to_le_bytes();
        Self {
            line: [first, second, third],
            column: column.to_le_bytes(),
        }
    }

    /// Counted from 1; 0 if it is unknown.
    #[must_use]
    pub const fn line(self) -> u32 {
        let [first, second, third] = self.line;
        u32::from_le_bytes([first, second, third, 0])
    }

    /// Counted from 0.
    #[must_use]
    pub const fn column(self) -> u32 {
        u32::from_le_bytes(self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column_come_back() {
        for line in [0, 1, 255, 256, 70_000, LAST_LINE] {
            for column in [0, 1, 300, 3_000_000, u32::MAX] {
                let position = Position::new(line, column);
                assert_eq!((position.line(), position.column()), (line, column));
            }
        }
        assert_eq!(Position::new(u32::MAX, 0).line(), LAST_LINE);
    }
}
