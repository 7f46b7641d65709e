//! Which file was opened. SQLite goes on with the one that it has open when another takes its name, and what is recorded
//! then is lost with the process.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::record::seen::Seen;
use crate::record::{RecordError, WentBack};

/// A file's place, and which file was there.
pub(super) struct FileIdentity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = path.metadata()?;
        Ok(Self {
            path: path.into(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Compares it with the file that is there now. This is one system call.
    pub(super) fn check(&self, seen: &Seen) -> Result<(), RecordError> {
        match Self::of(&self.path) {
            Ok(now) if (now.device, now.inode) == (self.device, self.inode) => Ok(()),
            Ok(_) => self.replaced(seen),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.replaced(seen),
            Err(error) => Err(RecordError::Unavailable(error.to_string())),
        }
    }

    fn replaced(&self, seen: &Seen) -> Result<(), RecordError> {
        let path = self.path.clone();
        let seen_rows = seen.mark().rows();
        Ok(seen.note(Err(WentBack::Replaced {
            path,
            seen: seen_rows,
        }))?)
    }
}
