//! The names of what is in the rows: in memory as far as they fit, and from then on in a temporary file that has no name.

use std::fs::File;
use std::io::{
    BufReader, BufWriter, Cursor, Error, ErrorKind, Read, Result, Seek, SeekFrom, Write,
};

use super::Member;
use super::column::{COUNT, NAME, TIME};
use super::spool::Row;

/// Bytes of names in memory: those of a hundred thousand checkpoints, about.
const MOST: usize = 8 << 20;

/// Bytes of the length of a name, which stands before it.
const LENGTH: usize = size_of::<u64>();

/// Puts a name behind others. `place` writes where the checkpoint stands, which may be anything; the other parts have forms without
/// white space. The time is in the row.
pub(super) fn put(names: &mut Vec<u8>, parts: [&str; 2], place: impl FnOnce(&mut Vec<u8>)) {
    let start = names.len();
    names.extend([0; LENGTH]);
    place(names);
    for part in parts {
        names.push(b'\t');
        names.extend_from_slice(part.as_bytes());
    }
    let length = (names.len() - start - LENGTH) as u64;
    if let Some(place) = names.get_mut(start..start + LENGTH) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// Names as they come.
#[derive(Default)]
pub(super) struct WrittenNames {
    memory: Vec<u8>,
    /// All of them, once they are too many.
    file: Option<BufWriter<File>>,
    end: u64,
}

impl WrittenNames {
    /// Where the next one will stand.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn write(&mut self, names: &[u8]) -> Result<()> {
        self.end += names.len() as u64;
        if self.file.is_none() && self.memory.len() + names.len() <= MOST {
            self.memory.extend_from_slice(names);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
                let file = self.file.insert(file);
                file.write_all(&std::mem::take(&mut self.memory))?;
                file
            }
        };
        file.write_all(names)
    }

    /// To be read from now on.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn finish(self) -> Result<Names> {
        Ok(match self.file {
            None => Names::Memory(Cursor::new(self.memory)),
            Some(file) => {
                let file = file.into_inner().map_err(|error| error.into_error())?;
                Names::File(BufReader::new(file))
            }
        })
    }
}

/// The names of what is in the rows.
pub(super) enum Names {
    Memory(Cursor<Vec<u8>>),
    File(BufReader<File>),
}

impl Names {
    pub(super) fn pair(&mut self, one: &Row, other: &Row) -> Result<[Member; 2]> {
        Ok([self.member(one)?, self.member(other)?])
    }

    fn member(&mut self, row: &Row) -> Result<Member> {
        let name = match self {
            Self::Memory(names) => name(names, row[NAME]),
            Self::File(names) => name(names, row[NAME]),
        }?;
        let mut parts = name.rsplitn(3, '\t');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let (checkpoint_id, ledger_id, source) = (part(), part(), part());
        let time = i64::try_from(row[TIME]).unwrap_or_default();
        let time = chrono::DateTime::from_timestamp(time, 0).unwrap_or_default();
        Ok(Member {
            source,
            ledger_id,
            checkpoint_id,
            timestamp: checkpoint::key::instant_text(time),
            entry_count: row[COUNT],
        })
    }
}

fn name(names: &mut (impl Read + Seek), start: u64) -> Result<String> {
    names.seek(SeekFrom::Start(start))?;
    let mut length = [0; LENGTH];
    names.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut name = String::new();
    match names.take(length).read_to_string(&mut name)? as u64 == length {
        true => Ok(name),
        false => Err(Error::from(ErrorKind::UnexpectedEof)),
    }
}
