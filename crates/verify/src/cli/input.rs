//! Reading files and standard input within bounds.

use std::io::Read;
use std::path::Path;

use super::Failure;
use super::hashing::Hashing;
use crate::unpacked::Unpacked;

/// Reads a file, or standard input for `-`, up to one byte more than `most`: the reader of the bytes then sees
/// that it is too large. What is compressed is unpacked.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    read_hashed(path, most).map(|(bytes, _)| bytes)
}

/// Reads like [`read`], and gives the SHA-256 of the file as it stands, in hexadecimal.
///
/// # Errors
/// As [`read`].
pub fn read_hashed(path: &Path, most: usize) -> Result<(Vec<u8>, String), Failure> {
    let failed = |error| Failure::Impossible(format!("{}: {error}", path.display()));
    match path.to_str() {
        Some("-") => unpack(std::io::stdin().lock(), most),
        Some(text) if is_url(text) => {
            return Err(Failure::Impossible(of_url(text, "keyring.json")));
        }
        _ => files::open(path).and_then(|file| unpack(file, most)),
    }
    .map_err(failed)
}

fn unpack(reader: impl Read, most: usize) -> std::io::Result<(Vec<u8>, String)> {
    let mut bytes = Vec::new();
    let mut hashing = Hashing::new(reader);
    let unpacked = Unpacked::open(&mut hashing)?;
    unpacked.take(most as u64 + 1).read_to_end(&mut bytes)?;
    // What is too long is refused by whoever reads it, and nothing is told of it.
    Ok((bytes, hashing.finish().unwrap_or_default()))
}

pub(super) fn is_url(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.starts_with("https://") || text.starts_with("http://")
}

/// Nothing is fetched here: what is verified is verified by files that somebody has, and can keep. `otherwise` is how the file may be
/// called where the address has no name for it.
pub(super) fn of_url(url: &str, otherwise: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path
        .rsplit('/')
        .next()
        .filter(|name| name.contains('.') && !path.ends_with(&format!("//{name}")));
    let name = name.unwrap_or(otherwise);
    let typed = std::env::args().map(|argument| match argument.strip_suffix(url) {
        Some(flag) => word(&format!("{flag}{name}")),
        None => word(&argument),
    });
    let again: Vec<_> = typed.collect();
    format!(
        "{url}: is a URL; expected a file. Next: curl -fsS {} -o {} && {}",
        word(url),
        word(name),
        again.join(" ")
    )
}

/// A word of a shell's command line, quoted only where it must be.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
