//! Which files were opened. SQLite goes on with those that it has open when others take their names, and what is recorded
//! then is lost with the process, or goes to two places.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Part of every transaction that writes and appends no rows.
pub(super) const COUNT_COMMIT: &str = "UPDATE record_head SET commits = commits + 1";

use super::files::{beside, many_names};
use super::whole::State;
use crate::record::high_water_mark::HighWaterMark;
use crate::record::{RecordError, WentBack};

/// Bytes that a batch may take.
const ROOM: u64 = 64 * 1024;

/// Without these, the log cannot grow.
const PAGE: u64 = 4096;

/// A file as it was when it was last looked at.
#[derive(Clone, Copy)]
struct Known {
    device: u64,
    inode: u64,
    bytes: u64,
}

impl Known {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The files of a record, and which they were.
pub(super) struct FileIdentity {
    /// As it was given.
    path: PathBuf,
    /// Where the file is.
    real: PathBuf,
    /// Each with what it is when it is right. The owner's alone: the log of others may go while they read.
    files: Mutex<Vec<(PathBuf, Known)>>,
    owned: bool,
    /// The count of the newest transaction of this process.
    commits: AtomicI64,
}

impl FileIdentity {
    /// Notes the files as they are.
    pub(super) fn of(path: &Path, real: &Path, owned: bool) -> std::io::Result<Self> {
        let mut paths = vec![path.to_owned()];
        if owned {
            paths.extend(["-wal", "-shm"].map(|suffix| beside(real, suffix)));
        }
        let known = |path: PathBuf| {
            let known = Known::of(&path.metadata()?);
            Ok((path, known))
        };
        Ok(Self {
            path: path.into(),
            real: real.into(),
            files: Mutex::new(
                paths
                    .into_iter()
                    .map(known)
                    .collect::<std::io::Result<_>>()?,
            ),
            owned,
            commits: AtomicI64::new(0),
        })
    }

    /// Notes how far this process has written.
    pub(super) fn wrote(&self, commits: Option<i64>) {
        if let Some(commits) = commits {
            self.commits.fetch_max(commits, Relaxed);
        }
    }

    /// Compares them with the files that are there now: three system calls.
    pub(super) fn check(&self, seen: &HighWaterMark) -> Result<(), RecordError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, known) in files.iter_mut() {
            let metadata = match path.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(self.taken_away(path, seen));
                }
                Err(error) => return Err(RecordError::Unavailable(error.to_string())),
            };
            let found = Known::of(&metadata);
            if !found.is_same(known) {
                return Err(self.taken_away(path, seen));
            }
            if metadata.nlink() > 1 {
                return Err(disturbed(path, many_names(metadata.nlink()), seen));
            }
            // A log that is cut off in order lost nothing: all of it is in the file.
            if found.bytes < known.bytes && !self.is_complete(path) {
                let problem = format!("was cut off: has {} bytes of {}", found.bytes, known.bytes);
                return Err(disturbed(path, problem, seen));
            }
            known.bytes = found.bytes;
        }
        Ok(())
    }

    /// Whether the disk has room for a batch. What an append that failed has left of the log would be enough for a small one.
    pub(super) fn check_room(&self) -> Result<(), RecordError> {
        match self.room() {
            Some(room) if room < ROOM => {
                let problem = format!("the disk is full: fewer than {ROOM} bytes are free");
                Err(RecordError::Unavailable(problem))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn is_on_a_full_disk(&self) -> bool {
        self.room().is_some_and(|room| room < PAGE)
    }

    /// Bytes that are free, where the disk tells.
    fn room(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.real).ok()?;
        let tells = 0 < disk.f_blocks;
        tells.then(|| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether nothing stands against putting the log into the file. A log that was only taken away is still open, and not lost
    /// yet; one that was cut off would spoil the file.
    pub(super) fn may_end(&self) -> bool {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().all(|(path, known)| match path.metadata() {
            Ok(metadata) => {
                let found = Known::of(&metadata);
                found.is_same(known) && (found.bytes >= known.bytes || self.is_complete(path))
            }
            Err(_) => *path != self.path,
        })
    }

    /// Whether the file has all that this process wrote, without this log.
    fn is_complete(&self, path: &Path) -> bool {
        let is_log = self.owned && *path == beside(&self.real, "-wal");
        let commits = self.commits.load(Relaxed);
        is_log && State::of_file(&self.real).is_ok_and(|file| file.commits >= commits)
    }

    fn taken_away(&self, path: &Path, seen: &HighWaterMark) -> RecordError {
        if path != self.path {
            let problem = "was replaced by another file, or taken away".into();
            return disturbed(path, problem, seen);
        }
        let (path, rows) = (self.path.clone(), seen.mark().rows());
        note(WentBack::Replaced { path, seen: rows }, seen)
    }
}

fn disturbed(path: &Path, problem: String, seen: &HighWaterMark) -> RecordError {
    let (path, seen_rows) = (path.to_owned(), seen.mark().rows());
    let disturbed = WentBack::Disturbed {
        path,
        problem,
        seen: seen_rows,
    };
    note(disturbed, seen)
}

fn note(found: WentBack, seen: &HighWaterMark) -> RecordError {
    // It is noted, and comes back as it is.
    let _ = seen.note(Err(found.clone()));
    found.into()
}
