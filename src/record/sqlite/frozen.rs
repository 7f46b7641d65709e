//! A record that this user may read and not write: a backup in the hands of an auditor, a snapshot that is mounted read-only. SQLite keeps a log and an
//! index of it beside the file also for those who only read, so it is read as one that nobody changes, which it is: owners are kept away
//! meanwhile, and what is in a log is refused. Nothing is written, and no file is left behind.

use std::path::Path;

use rustix::fs::{Access, access};

use super::owner::Ownership;
use super::{OpenError, check_log, wal};

/// Whether this user may write a file, and beside it.
pub(super) fn may_be_written(real: &Path) -> bool {
    let may = |path: &Path, how| access(path, how).is_ok();
    let folder = real.parent().unwrap_or(Path::new("/"));
    may(real, Access::WRITE_OK) && may(folder, Access::WRITE_OK | Access::EXEC_OK)
}

/// Keeps owners away from a record that is whole in its file.
///
/// # Errors
/// [`OpenError`] when somebody has it open, or what it has is not all in the file.
pub(super) fn keep(path: &Path, real: &Path) -> Result<Ownership, OpenError> {
    let refused = |problem: &str| Err(OpenError::Io(path.into(), problem.into()));
    let Some(kept) = Ownership::keep_away(path, real)? else {
        return refused(
            "a service has it open, and beside that one it is read by those alone who may write it and its folder; expected such a user, or a copy by \
             `record backup`",
        );
    };
    let log =
        wal::Log::read(real).map_err(|error| OpenError::Io(path.into(), error.to_string()))?;
    if log.commits > 0 {
        return refused(
            "its newest rows are in the log beside it (-wal), which those alone can read who may write it and its folder; expected such a user, or a copy by \
             `record backup`",
        );
    }
    check_log(path, real, true)?;
    Ok(kept)
}
