//! Sorts more than fits into memory: what is too much goes to a temporary file that has no name.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use rayon::slice::ParallelSliceMut as _;

/// What is sorted: its columns are compared in an order of the caller's choice.
pub(crate) type Row<const N: usize = 7> = [u64; N];

/// Rows in memory at once; 14 MiB of seven columns.
const MOST: usize = 1 << 18;

/// Takes rows in any order, then gives them sorted, as often as wanted.
pub(crate) struct Spool<const N: usize = 7> {
    rows: Vec<Row<N>>,
    /// Full loads of rows, one after the other, each of [`MOST`].
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
            write(file(&mut self.file)?, &self.rows)?;
            self.loads += 1;
            self.rows.clear();
        }
        self.rows.push(row);
        Ok(())
    }

    /// Gives every row to `take`, in the order of `key`.
    pub(crate) fn sorted<K: Ord + Copy + Send>(
        &mut self,
        key: impl Fn(&Row<N>) -> K + Sync,
        mut take: impl FnMut(&Row<N>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.rows.par_sort_unstable_by_key(&key);
        let Some(writer) = &mut self.file else {
            return self.rows.iter().try_for_each(take);
        };
        writer.flush()?;
        let unsorted = writer.get_mut();
        unsorted.seek(SeekFrom::Start(0))?;
        // Each load sorted by itself, then all of them merged.
        let mut sorted = BufWriter::new(tempfile::tempfile()?);
        let mut reader = BufReader::new(unsorted);
        for _ in 0..self.loads {
            let mut load = Vec::with_capacity(MOST);
            while load.len() < MOST {
                load.push(read(&mut reader)?);
            }
            load.par_sort_unstable_by_key(&key);
            write(&mut sorted, &load)?;
        }
        let sorted = sorted.into_inner().map_err(|error| error.into_error())?;
        let runs = (0..self.loads).map(|load| Run::open(&sorted, load));
        let mut runs: Vec<Run<'_, N>> = runs.collect();
        let mut heap = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heap.extend(run.next()?.map(|row| Reverse((key(&row), row, number))));
        }
        let mut rest = self.rows.iter().peekable();
        while let Some(Reverse((least, row, number))) = heap.pop() {
            while let Some(row) = rest.next_if(|row| key(row) < least) {
                take(row)?;
            }
            take(&row)?;
            if let Some(run) = runs.get_mut(number) {
                heap.extend(run.next()?.map(|row| Reverse((key(&row), row, number))));
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
        let mut bytes = bytes.as_slice();
        let rows = (0..count).map(|_| read(&mut bytes));
        self.buffer = rows.collect::<std::io::Result<Vec<_>>>()?.into_iter();
        self.next += count;
        Ok(self.buffer.next())
    }
}

fn write<const N: usize>(file: &mut impl Write, rows: &[Row<N>]) -> std::io::Result<()> {
    let mut columns = rows.iter().flatten();
    columns.try_for_each(|column| file.write_all(&column.to_le_bytes()))
}

fn read<const N: usize>(reader: &mut impl Read) -> std::io::Result<Row<N>> {
    let mut row = [0; N];
    for column in &mut row {
        let mut bytes = [0; 8];
        reader.read_exact(&mut bytes)?;
        *column = u64::from_le_bytes(bytes);
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(rows: u64, column: usize) -> Vec<Row> {
        let mut spool = Spool::new();
        for n in 0..rows {
            let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            spool.push([mixed % 1000, mixed, n, 0, 0, 0, 0]).unwrap();
        }
        let mut found = Vec::new();
        for _ in 0..2 {
            found.clear();
            let take = |row: &Row| {
                found.push(*row);
                Ok(())
            };
            spool.sorted(|row| (row[column], row[2]), take).unwrap();
        }
        found
    }

    #[test]
    fn everything_comes_back_in_order() {
        let most = MOST as u64;
        for rows in [0, 1, most, most + 1, 3 * most + 7] {
            let found = sorted(rows, 0);
            assert_eq!(found.len() as u64, rows);
            assert!(found.is_sorted_by_key(|row| (row[0], row[2])));
            let mut numbers: Vec<u64> = found.iter().map(|row| row[2]).collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..rows));
        }
    }

    #[test]
    fn each_order_is_the_callers() {
        let found = sorted(2 * MOST as u64 + 5, 1);
        assert!(found.is_sorted_by_key(|row| row[1]));
    }
}
