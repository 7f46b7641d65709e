//! The keyring of `--keys` and of files that are keyrings: what of it was read, and what was skipped.

use std::path::Path;

use serde_json::{Value, json};

use super::{Failure, input, tell};
use crate::key::{KeyringFile, MAX_KEYRING_BYTES, SkippedKey};

/// Skipped keys that standard error names.
const MAX_TOLD: usize = 10;

/// Reads a keyring file, and tells on standard error which keys are of a kind that is not known here.
pub(super) fn read(path: &Path) -> Result<KeyringFile, Failure> {
    parse(&input::read(path, MAX_KEYRING_BYTES)?, path)
}

/// Reads what was in a keyring file.
pub(super) fn parse(text: &[u8], path: &Path) -> Result<KeyringFile, Failure> {
    let file = KeyringFile::read(text)
        .map_err(|error| Failure::Impossible(format!("{}: {error}", path.display())))?;
    tell_skipped(&file.skipped, path);
    Ok(file)
}

/// Tells on standard error what was skipped, if anything was.
pub(super) fn tell_skipped(skipped: &[SkippedKey], path: &Path) {
    let Some(sentence) = sentence(skipped) else {
        return;
    };
    let shown = skipped.iter().take(MAX_TOLD);
    let shown: Vec<String> = shown.map(ToString::to_string).collect();
    let more = match skipped.len().saturating_sub(MAX_TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let path = path.display();
    tell(&format!("{path}: {sentence} ({}{more})", shown.join("; ")));
}

/// How many were skipped, for a person; none when all were read.
pub(super) fn sentence(skipped: &[SkippedKey]) -> Option<String> {
    match skipped.len() {
        0 => None,
        1 => Some("1 key was skipped, of a kind that is not known here".into()),
        count => Some(format!(
            "{count} keys were skipped, of kinds that are not known here"
        )),
    }
}

/// The skipped keys, for a program.
pub(super) fn skipped_json(skipped: &[SkippedKey]) -> Value {
    let skipped = skipped
        .iter()
        .map(|key| json!({ "index": key.index, "key_id": key.key_id, "why": key.why }));
    skipped.collect()
}
