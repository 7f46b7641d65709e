//! The head file: the newest signed head of the record, kept outside of it. A record that is restored from an older backup
//! does not contain it, and is refused at the next start.
//!
//! It holds one head as `record head` prints it. It is replaced as a whole (a temporary file, fsync, a rename, fsync of the
//! folder), so that a crash leaves the old one or the new one. It is no secret (mode 0644), and belongs on another disk than
//! the record, into another backup, or into none.
//!
//! A file that is missing is no reason to begin a new one: whoever lost the record's disk may have lost it, too. Only an empty
//! record begins one. For a record with rows the operator brings a head, which `record head` prints, and so says from where on
//! the record is to be believed.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::record::witness::{self, KnownHead, NotContained};
use crate::record::{Record, RecordError};
use checkpoint::counted::counted;
use checkpoint::log::head::{LogName, SignedHead};
use checkpoint::log::note::MAX_NOTE_BYTES;
use checkpoint::log::{AnyHead, AnyHeadError};

/// Everybody may read what everybody may be shown.
const MODE: u32 = 0o644;

/// Why a record cannot be checked against the head file, or is not the one that it is of.
#[derive(Debug, thiserror::Error)]
pub enum HeadFileError {
    /// It cannot be read or written.
    #[error("--head-file {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        error: std::io::Error,
    },
    /// It holds something else than a head.
    #[error(
        "--head-file {}: is damaged: {problem}; expected a signed head, as `record head` prints it; put the newest head of this \
         record in its place that you have, for example a published one",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It is missing, and the record is not empty.
    #[error(
        "--head-file {}: is missing, but the record has {}, and nothing tells whether it had more; restore the file, or, \
         if none was kept for this record so far, make it while the service runs without --head-file: `checkpoint-signer record \
         head > {}`",
        path.display(), counted(.rows, "row", "rows"), path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// How many rows the record has.
        rows: u64,
    },
    /// The record does not contain the head.
    #[error(transparent)]
    NotContained(#[from] NotContained),
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What to do when the file is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenMissing {
    /// An empty record begins one; any other is refused.
    BeginWhenEmpty,
    /// Begin one: for trying out.
    Begin,
}

/// Where the newest head is kept.
#[derive(Clone, Debug)]
pub struct HeadFile {
    /// The file.
    pub path: PathBuf,
    /// What to do without it.
    pub when_missing: WhenMissing,
}

impl HeadFile {
    /// Checks that the record contains the head in the file.
    ///
    /// # Errors
    /// [`HeadFileError`] says why it does not, or why that cannot be known.
    pub async fn check(&self, record: &dyn Record, log: &LogName) -> Result<(), HeadFileError> {
        if let Some(head) = self.read()? {
            let place = format!("--head-file {}", self.path.display());
            return Ok(witness::check(record, log, &KnownHead { place, head }).await?);
        }
        match (record.head().await?.size(), self.when_missing) {
            (0, _) | (_, WhenMissing::Begin) => Ok(()),
            (rows, WhenMissing::BeginWhenEmpty) => Err(HeadFileError::Missing {
                path: self.path.clone(),
                rows,
            }),
        }
    }

    /// Checks that it is a head, or can be made; no record is asked.
    ///
    /// # Errors
    /// [`HeadFileError`] when it is neither.
    pub fn look(&self) -> Result<(), HeadFileError> {
        if self.read()?.is_some() {
            return Ok(());
        }
        let folder = self.path.parent().filter(|path| *path != Path::new(""));
        let folder = std::fs::metadata(folder.unwrap_or(Path::new(".")));
        folder.map(drop).map_err(|error| HeadFileError::Io {
            path: self.path.clone(),
            error,
        })
    }

    fn read(&self) -> Result<Option<AnyHead>, HeadFileError> {
        let path = || self.path.clone();
        let failed = |error| HeadFileError::Io {
            path: path(),
            error,
        };
        let file = match files::open_regular(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        // One byte more shows that it is too long.
        let most = MAX_NOTE_BYTES as u64 + 1;
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        let damaged = |problem: String| HeadFileError::Damaged {
            path: path(),
            problem,
        };
        let text = String::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
        let head = AnyHead::parse(&text);
        let head = head.map_err(|error: AnyHeadError| damaged(error.to_string()))?;
        Ok(Some(head))
    }

    /// Puts a head in the place of the one that is there, unless that counts more rows: another process, which is about to
    /// end or has just begun, may keep the same file.
    ///
    /// # Errors
    /// [`HeadFileError::Io`] when it cannot be written.
    pub fn write(&self, head: &SignedHead) -> Result<(), HeadFileError> {
        let newer = |kept: AnyHead| kept.tree().size > head.head().tree.size;
        if self.read().ok().flatten().is_some_and(newer) {
            return Ok(());
        }
        self.replace(&head.jws().compact())
            .map_err(|error| HeadFileError::Io {
                path: self.path.clone(),
                error,
            })
    }

    fn replace(&self, line: &str) -> std::io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::Builder::new()
            .prefix(".record-head-")
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder)?;
        // The process's umask may have taken bits away.
        file.as_file()
            .set_permissions(Permissions::from_mode(MODE))?;
        writeln!(file, "{line}")?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }
}
