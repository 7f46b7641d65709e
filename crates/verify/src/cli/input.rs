//! Reading files and standard input within bounds.

use std::io::Read as _;
use std::path::Path;

use super::Failure;

/// Reads a file, or standard input for `-`, up to one byte more than `most`: the reader of the bytes then sees
/// that it is too large.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
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
