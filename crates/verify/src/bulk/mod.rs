//! Many published checkpoints at once: a verdict on each, and what only shows when they are seen together.

mod column;
mod finding;
mod groups;
mod history;
mod names;
mod spool;
mod tally;

use std::hash::{BuildHasher, RandomState};

use chrono::{DateTime, Utc};

use checkpoint::checkpoint::{LedgerId, Outline, PublishedOutline};
use checkpoint::fault::FieldFault;
use checkpoint::jws::DetachedJws;
use checkpoint::key::KeyId;
use checkpoint::keyring::PinnedKeyring;
use checkpoint::verdict::{Verdict, VerdictKind, explain, judge};

pub(crate) use spool::Spool;

pub use finding::{Finding, Member, Missing};
pub use history::{Histories, Stretch, Together};
pub use tally::{Counts, KeyTally, LedgerTally, Tally};

/// Which checkpoints are looked at.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Whose timestamp is at or after this.
    pub since: Option<DateTime<Utc>>,
    /// Whose timestamp is before this.
    pub until: Option<DateTime<Utc>>,
    /// Of this ledger.
    pub ledger_id: Option<LedgerId>,
}

impl Selection {
    /// Whether a checkpoint is one of them.
    pub fn contains(&self, outline: &Outline) -> bool {
        let time = outline.timestamp.instant();
        self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time < until)
            && self
                .ledger_id
                .as_ref()
                .is_none_or(|ledger_id| *ledger_id == outline.ledger_id)
    }
}

/// What was found of one text.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The verdict.
    pub kind: VerdictKind,
    /// The header's `kid`.
    pub key_id: Option<KeyId>,
    /// The header's `iat`.
    pub signed_at: Option<DateTime<Utc>>,
    /// A sentence; empty for a valid one when it was not asked for.
    pub explanation: String,
    /// Whether the service has it on record; none when no service was asked.
    pub recorded: Option<bool>,
    /// Its place; none when it is malformed.
    pub outline: Option<Outline>,
    /// A number that two texts share when they are the same checkpoint (see [`Fingerprints`]).
    pub content: u64,
}

/// Tells contents apart by 64 bits that nobody can foresee: no forger can make two contents that share them.
#[derive(Clone, Debug, Default)]
pub struct Fingerprints(RandomState);

impl Fingerprints {
    pub(crate) fn of(&self, value: impl std::hash::Hash) -> u64 {
        self.0.hash_one(value)
    }
}

/// Verifies texts against a keyring.
#[derive(Debug)]
pub struct Judge {
    /// Whom to believe.
    pub keyring: PinnedKeyring,
    /// Which texts to look at; the others are not counted.
    pub selection: Selection,
    /// Shared with the [`Histories`].
    pub fingerprints: Fingerprints,
}

impl Judge {
    /// The verdict on one text; a valid one is explained when that is wanted. None for one that is not selected: a
    /// text that is no checkpoint belongs to every selection. This is RSA: tens of microseconds of work.
    pub fn check(&self, text: &[u8], explain_valid: bool) -> Option<Checked> {
        match PublishedOutline::from_published_json(text) {
            Ok(published) => self.check_read(published, explain_valid),
            Err(error) => Some(Checked::malformed(Verdict::malformed(error))),
        }
    }

    /// The verdict on one that was read already.
    pub fn check_read(&self, published: PublishedOutline, explain_valid: bool) -> Option<Checked> {
        match DetachedJws::parse(&published.signature) {
            Ok(_) if !self.selection.contains(&published.outline) => None,
            Ok(jws) => Some(self.judge(published, &jws, explain_valid)),
            Err(error) => {
                let fault = FieldFault::new("signature", error.to_string());
                Some(Checked::malformed(Verdict::malformed(fault)))
            }
        }
    }

    fn judge(
        &self,
        published: PublishedOutline,
        jws: &DetachedJws,
        explain_valid: bool,
    ) -> Checked {
        let PinnedKeyring {
            trusted, untrusted, ..
        } = &self.keyring;
        let header = jws.header();
        let kind = judge(trusted, jws, &published.payload);
        let explanation = match untrusted.get(&header.kid) {
            Some(broken) => format!("no chain from the pinned key: {broken}"),
            None if kind == VerdictKind::Valid && !explain_valid => String::new(),
            None => explain(trusted, kind, header),
        };
        Checked {
            kind,
            key_id: Some(header.kid.clone()),
            signed_at: Some(header.iat),
            explanation,
            recorded: None,
            content: self.fingerprints.of(&published.payload),
            outline: Some(published.outline),
        }
    }
}

impl Checked {
    /// Whether its signature is valid, and the service that was asked has it not on record.
    pub fn is_not_recorded(&self) -> bool {
        self.kind == VerdictKind::Valid && self.recorded == Some(false)
    }

    /// The verdict of somebody else on a text, `recorded` with it.
    pub fn told(
        verdict: Verdict,
        recorded: Option<bool>,
        text: &[u8],
        fingerprints: &Fingerprints,
    ) -> Self {
        let published = PublishedOutline::from_published_json(text).ok();
        let content = published.as_ref().map(|published| &published.payload);
        Self {
            kind: verdict.kind,
            key_id: verdict.key_id,
            signed_at: verdict.signed_at,
            explanation: verdict.explanation,
            recorded,
            content: fingerprints.of(content),
            outline: published.map(|published| published.outline),
        }
    }

    fn malformed(verdict: Verdict) -> Self {
        Self {
            kind: verdict.kind,
            key_id: None,
            signed_at: None,
            explanation: verdict.explanation,
            recorded: None,
            outline: None,
            content: 0,
        }
    }
}
