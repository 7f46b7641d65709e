//! Files that are no checkpoints, and show it by how they begin: each is told as what it is, with what to do.

use std::io::{Error, Result};

/// How much of a file is looked at, in bytes.
pub(crate) const SHOWN: usize = 64;

/// How a file of some kind begins, and what to say of it.
const KINDS: [(&[u8], &str); 6] = [
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
    let of_kind = KINDS.iter().find(|(begin, _)| first.starts_with(begin));
    match of_kind {
        Some((_, told)) => Err(Error::other(*told)),
        None if is_page(first) => Err(Error::other(
            "is a web page (HTML), as a site shows to people; expected the JSON itself, which is at /v1/checkpoints/LEDGER/ID or \
             /.well-known/jwks.json of the HTTP address",
        )),
        None => Ok(()),
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
