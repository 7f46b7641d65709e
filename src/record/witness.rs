//! Heads that were signed before: what a record must contain, or it is older than it once was.
//!
//! A record that was restored from a backup is whole in itself; only something outside of it tells that it had more rows.
//! That is a signed head: `serve --known-head`, `--head-file` and `--peer` each bring some, and this compares them.
//!
//! What follows from a head, for a record that gave it:
//!
//! - its key is on record, as keys are recorded before they sign. A key that the record does not know is a sign that the
//!   record is older than that key;
//! - the record has at least as many rows;
//! - the tree over its first rows has the root that the head says, which the kept nodes tell without reading all rows.
//!
//! A head by a key that was revoked is compared, too: refusing one that a thief of the key made costs a start, which the
//! message explains, and believing none would make a revocation the way to hide an old backup.

use chrono::{DateTime, Utc};

use super::{Record, RecordError, prover};
use checkpoint::counted::counted;
use checkpoint::key::instant_text;
use checkpoint::log::AnyHead;
use checkpoint::log::head::LogName;
use checkpoint::log::proof::{ProofPlan, TreeHead, verify_consistency};
use checkpoint::verdict::VerdictKind;

/// What to do about a record that is older than a head.
const ADVICE: &str = "after a failover of the database see docs/disaster-recovery.md, \"A standby was promoted\"; else restore a newer \
                      state of it; where there is none, see \"When the newest state is lost\" in docs/guide/record.md";

/// A head that the record must contain.
#[derive(Clone, Debug)]
pub struct KnownHead {
    /// Where it is from, for messages: the flag and its value.
    pub place: String,
    /// The head, whose signature is not verified yet.
    pub head: AnyHead,
}

/// Why a record is not the one that a head is of.
#[derive(Debug, thiserror::Error)]
pub enum NotContained {
    /// It is a head of something else.
    #[error(
        "{place}: is a head of the record {found}, but this one is named {expected}; expected a head of this record, or \
         another --log-name"
    )]
    OtherLog {
        /// Where the head is from.
        place: String,
        /// The name that it has.
        found: LogName,
        /// The name of this record.
        expected: LogName,
    },
    /// The record does not know its key.
    #[error(
        "{place}: {counted} is signed by {key}, which the record does not know; the record has {} and is older than \
         that key, or is another one; {ADVICE}",
        self::counted(.rows, "row", "rows")
    )]
    UnknownKey {
        /// Where the head is from.
        place: String,
        /// What the head says.
        counted: Counted,
        /// The key; a note does not name it.
        key: String,
        /// How many rows the record has.
        rows: u64,
    },
    /// No key of this record made it.
    #[error("{place}: the head is {kind}: {explanation}; expected a head that this record gave")]
    Wrong {
        /// Where the head is from.
        place: String,
        /// The verdict.
        kind: VerdictKind,
        /// A sentence.
        explanation: String,
    },
    /// The record has fewer rows.
    #[error(
        "{place}: {counted}, but the record has {}: it is older than that, perhaps a restored backup, and would give \
         places a second time; {ADVICE}",
        self::counted(.rows, "row", "rows")
    )]
    Older {
        /// Where the head is from.
        place: String,
        /// What the head says.
        counted: Counted,
        /// How many rows the record has.
        rows: u64,
    },
    /// The record has other rows.
    #[error(
        "{place}: {counted}, but the first of the {rows} rows of the record are others: it went back to an older state and \
         grew again, or is another record; {ADVICE}"
    )]
    OtherRows {
        /// Where the head is from.
        place: String,
        /// What the head says.
        counted: Counted,
        /// How many rows the record has.
        rows: u64,
    },
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl NotContained {
    /// Whether it says that the record has not all rows.
    pub fn is_of_missing_rows(&self) -> bool {
        matches!(
            self,
            Self::UnknownKey { .. } | Self::Older { .. } | Self::OtherRows { .. }
        )
    }
}

/// What a head says, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How many rows.
    pub rows: u64,
    /// When; a note does not say.
    pub signed_at: Option<DateTime<Utc>>,
    /// Whether its key is revoked, so that it may be a thief's.
    pub revoked: bool,
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the head that counts {}",
            self::counted(self.rows, "row", "rows")
        )?;
        if let Some(signed_at) = self.signed_at {
            write!(f, " (of {})", instant_text(signed_at))?;
        }
        match self.revoked {
            true => write!(
                f,
                " by a key that is revoked, unless a thief of the key made it up"
            ),
            false => Ok(()),
        }
    }
}

/// Checks that a record contains what a head counts. The record is read after the head was made, so other replicas may
/// append meanwhile.
///
/// # Errors
/// [`NotContained`] says why it does not.
pub async fn check(
    record: &dyn Record,
    log: &LogName,
    known: &KnownHead,
) -> Result<(), NotContained> {
    let (place, head) = (|| known.place.clone(), &known.head);
    if head.log() != log {
        return Err(NotContained::OtherLog {
            place: place(),
            found: head.log().clone(),
            expected: log.clone(),
        });
    }
    let verdict = head.verify(&record.keyring().await?);
    let tree = record.head().await?;
    let now = TreeHead {
        size: tree.size(),
        root: tree.root(),
    };
    let (counted, rows) = (
        Counted {
            rows: head.tree().size,
            signed_at: head.signed_at(),
            revoked: verdict.kind == VerdictKind::KeyRevoked,
        },
        now.size,
    );
    match verdict.kind {
        VerdictKind::Valid | VerdictKind::KeyRevoked => {}
        VerdictKind::UnknownKey => {
            let key = verdict.key_id.map(|key_id| key_id.to_string());
            return Err(NotContained::UnknownKey {
                place: place(),
                counted,
                key: key.unwrap_or_else(|| "a key".into()),
                rows,
            });
        }
        kind => {
            return Err(NotContained::Wrong {
                place: place(),
                kind,
                explanation: verdict.explanation,
            });
        }
    }
    contains(record, place(), counted, head.tree(), now).await
}

/// Checks that a record contains the tree that a replica has seen, which it tells without a signature.
///
/// # Errors
/// [`NotContained`] says why it does not.
pub async fn check_seen(
    record: &dyn Record,
    place: &str,
    seen: TreeHead,
) -> Result<(), NotContained> {
    let tree = record.head().await?;
    let now = TreeHead {
        size: tree.size(),
        root: tree.root(),
    };
    let counted = Counted {
        rows: seen.size,
        signed_at: None,
        revoked: false,
    };
    contains(record, place.into(), counted, seen, now).await
}

async fn contains(
    record: &dyn Record,
    place: String,
    counted: Counted,
    seen: TreeHead,
    now: TreeHead,
) -> Result<(), NotContained> {
    let rows = now.size;
    let Ok(plan) = ProofPlan::consistency(seen.size, now.size) else {
        return Err(NotContained::Older {
            place,
            counted,
            rows,
        });
    };
    let proof = prover::prove(record, &plan).await?;
    verify_consistency(seen, now, &proof).map_err(|_| NotContained::OtherRows {
        place,
        counted,
        rows,
    })
}
