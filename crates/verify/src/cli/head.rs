//! Signed heads of the record in files.

use std::path::Path;

use checkpoint::key::instant_text;
use checkpoint::keyring::Keyring;
use checkpoint::log::AnyHead;
use checkpoint::log::note::MAX_NOTE_BYTES;
use checkpoint::verdict::{Verdict, VerdictKind};
use chrono::{DateTime, Utc};

use super::{Failure, input};

/// A head in a file, in either form.
///
/// # Errors
/// When it is not a head.
pub fn read_head(path: &Path) -> Result<AnyHead, Failure> {
    let failed = |problem: &dyn std::fmt::Display| {
        Failure::Impossible(format!("{}: {problem}", path.display()))
    };
    let text = String::from_utf8(input::read(path, MAX_NOTE_BYTES)?).map_err(|e| failed(&e))?;
    AnyHead::parse(&text).map_err(|e| failed(&e))
}

/// The verdict on a head; anything but VALID is a failure.
pub(super) fn expect_valid(
    head: &AnyHead,
    keyring: &Keyring,
    place: &str,
) -> Result<Verdict, Failure> {
    let verdict = head.verify(keyring);
    match verdict.kind {
        VerdictKind::Valid => Ok(verdict),
        kind => Err(Failure::Negative(format!(
            "{place}: the head is {kind}: {}",
            verdict.explanation
        ))),
    }
}

/// The text of a time that may be missing.
pub(super) fn time_text(time: Option<DateTime<Utc>>) -> Option<String> {
    time.map(instant_text)
}
