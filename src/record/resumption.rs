//! An operator's word that a clock ran ahead: after it, signing goes on from the true time.
//!
//! Rule 4 lets nothing be dated before the newest signature, so one clock that ran ahead would stop everybody until its time has
//! come. A resumption names that signature's time and the instant from which rule 4 holds again. It is a row that is only ever
//! added, so whoever reads the record sees where its times go back, by whose word, and why; a reversal that none explains is
//! damage.

use chrono::{DateTime, Utc};

use super::RecordError;
use super::rules::{CLOCK_TOLERANCE, RuleViolation};
use crate::fault::FieldFault;
use crate::key::instant_text;

/// Longest reason, in characters: it is published.
pub const MAX_REASON_CHARS: usize = 512;

/// Longest name of who resumed, in characters.
const MAX_WHO_CHARS: usize = 512;

/// One such act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// How many rows the record had.
    pub after_rows: u64,
    /// The time that rule 4 went by until then.
    pub newest_signed_at: DateTime<Utc>,
    /// The time that it goes by from then on: the true time.
    pub resumed_from: DateTime<Utc>,
    /// By whom.
    pub by: String,
    /// The operator's words.
    pub reason: String,
}

/// What is to be put on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeOrder {
    /// The true time.
    pub now: DateTime<Utc>,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether that is now: false for one that an export brings.
    pub is_now: bool,
    /// Say what would be recorded, and record nothing.
    pub dry_run: bool,
}

/// Why signing is not resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The request is not as it must be.
    #[error("{0}")]
    Invalid(FieldFault),
    /// The clock is not behind the record.
    #[error(
        "the clock shows {now}, and the newest signature on record is of {newest}: the clock is not behind the record, \
         so that there is nothing to resume"
    )]
    NotBehind {
        /// What the clock shows.
        now: String,
        /// The newest signature's time; none without signatures.
        newest: String,
    },
    /// The clocks do not agree.
    #[error(transparent)]
    Clock(#[from] RuleViolation),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] RecordError),
}

/// A text of somebody's own that is kept for ever and shown.
fn check_text(field: &str, text: &str, most: usize) -> Result<(), ResumeError> {
    let (length, control) = (text.chars().count(), text.chars().any(char::is_control));
    if (1..=most).contains(&length) && !control {
        return Ok(());
    }
    let among = if control {
        ", control characters among them"
    } else {
        ""
    };
    let problem =
        format!("has {length} characters{among}; expected 1 to {most}, no control characters");
    Err(ResumeError::Invalid(FieldFault::new(field, problem)))
}

impl ResumeOrder {
    /// What is recorded after so many rows, the newest of them of such a time.
    ///
    /// # Errors
    /// [`ResumeError`] when the texts are out of bounds, or the clock is not behind.
    pub(super) fn judge(
        &self,
        after_rows: u64,
        newest: Option<DateTime<Utc>>,
    ) -> Result<Resumption, ResumeError> {
        check_text("reason", &self.reason, MAX_REASON_CHARS)?;
        check_text("by", &self.by, MAX_WHO_CHARS)?;
        let resumed_from = whole_seconds(self.now);
        match newest {
            Some(newest) if self.now + CLOCK_TOLERANCE < newest => Ok(Resumption {
                after_rows,
                newest_signed_at: newest,
                resumed_from,
                by: self.by.clone(),
                reason: self.reason.clone(),
            }),
            newest => Err(ResumeError::NotBehind {
                now: instant_text(self.now),
                newest: newest.map_or_else(|| "no time at all".into(), instant_text),
            }),
        }
    }
}

fn whole_seconds(instant: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(instant.timestamp(), 0).unwrap_or(instant)
}
