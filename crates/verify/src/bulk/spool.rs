//! Sorts more than fits into memory: what is too much goes to a temporary file that has no name.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;

/// What is sorted, by its first column, then by the next.
pub(crate) type Row<const N: usize = 7> = [u64; N];

/// Rows in memory at once; 7 MiB of seven columns.
const MOST: usize = 1 << 17;

/// Takes rows in any order, then gives them sorted.
#[derive(Default)]
pub(crate) struct Spool<const N: usize = 7> {
    rows: Vec<Row<N>>,
    /// Full loads of rows, one after the other, each of [`MOST`] and sorted by itself.
    file: Option<BufWriter<File>>,
    loads: u64,
}

impl<const N: usize> Spool<N> {
    pub(crate) fn new() -> Self {
        Self {
            rows: Vec::new(),
            file: None,
            loads: 0,
        }
    }

    pub(crate) fn push(&mut self, row: Row<N>) -> std::io::Result<()> {
        if self.rows.len() == MOST {
            self.rows.sort_unstable();
            write(file(&mut self.file)?, &self.rows)?;
            self.loads += 1;
            self.rows.clear();
        }
        self.rows.push(row);
        Ok(())
    }

    /// Gives every row to `take`, in order.
    pub(crate) fn sorted(
        mut self,
        mut take: impl FnMut(&Row<N>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.rows.sort_unstable();
        let Some(writer) = self.file else {
            return self.rows.iter().try_for_each(take);
        };
        let file = writer.into_inner().map_err(|error| error.into_error())?;
        let mut runs: Vec<Run<'_, N>> = (0..self.loads).map(|n| Run::open(&file, n)).collect();
        let mut heap = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            heap.extend(run.next()?.map(|row| Reverse((row, number))));
        }
        let mut rest = self.rows.iter().peekable();
        while let Some(mut least) = heap.peek_mut() {
            let Reverse((row, number)) = *least;
            while let Some(row) = rest.next_if(|other| **other < row) {
                take(row)?;
            }
            take(&row)?;
            let next = runs.get_mut(number).map_or(Ok(None), Run::next)?;
            match next {
                Some(next) => *least = Reverse((next, number)),
                None => drop(PeekMut::pop(least)),
            }
        }
        rest.try_for_each(take)
    }
}

fn file(file: &mut Option<BufWriter<File>>) -> std::io::Result<&mut BufWriter<File>> {
    match file {
        Some(file) => Ok(file),
        None => Ok(file.insert(BufWriter::new(tempfile::tempfile()?))),
    }
}

/// A sorted load in the file.
struct Run<'a, const N: usize> {
    file: &'a File,
    next: u64,
    end: u64,
    buffer: std::vec::IntoIter<Row<N>>,
}

/// Rows of each run in memory.
const AHEAD: u64 = 256;

impl<'a, const N: usize> Run<'a, N> {
    fn open(file: &'a File, load: u64) -> Self {
        let rows = MOST as u64;
        Self {
            file,
            next: load * rows,
            end: (load + 1) * rows,
            buffer: Vec::new().into_iter(),
        }
    }

    fn next(&mut self) -> std::io::Result<Option<Row<N>>> {
        if let Some(row) = self.buffer.next() {
            return Ok(Some(row));
        }
        let count = AHEAD.min(self.end - self.next);
        let mut bytes = vec![0; count as usize * size_of::<Row<N>>()];
        self.file
            .read_exact_at(&mut bytes, self.next * size_of::<Row<N>>() as u64)?;
        let (columns, _) = bytes.as_chunks::<8>();
        let (rows, _) = columns.as_chunks::<N>();
        let rows = rows.iter().map(|row| row.map(u64::from_le_bytes));
        self.buffer = rows.collect::<Vec<_>>().into_iter();
        self.next += count;
        Ok(self.buffer.next())
    }
}

fn write<const N: usize>(file: &mut impl Write, rows: &[Row<N>]) -> std::io::Result<()> {
    let mut columns = rows.iter().flatten();
    columns.try_for_each(|column| file.write_all(&column.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_back_in_order() {
        let most = MOST as u64;
        for rows in [0, 1, most, most + 1, 3 * most + 7] {
            let mut spool = Spool::new();
            for n in 0..rows {
                let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                spool.push([mixed % 1000, mixed, n]).unwrap();
            }
            let mut found = Vec::new();
            let take = |row: &Row<3>| {
                found.push(*row);
                Ok(())
            };
            spool.sorted(take).unwrap();
            assert_eq!(found.len() as u64, rows);
            assert!(found.is_sorted());
            let mut numbers: Vec<u64> = found.iter().map(|row| row[2]).collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..rows));
        }
    }
}
