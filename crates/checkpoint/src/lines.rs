//! The lines of a text that somebody else wrote, each within a bound.

use std::io::{BufRead, Read as _, Result};

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
        // One more for the end of the line, and one to see that it is too long.
        let mut bounded = (&mut self.text).take(most as u64 + 2);
        if bounded.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.count += 1;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some((self.count, line)))
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
        let expected: [(u64, &[u8]); 4] = [(1, b"one"), (2, b""), (3, b"three\r"), (4, b"fourth")];
        for line in expected {
            assert_eq!(lines.next(6).unwrap(), Some(line));
        }
        assert_eq!(lines.next(3).unwrap(), Some((5, &b"last"[..])));
        assert_eq!(lines.next(3).unwrap(), None);
        assert_eq!(lines.count(), 5);
        let mut lines = Lines::new(&b"much too long"[..]);
        assert_eq!(lines.next(4).unwrap(), Some((1, &b"much t"[..])));
    }
}
