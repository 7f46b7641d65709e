//! Counts, by verdict, key, ledger and month.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};

use super::Checked;
use checkpoint::checkpoint::LedgerId;
use checkpoint::key::KeyId;
use checkpoint::verdict::VerdictKind;

/// How many of them, and how many of those are valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub all: u64,
    /// The valid ones.
    pub valid: u64,
}

impl Counts {
    fn add(&mut self, kind: VerdictKind) {
        self.all += 1;
        self.valid += u64::from(kind == VerdictKind::Valid);
    }

    fn merge(&mut self, other: Self) {
        self.all += other.all;
        self.valid += other.valid;
    }

    /// Those that are not valid.
    pub fn invalid(self) -> u64 {
        self.all - self.valid
    }
}

/// What one key signed, or is said to have signed.
#[derive(Clone, Debug, Default)]
pub struct KeyTally {
    /// How many.
    pub counts: Counts,
    /// The first and the last signing time of the valid ones.
    pub signed: Option<Range>,
}

/// What there is of one ledger.
#[derive(Clone, Debug, Default)]
pub struct LedgerTally {
    /// How many.
    pub counts: Counts,
    /// The first and the last timestamp of the valid ones.
    pub time: Option<Range>,
    /// The largest entry_count of the valid ones.
    pub entry_count: u64,
}

/// The summary. Its size depends on the keys, ledgers and months, not on the checkpoints.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// All of them.
    pub counts: Counts,
    /// Those that were not looked at, because they are not selected.
    pub left_out: u64,
    /// Valid ones that the service which was asked has not on record.
    pub not_recorded: u64,
    /// By verdict.
    pub verdicts: BTreeMap<VerdictKind, u64>,
    /// By the header's `kid`; without those that have none.
    pub keys: BTreeMap<KeyId, KeyTally>,
    /// By ledger; without those that are malformed.
    pub ledgers: BTreeMap<LedgerId, LedgerTally>,
    /// By month of signing, `(year, month)`.
    pub months: BTreeMap<(i32, u32), Counts>,
}

impl Tally {
    /// Counts one.
    pub fn add(&mut self, checked: &Checked) {
        let valid = checked.kind == VerdictKind::Valid;
        self.counts.add(checked.kind);
        *self.verdicts.entry(checked.kind).or_default() += 1;
        self.not_recorded += u64::from(checked.is_not_recorded());
        if let Some(key_id) = &checked.key_id {
            let key = self.keys.entry(key_id.clone()).or_default();
            key.counts.add(checked.kind);
            if let Some(time) = checked.signed_at.filter(|_| valid) {
                widen(&mut key.signed, (time, time));
            }
        }
        if let Some(time) = checked.signed_at {
            let month = self.months.entry((time.year(), time.month()));
            month.or_default().add(checked.kind);
        }
        if let Some(outline) = &checked.outline {
            let ledger = self.ledgers.entry(outline.ledger_id.clone()).or_default();
            ledger.counts.add(checked.kind);
            if valid {
                let time = outline.timestamp.instant();
                widen(&mut ledger.time, (time, time));
                ledger.entry_count = ledger.entry_count.max(outline.entry_count.get());
            }
        }
    }

    /// Counts those that were counted elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.counts.merge(other.counts);
        self.left_out += other.left_out;
        self.not_recorded += other.not_recorded;
        for (kind, count) in other.verdicts {
            *self.verdicts.entry(kind).or_default() += count;
        }
        for (key_id, other) in other.keys {
            let key = self.keys.entry(key_id).or_default();
            key.counts.merge(other.counts);
            if let Some(signed) = other.signed {
                widen(&mut key.signed, signed);
            }
        }
        for (ledger_id, other) in other.ledgers {
            let ledger = self.ledgers.entry(ledger_id).or_default();
            ledger.counts.merge(other.counts);
            if let Some(time) = other.time {
                widen(&mut ledger.time, time);
            }
            ledger.entry_count = ledger.entry_count.max(other.entry_count);
        }
        for (month, counts) in other.months {
            self.months.entry(month).or_default().merge(counts);
        }
    }
}

/// From an instant to another one.
type Range = (DateTime<Utc>, DateTime<Utc>);

fn widen(range: &mut Option<Range>, (from, to): Range) {
    let (first, last) = range.unwrap_or((from, to));
    *range = Some((first.min(from), last.max(to)));
}
