//! Reading files and standard input within bounds, and writing files that are nobody else's.

use std::fs::OpenOptions;
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
