//! Reading files and standard input within bounds, and writing files that are nobody else's.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

use super::Failure;

pub(super) use checkpoint_verify::cli::input::read;

/// Writes a new file with the mode 0600, durably. A file that exists is left as it is.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error| Failure::Impossible(format!("{}: {error}", path.display()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// How the names begin under which files are written before they take their places.
const NEW: &str = ".new-";

/// Writes a file with the mode 0600, or replaces it, durably and as a whole: who reads it finds the old text or the new one, also
/// after a crash. It is written under a name that nobody else has, so that no link that lies there is followed, and is taken away again
/// where it cannot take its place.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    written(folder, text)?
        .persist(path)
        .map_err(|failed| failed.error)?;
    File::open(folder)?.sync_all()
}

/// Which of several files could not be written, and why.
pub(super) struct Refused {
    pub(super) file: String,
    pub(super) error: Error,
}

/// The same for several files of one folder, and whatever can fail does so before the first one is replaced: room for all, and nothing
/// in a place that no file can take. What a run that was killed has left is taken away.
pub(super) fn replace_all(folder: &Path, texts: &[(&str, &str)]) -> Result<(), Refused> {
    let refused = |file: &str| {
        let file = file.to_owned();
        move |error| Refused { file, error }
    };
    clear(folder).map_err(refused(""))?;
    let mut new = Vec::new();
    for (file, text) in texts {
        can_be_replaced(&folder.join(file)).map_err(refused(file))?;
        new.push((*file, written(folder, text).map_err(refused(file))?));
    }
    for (file, written) in new {
        let placed = written.persist(folder.join(file));
        placed.map_err(|failed| refused(file)(failed.error))?;
    }
    let sync = File::open(folder).and_then(|folder| folder.sync_all());
    sync.map_err(refused(""))
}

/// A new file under a name that nobody else has, which goes with what is returned. Its mode is 0600.
fn written(folder: &Path, text: &str) -> std::io::Result<NamedTempFile> {
    let mut new = tempfile::Builder::new().prefix(NEW).tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    Ok(new)
}

fn can_be_replaced(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(Error::new(
            ErrorKind::IsADirectory,
            "is a folder; expected a file, or nothing",
        )),
        _ => Ok(()),
    }
}

/// Takes away what was written and has never taken its place.
fn clear(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_left = entry.file_name().to_string_lossy().starts_with(NEW);
        if is_left && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
