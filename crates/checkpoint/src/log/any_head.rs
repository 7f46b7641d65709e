//! A signed head in either of its forms, as it stands in a file.

use chrono::{DateTime, Utc};

use super::head::{HeadError, LogName, SignedHead};
use super::note::{Note, NoteError};
use super::proof::TreeHead;
use super::{verify_head, verify_note};
use crate::keyring::Keyring;
use crate::verdict::Verdict;

/// Why a text is a head in neither form.
#[derive(Debug, thiserror::Error)]
pub enum AnyHeadError {
    /// One line, but no JWS of a head.
    #[error(transparent)]
    Jws(#[from] HeadError),
    /// Several lines, but no note.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// A head whose form is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyHead {
    /// The compact JWS.
    Jws(Box<SignedHead>),
    /// The C2SP signed note.
    Note(Note),
}

impl AnyHead {
    /// Reads either form; [`super::note::MAX_NOTE_BYTES`] bounds both.
    ///
    /// # Errors
    /// [`AnyHeadError`] says what is wrong with its form.
    pub fn parse(text: &str) -> Result<Self, AnyHeadError> {
        // Only a note has lines between which one is empty.
        match text.trim_ascii().contains('\n') {
            true => Ok(Self::Note(Note::parse(text)?)),
            false => Ok(Self::Jws(Box::new(SignedHead::parse(text)?))),
        }
    }

    /// Of which record.
    pub fn log(&self) -> &LogName {
        match self {
            Self::Jws(signed) => &signed.head().log,
            Self::Note(note) => &note.log,
        }
    }

    /// How many rows, and the root over them.
    pub fn tree(&self) -> TreeHead {
        match self {
            Self::Jws(signed) => signed.head().tree,
            Self::Note(note) => note.tree,
        }
    }

    /// When it was signed; a note does not say.
    pub fn signed_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Jws(signed) => Some(signed.head().timestamp),
            Self::Note(_) => None,
        }
    }

    /// The verdict on it. This is RSA: tens of microseconds of work.
    pub fn verify(&self, keyring: &Keyring) -> Verdict {
        match self {
            Self::Jws(signed) => verify_head(keyring, signed),
            Self::Note(note) => verify_note(keyring, note),
        }
    }
}
