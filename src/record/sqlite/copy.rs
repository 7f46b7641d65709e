//! A copy of the record as it is at one instant, while others write it.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::whole;
use crate::record::RecordError;

/// Copies all of it into an empty file, which is whole then. Those who write do not wait for it.
pub(super) fn copy(connection: &Connection, to: &Path) -> Result<(), RecordError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(to, flags)?;
    // In one step, so that it is of one instant however much is written meanwhile.
    match Backup::new(connection, &mut target)?.step(-1)? {
        StepResult::Done => {}
        other => return Err(RecordError::Unavailable(format!("the copy is {other:?}"))),
    }
    match whole::end(&mut target)? {
        true => Ok(()),
        false => Err(RecordError::Unavailable("somebody reads the copy".into())),
    }
}
