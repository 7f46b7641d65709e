//! The names of a record's files: one of its own, and those that SQLite keeps beside it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A file that SQLite keeps beside the record: `-wal` or `-shm`.
pub(super) fn beside(record: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(record);
    name.push(suffix);
    name.into()
}

/// Each name of a file has a log of its own.
pub(super) fn many_names(links: u64) -> String {
    format!(
        "has {links} names (hard links), each with a -wal of its own; expected one: find the others by `find -samefile`, and \
         remove them"
    )
}
