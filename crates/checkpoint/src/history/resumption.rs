//! An operator's word that a clock ran ahead: after it, signing goes on from the true time.
//!
//! Rule 4 lets nothing be dated before the newest signature, so one clock that ran ahead would stop everybody until its time has
//! come. A resumption names that signature's time and the instant from which rule 4 holds again. It is a row that is only ever
//! added, so whoever reads the record sees where its times go back, by whose word, and why; a reversal that none explains is
//! damage.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::rules::CLOCK_TOLERANCE;
use crate::fault::{FieldFault, check_line};
use crate::key::{instant_text, parse_instant};

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

impl Resumption {
    /// The order that makes it again, elsewhere.
    pub fn order(&self) -> ResumeOrder {
        ResumeOrder {
            now: self.resumed_from,
            by: self.by.clone(),
            reason: self.reason.clone(),
            is_now: false,
            dry_run: false,
        }
    }

    /// Whether a record would take it, where its rows are as it says.
    ///
    /// # Errors
    /// [`NotResumed`] says why it would not.
    pub fn judge(&self) -> Result<(), NotResumed> {
        let order = self.order();
        order.judge(self.after_rows, Some(self.newest_signed_at))?;
        Ok(())
    }

    /// Whether a row at a position may be dated after now: an operator has said since that the clock ran ahead.
    pub fn explains(&self, position: u64, signed_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        position <= self.after_rows
            && signed_at <= self.newest_signed_at
            && self.resumed_from <= now + CLOCK_TOLERANCE
    }
}

impl fmt::Display for Resumption {
    /// In a line; what others wrote is written out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "after row {}, from {} back to {}, by {:?} ({:?})",
            self.after_rows,
            instant_text(self.newest_signed_at),
            instant_text(self.resumed_from),
            self.by,
            self.reason
        )
    }
}

/// Several, in a line.
pub fn list(resumptions: &[Resumption]) -> String {
    let shown: Vec<String> = resumptions.iter().map(ToString::to_string).collect();
    shown.join("; ")
}

/// What `/v1/clock-resumptions` gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    clock_resumptions: Vec<PublishedResumption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishedResumption {
    after_rows: u64,
    newest_signed_at: String,
    resumed_from: String,
    by: String,
    reason: String,
}

/// The published form: JSON.
#[must_use]
pub fn to_published(resumptions: &[Resumption]) -> String {
    let show = |resumption: &Resumption| {
        json!({
            "after_rows": resumption.after_rows,
            "newest_signed_at": instant_text(resumption.newest_signed_at),
            "resumed_from": instant_text(resumption.resumed_from),
            "by": resumption.by,
            "reason": resumption.reason,
        })
    };
    let shown: Vec<_> = resumptions.iter().map(show).collect();
    json!({ "clock_resumptions": shown }).to_string()
}

/// Reads the published form.
///
/// # Errors
/// What is wrong with it, and where.
pub fn from_published(json: &[u8]) -> Result<Vec<Resumption>, String> {
    let published: Published = serde_json::from_slice(json)
        .map_err(|error| format!("is not what /v1/clock-resumptions gives: {error}"))?;
    let mut found = Vec::with_capacity(published.clock_resumptions.len());
    for (index, shown) in published.clock_resumptions.into_iter().enumerate() {
        let time = |field: &str, text: &str| {
            parse_instant(text)
                .map_err(|error| format!("clock_resumptions[{index}].{field}: {error}"))
        };
        let resumption = Resumption {
            after_rows: shown.after_rows,
            newest_signed_at: time("newest_signed_at", &shown.newest_signed_at)?,
            resumed_from: time("resumed_from", &shown.resumed_from)?,
            by: shown.by,
            reason: shown.reason,
        };
        resumption
            .judge()
            .map_err(|error| format!("clock_resumptions[{index}]: {error}"))?;
        found.push(resumption);
    }
    Ok(found)
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

/// Why an order is not followed.
#[derive(Debug, thiserror::Error)]
pub enum NotResumed {
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
    /// The clock was resumed before, and nothing was signed since.
    #[error(
        "the clock shows {now}, and signing goes on from {resumed_from} already, by {by}; nothing was signed since, and the \
         clock is not behind that, so that there is nothing to resume"
    )]
    ResumedAlready {
        /// What the clock shows.
        now: String,
        /// The newest resumption's time.
        resumed_from: String,
        /// Whose it is.
        by: String,
    },
}

impl NotResumed {
    /// The same of a record of so many rows, whose newest resumption this is: when no row came after that, its time is the one
    /// that the clock is not behind.
    #[must_use]
    pub fn beside(self, rows: u64, newest: Option<&Resumption>) -> Self {
        match (self, newest) {
            (Self::NotBehind { now, .. }, Some(newest)) if newest.after_rows == rows => {
                Self::ResumedAlready {
                    now,
                    resumed_from: instant_text(newest.resumed_from),
                    by: newest.by.clone(),
                }
            }
            (same, _) => same,
        }
    }
}

impl ResumeOrder {
    /// What is recorded after so many rows, the newest of them of such a time.
    ///
    /// # Errors
    /// [`NotResumed`] when the texts are out of bounds, or the clock is not behind.
    pub fn judge(
        &self,
        after_rows: u64,
        newest: Option<DateTime<Utc>>,
    ) -> Result<Resumption, NotResumed> {
        check_line("reason", &self.reason, MAX_REASON_CHARS).map_err(NotResumed::Invalid)?;
        check_line("by", &self.by, MAX_WHO_CHARS).map_err(NotResumed::Invalid)?;
        let resumed_from = whole_seconds(self.now);
        match newest {
            Some(newest) if self.now + CLOCK_TOLERANCE < newest => Ok(Resumption {
                after_rows,
                newest_signed_at: newest,
                resumed_from,
                by: self.by.clone(),
                reason: self.reason.clone(),
            }),
            newest => Err(NotResumed::NotBehind {
                now: instant_text(self.now),
                newest: newest.map_or_else(|| "no time at all".into(), instant_text),
            }),
        }
    }
}

fn whole_seconds(instant: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(instant.timestamp(), 0).unwrap_or(instant)
}
