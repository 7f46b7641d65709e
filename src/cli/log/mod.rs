//! The record as a transparency log: `record head`, `record proof` and `record consistency` ask a service, and the part of
//! `verify` that believes no service.

mod consistency;
mod offline;
mod online;
mod resume;

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{Failure, input};
use crate::key::{Keyring, instant_text};
use crate::record::note::MAX_NOTE_BYTES;
use crate::verifier::log::AnyHead;
use crate::verifier::{Verdict, VerdictKind};

pub(super) use consistency::Consistency;
pub(super) use offline::{Believed, InLog};
pub(super) use online::{Head, Proof};
pub(super) use resume::ResumeClock;

/// A head in a file, in either form.
pub(super) fn read_head(path: &Path) -> Result<AnyHead, Failure> {
    let failed = |problem: &dyn std::fmt::Display| {
        Failure::Impossible(format!("{}: {problem}", path.display()))
    };
    let text = String::from_utf8(input::read(path, MAX_NOTE_BYTES)?).map_err(|e| failed(&e))?;
    AnyHead::parse(&text).map_err(|e| failed(&e))
}

/// The verdict on a head; anything but VALID is a failure.
fn expect_valid(head: &AnyHead, keyring: &Keyring, place: &str) -> Result<Verdict, Failure> {
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
fn time_text(time: Option<DateTime<Utc>>) -> Option<String> {
    time.map(instant_text)
}
