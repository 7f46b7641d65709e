//! Files that are no checkpoints, and show it by how they begin: each is told as what it is, with what to do.

use std::io::{Error, Result};

/// How much of a file is looked at, in bytes: a block of tar.
pub(crate) const SHOWN: usize = 512;

/// Where a tar archive shows what it is (POSIX.1-2024, ustar), in its first block.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// How zlib's format begins (RFC 1950, section 2.2), by how much was done for it. The second one might be a text.
const ZLIB: [&[u8]; 4] = [b"x\x01", b"x^", b"x\x9c", b"x\xda"];

/// How a file of some kind begins, and what to say of it.
const KINDS: [(&[u8], &str); 12] = [
    (
        b"SQLite format 3\0",
        "is a SQLite database, as a record is; expected published checkpoints (`checkpoint-signer record export` writes those of a record)",
    ),
    (
        b"PK\x03\x04",
        "is a ZIP archive; expected the files in it (`unzip` unpacks it)",
    ),
    (
        b"\xfd7zXZ\0",
        "is compressed by xz; expected gzip, Zstandard or the text itself (`xz -d` unpacks it)",
    ),
    (
        b"BZh",
        "is compressed by bzip2; expected gzip, Zstandard or the text itself (`bzip2 -d` unpacks it)",
    ),
    (
        b"\x1f\x9d",
        "is compressed by compress (.Z); expected gzip, Zstandard or the text itself (`gzip -d` unpacks it)",
    ),
    (
        b"\x04\x22\x4d\x18",
        "is compressed by lz4; expected gzip, Zstandard or the text itself (`lz4 -d` unpacks it)",
    ),
    (
        b"LZIP",
        "is compressed by lzip; expected gzip, Zstandard or the text itself (`lzip -d` unpacks it)",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        "is a 7z archive; expected the files in it (`7z x` unpacks it)",
    ),
    (
        b"Rar!\x1a\x07",
        "is a RAR archive; expected the files in it (`unrar x` unpacks it)",
    ),
    (
        b"PK\x05\x06",
        "is a ZIP archive with nothing in it; expected a published checkpoint, which is JSON",
    ),
    (
        b"%PDF-",
        "is a PDF document; expected a published checkpoint, which is JSON",
    ),
    (
        b"\x7fELF",
        "is a program; expected a published checkpoint, which is JSON",
    ),
];

/// How a web page begins, in lower case.
const PAGES: [&str; 5] = ["<!doctype html", "<html", "<head", "<?xml", "<!--"];

/// Refuses a file that begins like this when it is of a kind that is known, and is not read here.
///
/// # Errors
/// It says what it is.
pub(crate) fn check(first: &[u8]) -> Result<()> {
    match kind_of(first) {
        Some(told) => Err(Error::other(told)),
        None => Ok(()),
    }
}

/// The same of what was compressed: what is compressed twice is not read either.
pub(crate) fn check_unpacked(first: &[u8], packing: &str, is_packed: bool) -> Result<()> {
    let again = is_packed.then_some(
        "is compressed once more; expected it to be compressed once (`gzip -d` or `zstd -d` unpacks it)",
    );
    match again.or_else(|| kind_of(first)) {
        Some(told) => Err(Error::other(format!(
            "is {packing} data, and what is in it {told}"
        ))),
        None => Ok(()),
    }
}

fn kind_of(first: &[u8]) -> Option<&'static str> {
    let of_kind = KINDS.iter().find(|(begin, _)| first.starts_with(begin));
    let (place, mark) = TAR;
    let is_tar = || {
        first
            .get(place..)
            .is_some_and(|rest| rest.starts_with(mark))
    };
    let is_text = || std::str::from_utf8(first).is_ok();
    let is_zlib = || ZLIB.iter().any(|begin| first.starts_with(begin)) && !is_text();
    match of_kind {
        Some((_, told)) => Some(told),
        None if is_tar() => {
            Some("is a tar archive; expected the files in it (`tar -xf` unpacks it)")
        }
        None if is_zlib() => Some(
            "is compressed by zlib, as no file is; expected gzip, Zstandard or the text itself (`pigz -dz` unpacks it)",
        ),
        None if is_page(first) => Some(
            "is a web page (HTML), as a site shows to people; expected the JSON itself, which is at /v1/checkpoints/LEDGER/ID or \
             /.well-known/jwks.json of the HTTP address",
        ),
        None => None,
    }
}

fn is_page(first: &[u8]) -> bool {
    let text = first.trim_ascii_start();
    let begins = |begin: &&str| {
        let found = text.get(..begin.len()).unwrap_or_default();
        found.eq_ignore_ascii_case(begin.as_bytes())
    };
    PAGES.iter().any(begins)
}
