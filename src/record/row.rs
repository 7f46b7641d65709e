//! Rows as stores keep them: columns to look things up by, beside the payload and the signature that they were
//! taken from.

use chrono::{DateTime, Utc};

use super::RecordError;
use checkpoint::checkpoint::{Checkpoint, Timestamp};
use checkpoint::counted::counted;
use checkpoint::history::Receipt;
use checkpoint::history::rules::CLOCK_TOLERANCE;
use checkpoint::jws::{DetachedJws, ProtectedHeader, SignedCheckpoint};
use checkpoint::log::batch::Candidate;

/// A row as a store gives and takes it; nothing of it is copied for that. All numbers are below 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) position: i64,
    pub(super) ledger_id: &'a str,
    pub(super) checkpoint_id: &'a str,
    pub(super) entry_count: i64,
    pub(super) cumulative_hash: &'a [u8],
    pub(super) total_volume: i64,
    /// Seconds since 1970, as every time here.
    pub(super) timestamp: i64,
    pub(super) key_id: &'a str,
    pub(super) signed_at: i64,
    /// The JCS bytes.
    pub(super) payload: &'a [u8],
    /// The detached JWS.
    pub(super) signature: &'a str,
}

impl<'a> Row<'a> {
    /// What is written of a candidate.
    pub(super) fn new(position: i64, candidate: &'a Candidate) -> Self {
        let SignedCheckpoint { checkpoint, jws } = candidate.signed();
        Self::of(position, checkpoint, jws.header(), candidate.compact())
    }

    fn of(
        position: i64,
        checkpoint: &'a Checkpoint,
        header: &'a ProtectedHeader,
        signature: &'a str,
    ) -> Self {
        let fields = checkpoint.fields();
        Self {
            position,
            ledger_id: fields.ledger_id.as_str(),
            checkpoint_id: fields.checkpoint_id.as_str(),
            entry_count: to_signed(fields.entry_count.get()),
            cumulative_hash: fields.cumulative_hash.as_bytes(),
            total_volume: fields.total_volume.get(),
            timestamp: fields.timestamp.instant().timestamp(),
            key_id: header.kid.as_str(),
            signed_at: header.iat.timestamp(),
            payload: checkpoint.payload().as_bytes(),
            signature,
        }
    }

    /// The row's signature, if all columns are what they were taken from.
    pub(super) fn into_receipt(self) -> Result<Receipt, RecordError> {
        let checkpoint = Checkpoint::from_json(self.payload);
        self.receipt_with(checkpoint.map_err(|error| self.damaged(error))?)
    }

    /// The same for whoever has a checkpoint, which need not be read again when it is the row's.
    pub(super) fn into_receipt_for(self, asked: &Checkpoint) -> Result<Receipt, RecordError> {
        match asked.payload().as_bytes() == self.payload {
            true => self.receipt_with(asked.clone()),
            false => self.into_receipt(),
        }
    }

    fn receipt_with(self, checkpoint: Checkpoint) -> Result<Receipt, RecordError> {
        let jws = DetachedJws::parse(self.signature).map_err(|error| self.damaged(error))?;
        if Row::of(self.position, &checkpoint, jws.header(), &jws.compact()) != self {
            return Err(self.damaged("its columns are not those of its payload and signature"));
        }
        Ok(Receipt {
            position: self.position.unsigned_abs(),
            signed: SignedCheckpoint { checkpoint, jws },
        })
    }

    fn damaged(&self, problem: impl std::fmt::Display) -> RecordError {
        RecordError::Damaged(format!("row {}: {problem}", self.position))
    }
}

/// Databases have signed integers only; all numbers of this service are below 2^53.
pub(super) fn to_signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn instant(seconds: i64) -> Result<DateTime<Utc>, RecordError> {
    DateTime::from_timestamp(seconds, 0)
        .ok_or_else(|| RecordError::Damaged(format!("{seconds} is not a time")))
}

pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    column: &str,
    text: &str,
) -> Result<T, RecordError> {
    text.parse()
        .map_err(|error: T::Err| RecordError::Damaged(format!("{column}: {error}")))
}

/// The `timestamp` of a checkpoint.
pub(super) fn timestamp(seconds: i64) -> Result<Timestamp, RecordError> {
    Timestamp::from_unix(seconds, 0)
        .map_err(|error| RecordError::Damaged(format!("timestamp: {error}")))
}

/// What a head says of the rows: how many there are, and when the latest of them was signed.
pub(super) struct HeadClaim {
    pub(super) size: i64,
    pub(super) newest_signed_at: Option<i64>,
    /// From when on an operator let signing go on, if no row was recorded since.
    pub(super) resumed_from: Option<i64>,
}

/// Compares the head with the position and the time of the newest row, both read at one instant.
pub(super) fn check_head(claim: &HeadClaim, newest: Option<(i64, i64)>) -> Option<String> {
    let HeadClaim {
        size,
        newest_signed_at,
        resumed_from,
    } = *claim;
    let position = newest.map_or(0, |(position, _)| position);
    if position > size {
        return Some(format!(
            "row {position} is beyond the head, which counts {}",
            counted(size, "row", "rows")
        ));
    }
    if position < size {
        return Some(format!(
            "the head counts {}, but the newest is row {position}",
            counted(size, "row", "rows")
        ));
    }
    // Each row is dated no more than the tolerance before the latest one so far.
    let fits = match (newest_signed_at, newest) {
        _ if resumed_from.is_some() => newest_signed_at == resumed_from,
        (Some(head), Some((_, row))) => {
            (row..=row.saturating_add(CLOCK_TOLERANCE.num_seconds())).contains(&head)
        }
        (head, row) => head.is_none() && row.is_none(),
    };
    (!fits).then(|| "the head's newest_signed_at is not that of the rows".into())
}
