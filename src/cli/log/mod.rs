//! The record as a transparency log: `record head`, `record proof` and `record consistency` ask a service, and the part of
//! `verify` that believes no service.

mod offline;
mod online;

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{Failure, input};
use crate::key::{Keyring, instant_text};
use crate::record::head::{LogName, SignedHead};
use crate::record::note::{MAX_NOTE_BYTES, Note};
use crate::record::proof::TreeHead;
use crate::verifier::{Verdict, VerdictKind, log};

pub(super) use offline::InLog;
pub(super) use online::{Consistency, Head, Proof};

/// A head in a file, in either form.
enum HeadFile {
    Jws(Box<SignedHead>),
    Note(Note),
}

impl HeadFile {
    fn read(path: &Path) -> Result<Self, Failure> {
        let failed =
            |problem: String| Failure::Impossible(format!("{}: {problem}", path.display()));
        let text = String::from_utf8(input::read(path, MAX_NOTE_BYTES)?)
            .map_err(|error| failed(error.to_string()))?;
        // Only a note has lines between which one is empty.
        match text.trim_ascii().contains('\n') {
            true => Note::parse(&text)
                .map(Self::Note)
                .map_err(|error| failed(error.to_string())),
            false => SignedHead::parse(&text)
                .map(|head| Self::Jws(Box::new(head)))
                .map_err(|error| failed(error.to_string())),
        }
    }

    fn log(&self) -> &LogName {
        match self {
            Self::Jws(signed) => &signed.head().log,
            Self::Note(note) => &note.log,
        }
    }

    fn tree(&self) -> TreeHead {
        match self {
            Self::Jws(signed) => signed.head().tree,
            Self::Note(note) => note.tree,
        }
    }

    fn verify(&self, keyring: &Keyring) -> Verdict {
        match self {
            Self::Jws(signed) => log::verify_head(keyring, signed),
            Self::Note(note) => log::verify_note(keyring, note),
        }
    }

    /// As [`verify`](Self::verify); anything but VALID is a failure.
    fn expect_valid(&self, keyring: &Keyring, place: &str) -> Result<Verdict, Failure> {
        let verdict = self.verify(keyring);
        match verdict.kind {
            VerdictKind::Valid => Ok(verdict),
            kind => Err(Failure::Negative(format!(
                "{place}: the head is {kind}: {}",
                verdict.explanation
            ))),
        }
    }
}

/// The text of a time that may be missing.
fn time_text(time: Option<DateTime<Utc>>) -> Option<String> {
    time.map(instant_text)
}
