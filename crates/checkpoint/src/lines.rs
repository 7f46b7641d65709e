//! The lines of a text that somebody else wrote, each within a bound. What ends a line (LF, CRLF, blanks before them) does not belong to it.

use std::io::{BufRead, Read as _, Result};

/// A text is in another coding than that of JSON, or begins with what is no part of it (RFC 8259, section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByteOrderMark {
    /// UTF-8 with a mark.
    #[error("begins with a byte order mark (BOM); expected UTF-8 without one")]
    Utf8,
    /// UTF-16, with a mark or without.
    #[error(
        "is UTF-16, as some editors and shells write text; expected UTF-8 (`iconv -f UTF-16 -t UTF-8` makes it that)"
    )]
    Utf16,
    /// UTF-32, with a mark or without.
    #[error(
        "is UTF-32, as some editors and shells write text; expected UTF-8 (`iconv -f UTF-32 -t UTF-8` makes it that)"
    )]
    Utf32,
}

impl ByteOrderMark {
    /// Refuses a text that begins with one, or is UTF-16 or UTF-32.
    ///
    /// # Errors
    /// It does, or is.
    pub fn check(text: &[u8]) -> std::result::Result<(), Self> {
        // Two bytes a character, or four: no text in UTF-8 has a zero in it that JSON would allow.
        match text {
            [0xef, 0xbb, 0xbf, ..] => Err(Self::Utf8),
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(Self::Utf32),
            [b'{' | b'[', 0, 0, 0, ..] | [0, 0, 0, b'{' | b'[', ..] => Err(Self::Utf32),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(Self::Utf16),
            [b'{' | b'[', 0, ..] | [0, b'{' | b'[', ..] => Err(Self::Utf16),
            _ => Ok(()),
        }
    }
}

/// A line without what ends it: the white space of JSON (RFC 8259, section 2). One that is longer than `most` bytes stays as it is,
/// since what follows may have been cut off.
pub fn content(line: &[u8], most: usize) -> &[u8] {
    // One more for the CR of the longest line.
    if line.len() > most + 1 {
        return line;
    }
    let last = line
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    line.get(..last.map_or(0, |last| last + 1)).unwrap_or(line)
}

/// Reads line by line, and counts.
pub struct Lines<R> {
    text: R,
    line: Vec<u8>,
    count: u64,
}

impl<R: BufRead> Lines<R> {
    /// From the first line on.
    pub fn new(text: R) -> Self {
        Self {
            text,
            line: Vec::new(),
            count: 0,
        }
    }

    /// The next line and its number, from 1 on, without its end; none after the last one. One of more than `most` bytes is cut
    /// off, and longer than that still: nothing that was read after it would be a line.
    ///
    /// # Errors
    /// When the text cannot be read.
    pub fn next(&mut self, most: usize) -> Result<Option<(u64, &[u8])>> {
        self.line.clear();
        // Two more for the end of the line.
        let mut bounded = (&mut self.text).take(most as u64 + 2);
        if bounded.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.count += 1;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some((self.count, content(line, most))))
    }

    /// How many lines were read.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What follows them.
    pub fn into_rest(self) -> R {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_one_that_is_too_long_is_seen_to_be() {
        let mut lines = Lines::new(&b"one\n\nthree\r\nfourth\nlast"[..]);
        let expected: [(u64, &[u8]); 4] = [(1, b"one"), (2, b""), (3, b"three"), (4, b"fourth")];
        for line in expected {
            assert_eq!(lines.next(6).unwrap(), Some(line));
        }
        assert_eq!(lines.next(3).unwrap(), Some((5, &b"last"[..])));
        assert_eq!(lines.next(3).unwrap(), None);
        assert_eq!(lines.count(), 5);
        let mut lines = Lines::new(&b"much too long"[..]);
        assert_eq!(lines.next(4).unwrap(), Some((1, &b"much t"[..])));
        // What follows blanks that are cut off is no line of its own.
        let mut lines = Lines::new(&b"a         b"[..]);
        assert_eq!(lines.next(4).unwrap(), Some((1, &b"a     "[..])));
    }
}
