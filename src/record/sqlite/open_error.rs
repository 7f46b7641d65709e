//! Why a record in a file cannot be opened.

use std::path::PathBuf;

use super::migrations;
use crate::record::environment::OtherEnvironment;
use crate::record::schema::OTHER_PROGRAM;

/// Why a record cannot be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none, and a new one would have forgotten which places are taken.
    #[error(
        "record: {0} is missing. The record remembers what was signed, so a new one is never made by \
         accident: restore it from its backup, or, for a new service, run \
         `checkpoint-signer record init --record sqlite:{0}`"
    )]
    Missing(PathBuf),
    /// There is one already.
    #[error("record: {0} exists already; it is left as it is")]
    Exists(PathBuf),
    /// The file is something else.
    #[error("record: {0} is not a record of checkpoint-signer: {1}")]
    NotARecord(PathBuf, String),
    /// The file is damaged.
    #[error("record: {0} is damaged: {1}; restore it from its backup")]
    Damaged(PathBuf, String),
    /// The file is of another version of this program.
    #[error(
        "record: {path} has the schema version {found}; this program knows {}: {OTHER_PROGRAM}",
        migrations::VERSION
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
    },
    /// Somebody has it open to write.
    #[error(
        "record: {0} is in use by {1}: one service owns a record, and whoever imports or restores; expected that to end first"
    )]
    Owned(PathBuf, String),
    /// What is there is no file with one name, on a disk that can be locked.
    #[error("record: {0} {1}")]
    Place(PathBuf, String),
    /// Rows are missing, or may be.
    #[error(
        "record: {0} is not whole: {1}. Put the file and the -wal that belong together back, or a copy that `record backup` or \
         `record export` made; docs/backup.md says how to go on without"
    )]
    NotWhole(PathBuf, String),
    /// It is another environment's.
    #[error("record: {0} {1}")]
    Environment(PathBuf, OtherEnvironment),
    /// The file cannot be opened or made.
    #[error("record: {0} cannot be opened: {1}")]
    Io(PathBuf, String),
}
