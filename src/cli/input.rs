//! Reading files and standard input within bounds, and writing files that are nobody else's.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::Failure;
use crate::files;

/// Reads a file, or standard input for `-`, up to one byte more than `most`: the reader of the bytes then sees
/// that it is too large.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::Impossible(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    match path.to_str() {
        Some("-") => std::io::stdin()
            .lock()
            .take(most as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?,
        _ => return files::read(path, most as u64).map_err(failed),
    };
    Ok(bytes)
}

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
