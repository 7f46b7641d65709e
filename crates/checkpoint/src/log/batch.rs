//! A batch of candidates on its way into the record. Each is judged by what is on record, and by those that were taken before it.
//!
//! Judging and taking are two steps: between them a store may refuse a row by itself, and that row alone.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::tree::{Frontier, Node, TreeHash};
use crate::checkpoint::{CheckpointId, LedgerId, Outline};
use crate::history::rules::{HistoryPoint, LedgerState, MaxEntryJump, RuleViolation, check_ahead};
use crate::history::{Ledgers, Receipt};
use crate::jws::{ProtectedHeader, SignedCheckpoint};

/// A signature on its way into the record, with what a row of it needs: it is made before there is a transaction, which then only writes.
#[derive(Clone, Debug)]
pub struct Candidate {
    signed: SignedCheckpoint,
    compact: String,
    leaf: TreeHash,
}

impl From<SignedCheckpoint> for Candidate {
    fn from(signed: SignedCheckpoint) -> Self {
        let compact = signed.jws.compact();
        let leaf = TreeHash::of_compact(&signed.checkpoint, &compact);
        Self {
            signed,
            compact,
            leaf,
        }
    }
}

impl Candidate {
    /// What was signed, and the signature.
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// The compact form of its signature.
    pub fn compact(&self) -> &str {
        &self.compact
    }

    /// The hash of its leaf.
    pub fn leaf(&self) -> TreeHash {
        self.leaf
    }
}

/// The head of a record: what is read before a batch, and written after it.
#[derive(Clone, Debug)]
pub struct Head {
    /// The tree over its rows.
    pub frontier: Frontier,
    /// The time of the newest signature, or from which an operator let signing go on.
    pub newest_signed_at: Option<DateTime<Utc>>,
    /// What the store's own clock showed; none where it is the machine's.
    pub store_clock: Option<DateTime<Utc>>,
}

/// The candidates that were taken so far, in one transaction.
pub struct Batch {
    head: Head,
    max_jump: MaxEntryJump,
    revoked: HashMap<String, DateTime<Utc>>,
    ledgers: Ledgers,
    same_id: HashMap<(LedgerId, CheckpointId), Receipt>,
    /// The first that took a place: what another one is refused for, before it is for going back.
    same_count: HashMap<(LedgerId, u64), HistoryPoint>,
    /// Why the first of a ledger is to be signed anew. What follows it in the ledger is not taken before it.
    to_sign_anew: HashMap<LedgerId, RuleViolation>,
    completed: Vec<Node>,
}

impl Batch {
    /// An empty one, behind a head. `revoked` has, of each revoked key, the earliest instant from which it is distrusted: of those of
    /// the candidates at least.
    pub fn new(
        head: Head,
        max_jump: MaxEntryJump,
        revoked: HashMap<String, DateTime<Utc>>,
    ) -> Self {
        Self {
            head,
            max_jump,
            revoked,
            ledgers: Ledgers::default(),
            same_id: HashMap::new(),
            same_count: HashMap::new(),
            to_sign_anew: HashMap::new(),
            completed: Vec::new(),
        }
    }

    /// Judges the next candidate, for whose place the record holds `ledger_state`. Gives the row that it has already; none for one
    /// that may be taken.
    ///
    /// # Errors
    /// [`RuleViolation`], the first in the order of the contract; [`RuleViolation::ClockWentBack`] also for a new row that follows
    /// one of its ledger that was refused by that, since that one may be signed anew.
    pub fn judge(
        &mut self,
        candidate: &Candidate,
        ledger_state: LedgerState,
    ) -> Result<Option<Receipt>, RuleViolation> {
        let SignedCheckpoint { checkpoint, jws } = &candidate.signed;
        let (header, ledger_state) = (jws.header(), self.over(checkpoint.fields(), ledger_state));
        if let Some(receipt) = ledger_state.recorded(checkpoint) {
            return Ok(Some(receipt.clone()));
        }
        self.check_trust(header)?;
        let store_clock = self.head.store_clock;
        if let Some(store) = store_clock.filter(|_| self.max_jump.is_for_new_rows()) {
            check_ahead(header.iat, store)?;
        }
        let ledger_id = &checkpoint.fields().ledger_id;
        if let Some(violation) = self.to_sign_anew.get(ledger_id) {
            return Err(violation.clone());
        }
        let judged = ledger_state.judge(checkpoint, header.iat);
        if let Err(violation @ RuleViolation::ClockWentBack { .. }) = &judged
            && self.max_jump.is_for_new_rows()
        {
            self.to_sign_anew
                .insert(ledger_id.clone(), violation.clone());
        }
        judged?;
        ledger_state.check_jump(checkpoint, self.max_jump)?;
        Ok(None)
    }

    /// Nothing is signed by a revoked key, whatever its clock shows. What was signed before is judged as its verifiers judge it.
    fn check_trust(&self, header: &ProtectedHeader) -> Result<(), RuleViolation> {
        match self.revoked.get(header.kid.as_str()) {
            Some(distrust_after)
                if self.max_jump.is_for_new_rows() || header.iat >= *distrust_after =>
            {
                Err(RuleViolation::KeyRevoked(header.kid.clone()))
            }
            _ => Ok(()),
        }
    }

    /// The state of a ledger as those that were taken have changed it.
    fn over(&self, fields: &Outline, mut ledger_state: LedgerState) -> LedgerState {
        let name = (fields.ledger_id.clone(), fields.checkpoint_id.clone());
        let place = (fields.ledger_id.clone(), fields.entry_count.get());
        let same_id = || self.same_id.get(&name).cloned();
        ledger_state.same_id = ledger_state.same_id.or_else(same_id);
        let same_count = || self.same_count.get(&place).cloned();
        ledger_state.same_count = ledger_state.same_count.or_else(same_count);
        ledger_state.newest_signed_at = self.head.newest_signed_at;
        self.ledgers.over(fields, ledger_state)
    }

    /// The position of the row that is taken next.
    pub fn next_position(&self) -> u64 {
        self.head.frontier.size() + 1
    }

    /// Takes a candidate that may be, after its judgement.
    pub fn take(&mut self, candidate: Candidate) -> Receipt {
        let Candidate { signed, leaf, .. } = candidate;
        let completed = &mut self.completed;
        let head = &mut self.head;
        head.frontier
            .push_keeping(leaf, |node| completed.push(node));
        let signed_at = signed.jws.header().iat;
        head.newest_signed_at = head.newest_signed_at.max(Some(signed_at));
        let receipt = Receipt {
            position: head.frontier.size(),
            signed,
        };
        let fields = receipt.signed.checkpoint.fields();
        self.ledgers.follow(fields);
        let place = (fields.ledger_id.clone(), fields.entry_count.get());
        let same_count = self.same_count.entry(place);
        same_count.or_insert_with(|| HistoryPoint::of(fields));
        let name = (fields.ledger_id.clone(), fields.checkpoint_id.clone());
        self.same_id.insert(name, receipt.clone());
        receipt
    }

    /// The head with the rows that were taken, and the nodes of its tree to keep that they completed.
    pub fn finish(self) -> (Head, Vec<Node>) {
        (self.head, self.completed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::jws::{DetachedJws, JwsType};
    use crate::key::Algorithm;

    const DAY: &str = "2025-01-15";

    /// Ledger, name, entry_count, what its hash is of, seconds after noon.
    type Row = (&'static str, &'static str, u64, &'static str, i64);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_748_779_200 + seconds, 0).unwrap()
    }

    fn dated(day: &str, (ledger, id, count, history, seconds): Row) -> SignedCheckpoint {
        let json = serde_json::json!({
            "checkpoint_id": id, "ledger_id": ledger, "timestamp": format!("{day}T23:59:59Z"),
            "cumulative_hash": format!("sha256:{}", TreeHash::leaf(history.as_bytes())),
            "entry_count": count, "total_volume": 7, "organization_summaries": [],
        });
        let checkpoint = Checkpoint::from_json(json.to_string().as_bytes()).unwrap();
        let header = ProtectedHeader {
            alg: Algorithm::Ps256,
            iat: at(seconds),
            kid: "key".parse().unwrap(),
            typ: JwsType::Checkpoint,
        };
        let sign = |_: &[u8]| Ok::<_, std::convert::Infallible>(vec![1]);
        let Ok(jws) = DetachedJws::create(header, checkpoint.payload().as_bytes(), sign);
        SignedCheckpoint { checkpoint, jws }
    }

    fn row(row: Row) -> SignedCheckpoint {
        dated(DAY, row)
    }

    fn batch_of(
        max_jump: MaxEntryJump,
        store_clock: Option<i64>,
        revoked: &[(&str, i64)],
    ) -> Batch {
        let head = Head {
            frontier: Frontier::default(),
            newest_signed_at: None,
            store_clock: store_clock.map(at),
        };
        let revoked = revoked.iter();
        let revoked = revoked.map(|(key_id, seconds)| ((*key_id).to_owned(), at(*seconds)));
        Batch::new(head, max_jump, revoked.collect())
    }

    fn batch() -> Batch {
        batch_of(MaxEntryJump::ANY, None, &[])
    }

    fn told(judged: &Result<Option<Receipt>, RuleViolation>) -> &'static str {
        match judged {
            Ok(None) => "new",
            Ok(Some(_)) => "recorded",
            Err(RuleViolation::OtherContent { .. }) => "other content",
            Err(RuleViolation::OtherHistory { .. }) => "other history",
            Err(RuleViolation::Rollback { .. }) => "rollback",
            Err(RuleViolation::TimeRollback { .. }) => "time rollback",
            Err(RuleViolation::Jump { .. }) => "jump",
            Err(RuleViolation::ClockAhead { .. }) => "ahead",
            Err(RuleViolation::ClockBehind { .. }) => "behind",
            Err(RuleViolation::ClockWentBack { .. }) => "clock",
            Err(RuleViolation::KeyRevoked(_)) => "revoked",
        }
    }

    /// Judges rows one after the other, and takes those that may be, by a record that holds nothing for them.
    fn follow(batch: &mut Batch, rows: impl IntoIterator<Item = (SignedCheckpoint, &'static str)>) {
        for (candidate, expected) in rows {
            let position = batch.next_position();
            let shown = candidate.published_json();
            let candidate = Candidate::from(candidate);
            let judged = batch.judge(&candidate, LedgerState::default());
            assert_eq!(told(&judged), expected, "{shown}");
            if let Ok(None) = judged {
                assert_eq!(batch.take(candidate).position, position, "{shown}");
            }
            let taken = u64::from(expected == "new");
            assert_eq!(batch.next_position(), position + taken, "{shown}");
        }
    }

    #[test]
    fn a_candidate_is_judged_by_those_that_were_taken_before_it() {
        let rows = [
            (("a", "1", 10, "x", 0), "new"),
            (("b", "1", 5, "y", 0), "new"),
            (("a", "2", 10, "x", 0), "new"),
            (("a", "3", 10, "other", 0), "other history"),
            (("a", "1", 11, "z", 0), "other content"),
            (("a", "4", 9, "w", 0), "rollback"),
            (("a", "5", 12, "v", 0), "new"),
            // A place that was taken is told as such, although it is also a rollback.
            (("a", "6", 10, "other", 0), "other history"),
            (("a", "6", 11, "u", 0), "rollback"),
            (("b", "1", 5, "y", 0), "recorded"),
        ];
        follow(&mut batch(), rows.map(|(of, expected)| (row(of), expected)));
    }

    #[test]
    fn neither_a_ledgers_time_nor_the_clock_goes_back() {
        let rows = [
            ("2025-01-15", ("a", "1", 1, "x", 100), "new"),
            ("2025-01-14", ("a", "2", 2, "y", 100), "time rollback"),
            ("2025-01-14", ("b", "1", 1, "x", 95), "new"),
            ("2025-01-15", ("c", "1", 1, "x", 94), "clock"),
            ("2025-01-15", ("d", "1", 1, "x", 200), "new"),
            ("2025-01-15", ("e", "1", 1, "x", 194), "clock"),
            ("2025-01-15", ("e", "1", 1, "x", 195), "new"),
        ];
        let rows = rows.map(|(day, of, expected)| (dated(day, of), expected));
        let mut batch = batch();
        follow(&mut batch, rows);
        let (head, _) = batch.finish();
        assert_eq!(
            (head.frontier.size(), head.newest_signed_at),
            (4, Some(at(200)))
        );
    }

    #[test]
    fn what_follows_one_that_is_to_be_signed_anew_is_not_taken_before_it() {
        let rows = [
            (("a", "1", 1, "x", 100), "new"),
            // Signed before others were recorded, which a frozen process did not see.
            (("b", "1", 1, "x", 90), "clock"),
            (("b", "2", 2, "y", 101), "clock"),
            (("a", "1", 1, "x", 101), "recorded"),
            (("c", "1", 1, "x", 101), "new"),
        ];
        let mut batch = batch_of(MaxEntryJump::default(), None, &[]);
        follow(&mut batch, rows.map(|(of, expected)| (row(of), expected)));
    }

    #[test]
    fn a_jump_is_one_from_the_row_before() {
        let rows = [
            (("a", "1", 11, "x", 0), "jump"),
            (("a", "1", 10, "x", 0), "new"),
            (("a", "2", 21, "y", 0), "jump"),
            (("a", "2", 20, "y", 0), "new"),
            (("b", "1", 11, "x", 0), "jump"),
        ];
        let mut batch = batch_of("10".parse().unwrap(), None, &[]);
        follow(&mut batch, rows.map(|(of, expected)| (row(of), expected)));
    }

    #[test]
    fn the_stores_clock_is_asked_for_rows_that_are_signed_now() {
        let ahead = || {
            [
                (row(("a", "1", 1, "x", 6)), "ahead"),
                (row(("a", "1", 1, "x", 5)), "new"),
            ]
        };
        follow(
            &mut batch_of(MaxEntryJump::default(), Some(0), &[]),
            ahead(),
        );
        let restored = [(row(("a", "1", 1, "x", 6)), "new")];
        follow(&mut batch_of(MaxEntryJump::ANY, Some(0), &[]), restored);
    }

    #[test]
    fn a_row_on_record_is_the_answer_whatever_has_happened_since() {
        let on_record = Receipt {
            position: 7,
            signed: row(("a", "1", 1, "x", 0)),
        };
        let ledger_state = LedgerState {
            same_id: Some(on_record),
            ..LedgerState::default()
        };
        // By a key that was revoked since, on a clock that is wrong.
        let revoked = [("key", 0), ("another", 0)];
        let mut batch = batch_of(MaxEntryJump::default(), Some(-1000), &revoked);
        let judged = batch.judge(&row(("a", "1", 1, "x", 9)).into(), ledger_state.clone());
        assert_eq!(judged.unwrap().map(|receipt| receipt.position), Some(7));
        let judged = batch.judge(&row(("a", "1", 2, "y", 9)).into(), ledger_state);
        assert_eq!(told(&judged), "revoked");
    }

    #[test]
    fn what_a_key_signed_before_it_was_distrusted_goes_back_and_nothing_is_signed_by_it() {
        let rows = || {
            [
                row(("a", "1", 1, "x", 98)),
                row(("a", "2", 2, "y", 99)),
                row(("a", "3", 3, "z", 100)),
                row(("a", "3", 3, "z", 101)),
            ]
        };
        let revoked = [("another", 0), ("key", 100)];
        let judged = ["new", "new", "revoked", "revoked"];
        let mut before = batch_of(MaxEntryJump::ANY, Some(0), &revoked);
        follow(&mut before, rows().into_iter().zip(judged));
        // Signed now, by a clock that is behind.
        let mut now = batch_of(MaxEntryJump::default(), Some(100), &revoked);
        follow(&mut now, rows().into_iter().zip(["revoked"; 4]));
    }

    #[test]
    fn what_was_judged_and_not_taken_leaves_nothing_behind() {
        let mut batch = batch();
        let refused_by_the_store = row(("a", "1", 5, "x", 100)).into();
        assert!(matches!(
            batch.judge(&refused_by_the_store, LedgerState::default()),
            Ok(None)
        ));
        follow(&mut batch, [(row(("a", "1", 4, "y", 0)), "new")]);
        let mut expected = Frontier::default();
        expected.push(TreeHash::of(&row(("a", "1", 4, "y", 0))));
        let (head, completed) = batch.finish();
        assert_eq!(
            (head.frontier, head.newest_signed_at),
            (expected, Some(at(0)))
        );
        assert!(completed.is_empty());
    }
}
