//! One service owns a record: a lock on the file itself, by whatever name it was found.
//!
//! The lock is `flock`'s. It belongs to the inode, so that links, mounts and copies of the path lead to the same one, and the
//! system takes it back when the process ends, however it ends. It must be held for as long as SQLite has the file open:
//! closing any descriptor of a file ends the process's other locks on it (`fcntl`'s), which are SQLite's.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::OpenError;
use super::files::{beside, many_names};

/// How long a start waits for a process that is just ending.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an owner may be without a log: one that begins makes it, and one that ends takes it away.
const LOG_WITHIN: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(20);

/// Where a record is, once it is known to be a file with one name.
pub(super) fn find(path: &Path) -> Result<PathBuf, OpenError> {
    let refused = |problem: String| OpenError::Place(path.into(), problem);
    let missing = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => OpenError::Missing(path.into()),
        _ => OpenError::Io(path.into(), error.to_string()),
    };
    // SQLite's log lies beside the file itself, not beside a link to it.
    let real = path.canonicalize().map_err(missing)?;
    let metadata = real.metadata().map_err(missing)?;
    let kind = metadata.file_type();
    if !kind.is_file() {
        let found = files::name_of(&metadata);
        return Err(refused(format!("is {found}; expected a file")));
    }
    if metadata.nlink() > 1 {
        return Err(refused(many_names(metadata.nlink())));
    }
    // A kernel that does not tell (before 5.8) leaves it to the lock.
    let found = statx(CWD, &real, AtFlags::empty(), StatxFlags::BASIC_STATS);
    if found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)) {
        let problem = "is mounted by itself, so that its -wal would lie elsewhere; expected its folder to be mounted";
        return Err(refused(problem.into()));
    }
    Ok(real)
}

/// How a process has a record open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// As the one that signs into it.
    Owned,
    /// Perhaps beside that one.
    Beside,
    /// As a file that nobody changes meanwhile.
    Frozen,
}

/// The lock, held until it is dropped.
pub(super) struct Ownership {
    _file: File,
}

impl Ownership {
    /// Takes it for as long as the record is open.
    pub(super) fn take(path: &Path, real: &Path) -> Result<Self, OpenError> {
        let file = open(path, real)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::Owned(path.into(), holder(&file)));
                }
                Err(TryLockError::Error(error)) => return Err(cannot_lock(path, &error)),
            }
        }
    }

    /// Keeps owners away for a moment; none when there is one, and its log is there. One that was taken away beneath its owner
    /// must not be made anew by who reads: it would stand in the way of what is open still.
    pub(super) fn keep_away(path: &Path, real: &Path) -> Result<Option<Self>, OpenError> {
        let file = open(path, real)?;
        let begun = Instant::now();
        loop {
            match file.try_lock_shared() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(cannot_lock(path, &error)),
            }
            let missing = ["-wal", "-shm"]
                .into_iter()
                .find(|suffix| !beside(real, suffix).exists());
            let Some(missing) = missing else {
                return Ok(None);
            };
            if begun.elapsed() > LOG_WITHIN {
                let holder = holder(&file);
                let problem = format!(
                    "is in use by {holder}, and the {missing} is missing: end the service first (SIGTERM), it puts the log back, \
                     into the file. Nothing was opened or made: a new one would stand in its way"
                );
                return Err(OpenError::Place(path.into(), problem));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

fn open(path: &Path, real: &Path) -> Result<File, OpenError> {
    File::open(real).map_err(|error| OpenError::Io(path.into(), error.to_string()))
}

fn cannot_lock(path: &Path, error: &std::io::Error) -> OpenError {
    let problem = format!(
        "cannot be locked ({error}), so that a second service would not be noticed; expected a disk of this machine"
    );
    OpenError::Place(path.into(), problem)
}

/// Who holds the lock, as far as the system tells: "process 4711".
fn holder(file: &File) -> String {
    let somebody = || "another process".to_owned();
    let (Ok(metadata), Ok(locks)) = (file.metadata(), std::fs::read_to_string("/proc/locks"))
    else {
        return somebody();
    };
    let inode = metadata.ino().to_string();
    // "12: FLOCK  ADVISORY  WRITE 4711 fd:01:131094 0 EOF"; the device's numbers differ from stat's on some file systems.
    let pid = locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (kind, _, mode) = (words.next()?, words.next()?, words.next()?);
        let (pid, place) = (words.next()?, words.next()?);
        let is_it = kind == "FLOCK" && mode == "WRITE" && place.rsplit(':').next()? == inode;
        // A process of another container has none here.
        (is_it && pid.parse().is_ok_and(|pid: u32| pid > 0)).then(|| format!("process {pid}"))
    });
    pid.unwrap_or_else(somebody)
}
