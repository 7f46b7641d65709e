//! The rows of an export, many at once, worked on by all cores and taken in their order.

use std::io::Read;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::order::FIRST_LINE;
use crate::in_order::{Answer, in_order};
use checkpoint::checkpoint::MAX_JSON_BYTES;
use checkpoint::lines::content;
use checkpoint::log::export::ReadError;

/// Bytes that are read at once: what fits beside a core.
const READ: usize = 1 << 18;

/// Bytes of rows that are worked on at once, about, at most.
const MOST: usize = 1 << 20;

/// Rows of a complete subtree are kept together where that is possible, as a power of two.
pub(super) const LEVEL: u8 = 8;

/// Rows that follow one another.
pub(super) struct Chunk {
    /// The position of the first one.
    pub(super) first: u64,
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Chunk {
    /// Each row, without what ends its line.
    fn rows(&self) -> Result<Vec<&[u8]>, ReadError> {
        let mut start = 0;
        let rows = (self.first + FIRST_LINE..).zip(&self.ends);
        let rows = rows.map(|(number, end)| {
            let row = self.bytes.get(start..*end).unwrap_or_default();
            start = end + 1;
            match content(row, MAX_JSON_BYTES) {
                row if row.len() > MAX_JSON_BYTES => {
                    Err(ReadError::TooLong(number, MAX_JSON_BYTES))
                }
                row => Ok(row),
            }
        });
        rows.collect()
    }
}

/// Gives all rows to `work`, with the position of the first of them, on all cores; and to `take` what it makes of them, in order.
/// They are read meanwhile.
pub(super) fn each_chunk<T: Send>(
    mut rows: impl Read + Send,
    work: impl Fn(u64, &[&[u8]]) -> T + Sync,
    take: &mut dyn FnMut(T) -> std::io::Result<()>,
) -> Result<(), ReadError> {
    let mut outcome = Ok(());
    let free = Mutex::new(Vec::new());
    let worker = || {
        |chunk: Chunk, answer: &Answer<Result<T, ReadError>>| {
            let worked = chunk.rows().map(|rows| work(chunk.first, &rows));
            let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
            free.push(chunk.bytes);
            drop(free);
            answer.give(worked)
        }
    };
    let read = |send: &mut dyn FnMut(Chunk) -> bool| outcome = read(&mut rows, &free, send);
    let mut take = |worked: Result<T, ReadError>| -> Result<(), ReadError> { Ok(take(worked?)?) };
    in_order(read, worker, &mut take)?;
    Ok(outcome?)
}

fn read(
    rows: &mut impl Read,
    free: &Mutex<Vec<Vec<u8>>>,
    send: &mut dyn FnMut(Chunk) -> bool,
) -> std::io::Result<()> {
    let (mut bytes, mut ends, mut first) = (Vec::new(), Vec::new(), 0_u64);
    loop {
        let before = bytes.len();
        bytes.reserve(READ);
        let is_end = rows.by_ref().take(READ as u64).read_to_end(&mut bytes)? == 0;
        let fresh = bytes.get(before..).unwrap_or_default();
        ends.extend(memchr::memchr_iter(b'\n', fresh).map(|at| before + at));
        let last = ends.last().map_or(0, |end| end + 1);
        // The last row may have no end; one that is too long is seen without it.
        let is_too_long = bytes.len() - last > MAX_JSON_BYTES + 1;
        if (is_end || is_too_long) && bytes.len() > last {
            ends.push(bytes.len());
        }
        let rows = 1 << LEVEL;
        let aligned = (first + ends.len() as u64) / rows * rows;
        let count = match usize::try_from(aligned.saturating_sub(first)) {
            Ok(aligned @ 1..) if !is_end => aligned,
            _ if is_end || is_too_long || bytes.len() >= MOST => ends.len(),
            _ => 0,
        };
        let rest = ends.split_off(count);
        if let Some(end) = ends.last() {
            let start = bytes.len().min(end + 1);
            let mut next: Vec<u8> = {
                let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
                free.pop().unwrap_or_default()
            };
            next.clear();
            next.extend_from_slice(bytes.get(start..).unwrap_or_default());
            let rest = rest.iter().map(|end| end - start).collect();
            let chunk = Chunk {
                first,
                bytes: std::mem::replace(&mut bytes, next),
                ends: std::mem::replace(&mut ends, rest),
            };
            first += count as u64;
            if !send(chunk) {
                return Ok(());
            }
        } else {
            ends = rest;
        }
        if is_end || is_too_long {
            return Ok(());
        }
    }
}

/// The parts of some rows that are judged together: up to the beginning of a complete subtree, and then one of these each.
pub(super) fn groups(first: u64, count: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = 1_u64 << LEVEL;
    let missing = usize::try_from(first.next_multiple_of(rows) - first).unwrap_or(0);
    let starts = (missing.min(count)..count).step_by(1 << LEVEL);
    let whole = starts.map(move |start| start..count.min(start + (1 << LEVEL)));
    let before = (missing > 0).then_some(0..missing.min(count));
    before
        .into_iter()
        .filter(|rows| !rows.is_empty())
        .chain(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(text: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
        let work = |first: u64, rows: &[&[u8]]| -> Vec<(u64, Vec<u8>)> {
            (first..).zip(rows.iter().map(|row| row.to_vec())).collect()
        };
        let mut found = Vec::new();
        each_chunk(text, work, &mut |rows| {
            found.extend(rows);
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn every_row_comes_once_with_its_position() {
        for (count, size) in [
            (0, 0),
            (1, 10),
            (255, 900),
            (1000, 900),
            (5000, 3),
            (40, 300_000),
        ] {
            for end in ["", "\n"] {
                let row = |n: usize| format!("{n}{}", "x".repeat(size));
                let text = (0..count).map(row).collect::<Vec<_>>().join("\n") + end;
                let found = read_back(text.as_bytes()).unwrap();
                let expected = (0..count).map(|n| (n as u64, row(n).into_bytes()));
                let empty = (count == 0 && !end.is_empty()).then(|| (0, Vec::new()));
                assert!(
                    found.into_iter().eq(expected.chain(empty)),
                    "{count} {size}"
                );
            }
        }
    }

    #[test]
    fn an_empty_line_is_a_row() {
        let found = read_back(b"a\n\nb\n\n").unwrap();
        let rows: Vec<_> = found.iter().map(|(_, row)| row.as_slice()).collect();
        assert_eq!(rows, [&b"a"[..], b"", b"b", b""]);
    }

    #[test]
    fn a_row_that_is_too_long_is_named() {
        for end in ["", "\n", "\nb\n"] {
            let text = format!("a\n{}{end}", "x".repeat(3 * MAX_JSON_BYTES));
            let error = read_back(text.as_bytes()).unwrap_err();
            assert!(
                matches!(error, ReadError::TooLong(3, MAX_JSON_BYTES)),
                "{error}"
            );
        }
    }

    #[test]
    fn groups_are_complete_subtrees_but_for_the_first_and_the_last() {
        let found = |first, count| groups(first, count).collect::<Vec<_>>();
        assert_eq!(found(0, 600), [0..256, 256..512, 512..600]);
        assert_eq!(found(250, 300), [0..6, 6..262, 262..300]);
        assert_eq!(found(254, 4), [0..2, 2..4]);
        assert_eq!(found(512, 0), []);
    }
}
