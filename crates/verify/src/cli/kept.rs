//! An input that is read more than once: a regular file, or standard input, which gives its bytes once and is kept.

use std::fs::File;
use std::io::{Cursor, Read, Result, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

/// Bytes of standard input that are kept in memory; more goes to a temporary file that has no name.
const MOST: usize = 64 << 20;

/// What can be read again.
pub(super) enum Kept<'a> {
    Path(&'a Path),
    Memory(Arc<[u8]>),
    File(Arc<File>),
}

impl<'a> Kept<'a> {
    /// # Errors
    /// When standard input cannot be read or kept.
    pub(super) fn of(path: &'a Path) -> Result<Self> {
        match path.to_str() {
            Some("-") => keep(&mut std::io::stdin().lock()),
            _ => Ok(Self::Path(path)),
        }
    }

    /// From its beginning on.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Path(path) => Box::new(files::open_regular(path)?),
            Self::Memory(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            Self::File(file) => Box::new(At {
                file: Arc::clone(file),
                place: 0,
            }),
        })
    }
}

fn keep(input: &mut dyn Read) -> Result<Kept<'static>> {
    let mut memory = Vec::new();
    (&mut *input).take(MOST as u64).read_to_end(&mut memory)?;
    if memory.len() < MOST {
        return Ok(Kept::Memory(memory.into()));
    }
    let mut file = tempfile::tempfile()?;
    file.write_all(&memory)?;
    std::io::copy(input, &mut file)?;
    Ok(Kept::File(Arc::new(file)))
}

/// Reads a file that others read as well.
struct At {
    file: Arc<File>,
    place: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.file.read_at(buffer, self.place)?;
        self.place += read as u64;
        Ok(read)
    }
}
