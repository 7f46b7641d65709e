//! Reading files and standard input within bounds, and writing files that are nobody else's.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

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

/// Writes a file with the mode 0600, or replaces it, durably and as a whole: who reads it finds the old text or the new one, also
/// after a crash. It is written under a name that nobody else has, so that no link that lies there is followed, and is taken away again
/// where it cannot take its place.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // Its mode is 0600.
    let mut new = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|failed| failed.error)?;
    File::open(folder)?.sync_all()
}
