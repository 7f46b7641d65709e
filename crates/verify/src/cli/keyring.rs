//! The keyring of `--keys` and of files that are keyrings: what of it was read, and what was skipped.

use std::fmt::Display;
use std::path::Path;

use serde_json::{Value, json};

use super::show::Program;
use super::{Failure, input};
use checkpoint::keyring::{KeyringFile, MAX_KEYRING_BYTES, SkippedKey};

/// Skipped keys that standard error names.
const MAX_TOLD: usize = 10;

/// Reads a keyring file, by itself or signed (`jwks.jwt`), and tells on standard error which keys are of a kind that is not known here.
///
/// # Errors
/// When it is not a keyring file.
pub fn read(program: Program, path: &Path) -> Result<KeyringFile, Failure> {
    read_hashed(program, path).map(|(file, _)| file)
}

/// Reads a keyring file, and its SHA-256 in hexadecimal.
///
/// # Errors
/// When it is not a keyring file.
pub fn read_hashed(program: Program, path: &Path) -> Result<(KeyringFile, String), Failure> {
    let (text, sha256) = input::read_hashed(path, MAX_KEYRING_BYTES)?;
    Ok((parse(program, &text, path)?, sha256))
}

/// Reads what was in a keyring file.
///
/// # Errors
/// When it is not a keyring file.
pub fn parse(program: Program, text: &[u8], path: &Path) -> Result<KeyringFile, Failure> {
    let wrong = |error: &dyn Display| Failure::Impossible(format!("{}: {error}", path.display()));
    let file = match KeyringFile::is_signed(text) {
        true => KeyringFile::read_signed(text).map_err(|error| wrong(&error))?,
        false => KeyringFile::read(text).map_err(|error| match is_of_checkpoints(text) {
            true => wrong(&"has published checkpoints in it; expected a keyring: a JWK Set, as /.well-known/jwks.json and `checkpoint-signer keys export` give it"),
            false => wrong(&error),
        })?,
    };
    tell_skipped(program, &file.skipped, path);
    Ok(file)
}

/// Whether a text that is no keyring begins with a checkpoint, with a list of some, or with the first line of an export.
fn is_of_checkpoints(text: &[u8]) -> bool {
    const MEMBERS: [&str; 4] = ["checkpoint_id", "signature", "checkpoints", "record_export"];
    let first = serde_json::Deserializer::from_slice(text)
        .into_iter()
        .next();
    let first = match first {
        Some(Ok(Value::Array(all))) => all.into_iter().next(),
        Some(Ok(first)) => Some(first),
        _ => None,
    };
    let has = |first: &Value| MEMBERS.iter().any(|member| first.get(member).is_some());
    first.as_ref().is_some_and(has)
}

/// Tells on standard error what was skipped, if anything was.
pub fn tell_skipped(program: Program, skipped: &[SkippedKey], path: &Path) {
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
    program.tell(&format!("{path}: {sentence} ({}{more})", shown.join("; ")));
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
pub fn skipped_json(skipped: &[SkippedKey]) -> Value {
    let skipped = skipped
        .iter()
        .map(|key| json!({ "index": key.index, "key_id": key.key_id, "why": key.why }));
    skipped.collect()
}
