//! The rules that keep a ledger from having two histories. Pure: every store asks them, inside of the
//! transaction that records.
//!
//! 1. One `checkpoint_id` of a ledger has one content. The same content again is a retry, and gets the recorded
//!    signature.
//! 2. One `entry_count` of a ledger has one hash and one volume. A new `checkpoint_id` may repeat it: a day
//!    without entries.
//! 3. Neither the `entry_count` nor the `timestamp` falls below the ledger's newest.
//! 4. No signature is dated more than [`CLOCK_TOLERANCE`] before the newest one on record, or, after a [`Resumption`](super::Resumption), before
//!    the instant that it names and all later ones; and none so much ahead of the store's own clock, if it has one.
//! 5. A revoked key signs nothing. What it signed before the instant from which it is distrusted is put back as any other row.
//! 6. One checkpoint adds no more than [`MaxEntryJump`] entries, or one mistake would end the ledger for ever (by rule 3). It is
//!    a setting, and asked when something is signed; a history in which it was larger is as good.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use super::Receipt;
use crate::checkpoint::{
    Checkpoint, CheckpointId, CumulativeHash, LedgerId, MAX_SAFE_INTEGER, Outline, Timestamp,
};
use crate::counted::counted;
use crate::key::{KeyId, instant_text};
use crate::reason::Reason;

/// How far a clock may be behind the newest signature: replicas' clocks differ by less.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// How many entries one checkpoint may add to its ledger, whose first one adds to none: 1 to 2^53-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxEntryJump(u64);

/// What is no [`MaxEntryJump`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number from 1 to {MAX_SAFE_INTEGER}")]
pub struct InvalidJump;

impl MaxEntryJump {
    /// For rows that were signed before, which are judged by no clock and no setting: no count is further, and no setting is
    /// this.
    pub const ANY: Self = Self(u64::MAX);

    /// Whether the rows are being signed now, so that their time is that of the store's clock, too.
    pub fn is_for_new_rows(self) -> bool {
        self != Self::ANY
    }
}

impl Default for MaxEntryJump {
    /// A thousand million: years of a large ledger, and nine millionths of what there is room for.
    fn default() -> Self {
        Self(1_000_000_000)
    }
}

impl FromStr for MaxEntryJump {
    type Err = InvalidJump;

    fn from_str(text: &str) -> Result<Self, InvalidJump> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let entries = text.parse().ok().filter(|_| digits).ok_or(InvalidJump)?;
        match (1..=MAX_SAFE_INTEGER).contains(&entries) {
            true => Ok(Self(entries)),
            false => Err(InvalidJump),
        }
    }
}

impl std::fmt::Display for MaxEntryJump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a checkpoint has no place in the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleViolation {
    /// Rule 1.
    #[error(
        "checkpoint_id: ledger {ledger_id} has another checkpoint {checkpoint_id} on record; a checkpoint \
         that was signed never changes"
    )]
    OtherContent {
        /// The ledger.
        ledger_id: LedgerId,
        /// The name that is taken.
        checkpoint_id: CheckpointId,
    },
    /// Rule 2.
    #[error(
        "entry_count: ledger {ledger_id} has {} with another cumulative_hash or \
         total_volume on record, in checkpoint {recorded}; a ledger has one history",
        counted(.entry_count, "entry", "entries")
    )]
    OtherHistory {
        /// The ledger.
        ledger_id: LedgerId,
        /// The place that is taken.
        entry_count: u64,
        /// The checkpoint that took it.
        recorded: CheckpointId,
    },
    /// Rule 3.
    #[error(
        "entry_count: is {found}, but ledger {ledger_id} has {newest} on record; expected at least that, \
         since a ledger is signed forwards only"
    )]
    Rollback {
        /// The ledger.
        ledger_id: LedgerId,
        /// What was asked for.
        found: u64,
        /// The ledger's newest.
        newest: u64,
    },
    /// Rule 3, of the time.
    #[error(
        "timestamp: is {found}, but ledger {ledger_id} has {newest} on record; expected at least that, since a \
         ledger is signed forwards only"
    )]
    TimeRollback {
        /// The ledger.
        ledger_id: LedgerId,
        /// What was asked for.
        found: Timestamp,
        /// The ledger's newest.
        newest: Timestamp,
    },
    /// Rule 4.
    #[error(
        "the signer's clock shows {now}, but the newest signature on record is of {newest}; nothing is signed until the clock \
         is right. When it is, and another one ran ahead: until its time has come"
    )]
    ClockWentBack {
        /// What the clock shows.
        now: String,
        /// The newest signature's time.
        newest: String,
    },
    /// The clock is ahead of another one.
    #[error("the signer's clock shows {now}, but {other}")]
    ClockAhead {
        /// What the clock shows.
        now: String,
        /// What the other one shows, and whose it is; or how else that is known, and until when nothing is signed.
        other: String,
    },
    /// The clock is behind the store's.
    #[error("the signer's clock shows {now}, but {other}")]
    ClockBehind {
        /// What the clock shows.
        now: String,
        /// What the other one shows, and whose it is; or how else that is known, and until when nothing is signed.
        other: String,
    },
    /// Rule 5.
    #[error("key {0} is revoked")]
    KeyRevoked(KeyId),
    /// Rule 6.
    #[error(
        "entry_count: is {found}, but ledger {ledger_id} has {newest} on record; expected at most {max} more"
    )]
    Jump {
        /// The ledger.
        ledger_id: LedgerId,
        /// What was asked for.
        found: u64,
        /// The ledger's newest; 0 when it has none.
        newest: u64,
        /// What may be added at once.
        max: MaxEntryJump,
    },
}

impl RuleViolation {
    /// Whether the checkpoint is behind its ledger's newest, and nothing else is wrong by the rows that were looked at.
    pub fn goes_back(&self) -> bool {
        matches!(self, Self::Rollback { .. } | Self::TimeRollback { .. })
    }

    /// What a caller is told by name.
    pub fn reason(&self) -> Reason {
        match self {
            Self::OtherContent { .. } | Self::OtherHistory { .. } => Reason::Equivocation,
            Self::Rollback { .. } | Self::TimeRollback { .. } => Reason::Rollback,
            Self::Jump { .. } => Reason::InvalidCheckpoint,
            Self::ClockWentBack { .. } | Self::ClockBehind { .. } => Reason::ClockWentBack,
            Self::ClockAhead { .. } => Reason::ClockAhead,
            Self::KeyRevoked(_) => Reason::KeyRevoked,
        }
    }

    /// The field that is at fault, if one is.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::OtherContent { .. } => Some("checkpoint_id"),
            Self::OtherHistory { .. } | Self::Rollback { .. } | Self::Jump { .. } => {
                Some("entry_count")
            }
            Self::TimeRollback { .. } => Some("timestamp"),
            Self::ClockWentBack { .. }
            | Self::ClockAhead { .. }
            | Self::ClockBehind { .. }
            | Self::KeyRevoked(_) => None,
        }
    }
}

/// What the record holds for the place that a checkpoint asks for.
#[derive(Clone, Debug, Default)]
pub struct LedgerState {
    /// The row with this ledger and `checkpoint_id`.
    pub same_id: Option<Receipt>,
    /// The first row with this ledger and `entry_count`.
    pub same_count: Option<HistoryPoint>,
    /// The ledger's newest `entry_count`.
    pub newest_count: Option<u64>,
    /// The ledger's newest `timestamp`.
    pub newest_timestamp: Option<Timestamp>,
    /// The time of the newest signature in the whole record, or from which an operator let signing go on.
    pub newest_signed_at: Option<DateTime<Utc>>,
    /// What the store's own clock showed; none where it is the machine's.
    pub store_clock: Option<DateTime<Utc>>,
}

/// Who took an `entry_count`, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPoint {
    /// The checkpoint.
    pub checkpoint_id: CheckpointId,
    /// Its hash.
    pub cumulative_hash: CumulativeHash,
    /// Its volume.
    pub total_volume: i64,
}

impl HistoryPoint {
    /// What a checkpoint takes.
    pub fn of(fields: &Outline) -> Self {
        Self {
            checkpoint_id: fields.checkpoint_id.clone(),
            cumulative_hash: fields.cumulative_hash,
            total_volume: fields.total_volume.get(),
        }
    }
}

impl LedgerState {
    /// The recorded row, when the same checkpoint was signed before.
    pub fn recorded(&self, checkpoint: &Checkpoint) -> Option<&Receipt> {
        let row = self.same_id.as_ref()?;
        (row.signed.checkpoint.payload() == checkpoint.payload()).then_some(row)
    }

    /// Judges a checkpoint that is not recorded, to be signed at `now`, by the rules 1 to 4.
    ///
    /// # Errors
    /// [`RuleViolation`], the first in the order of the contract.
    pub fn judge(&self, checkpoint: &Checkpoint, now: DateTime<Utc>) -> Result<(), RuleViolation> {
        let fields = checkpoint.fields();
        let ledger_id = || fields.ledger_id.clone();
        let entry_count = fields.entry_count.get();
        if let Some(newest) = self.newest_signed_at {
            check_clock(now, newest)?;
        }
        if self.same_id.is_some() {
            return Err(RuleViolation::OtherContent {
                ledger_id: ledger_id(),
                checkpoint_id: fields.checkpoint_id.clone(),
            });
        }
        if let Some(place) = &self.same_count
            && (place.cumulative_hash != fields.cumulative_hash
                || place.total_volume != fields.total_volume.get())
        {
            return Err(RuleViolation::OtherHistory {
                ledger_id: ledger_id(),
                entry_count,
                recorded: place.checkpoint_id.clone(),
            });
        }
        if let Some(newest) = self.newest_count.filter(|newest| entry_count < *newest) {
            return Err(RuleViolation::Rollback {
                ledger_id: ledger_id(),
                found: entry_count,
                newest,
            });
        }
        let found = fields.timestamp;
        match self.newest_timestamp.filter(|newest| found < *newest) {
            Some(newest) => Err(RuleViolation::TimeRollback {
                ledger_id: ledger_id(),
                found,
                newest,
            }),
            None => Ok(()),
        }
    }

    /// Judges a checkpoint by rule 6, after the others. What goes before it in a queue must be on record already.
    ///
    /// # Errors
    /// [`RuleViolation::Jump`].
    pub fn check_jump(
        &self,
        checkpoint: &Checkpoint,
        max: MaxEntryJump,
    ) -> Result<(), RuleViolation> {
        let (fields, newest) = (checkpoint.fields(), self.newest_count.unwrap_or(0));
        let found = fields.entry_count.get();
        match found.saturating_sub(newest) > max.0 {
            true => Err(RuleViolation::Jump {
                ledger_id: fields.ledger_id.clone(),
                found,
                newest,
                max,
            }),
            false => Ok(()),
        }
    }
}

/// Rule 4.
///
/// # Errors
/// [`RuleViolation::ClockWentBack`] when `now` is too far behind the newest signature.
pub fn check_clock(now: DateTime<Utc>, newest: DateTime<Utc>) -> Result<(), RuleViolation> {
    if now + CLOCK_TOLERANCE < newest {
        return Err(RuleViolation::ClockWentBack {
            now: instant_text(now),
            newest: instant_text(newest),
        });
    }
    Ok(())
}

/// What another clock shows, and until when nothing is signed.
pub fn other_clock(whose: &str, shows: DateTime<Utc>) -> String {
    format!(
        "{whose} shows {}; expected no more than 5 s between the two, and nothing is signed until they agree \
         (docs/incidents.md, \"The clock is wrong\")",
        instant_text(shows)
    )
}

/// The clocks of signer and store.
///
/// # Errors
/// [`RuleViolation::ClockAhead`] when `now` is too far ahead of what the store's clock shows.
pub fn check_ahead(now: DateTime<Utc>, store: DateTime<Utc>) -> Result<(), RuleViolation> {
    if now > store + CLOCK_TOLERANCE {
        return Err(RuleViolation::ClockAhead {
            now: instant_text(now),
            other: other_clock("the record store's", store),
        });
    }
    Ok(())
}

/// The same, to the other side: a signature is not dated back either.
///
/// # Errors
/// [`RuleViolation::ClockBehind`] when `now` is too far behind what the store's clock shows.
pub fn check_behind(now: DateTime<Utc>, store: DateTime<Utc>) -> Result<(), RuleViolation> {
    if now + CLOCK_TOLERANCE < store {
        return Err(RuleViolation::ClockBehind {
            now: instant_text(now),
            other: other_clock("the record store's", store),
        });
    }
    Ok(())
}
