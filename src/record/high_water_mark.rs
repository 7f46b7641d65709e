//! The largest tree that this process has seen of its record, and what that says of the record now.
//!
//! A record only grows, so what was seen once is there ever after. Whoever puts an older state beneath a service that runs
//! (a restored backup, a replica that lags and is made the primary, another file) takes rows away, and their places would
//! be given a second time. So a store compares, inside of the transaction that appends and at each reading of the head:
//!
//! - fewer rows than were seen, or another frontier for as many: that is exact, and costs nothing;
//! - more rows, which other replicas added: the row that was the newest then must still have its signature, which costs one
//!   look by the primary key. A row that was signed anew has another one, for a signature by PS256 is random and one by RS256
//!   has its time.
//!
//! The mark is taken before the store is read, and set only from what was committed, so a record that is whole never fails
//! this, however many replicas append.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::HIGH_WATER_MARK;
use super::environment::{BoundElsewhere, Claimed, Environment};
use super::home::{FormerHome, Moved};
use checkpoint::counted::counted;
use checkpoint::log::tree::Frontier;

/// How many rows of the past are remembered, to tell how far a record that went back is still the same.
const MOST_REMEMBERED: usize = 64;

/// What to read then.
const PAGE: &str = "docs/incidents.md, \"The record is lost\"";

/// The same where it may be that a standby was promoted.
const PAGES: &str = "after a failover of the database restart no replica, and see docs/disaster-recovery.md, \"A standby was \
                     promoted\"; else see docs/incidents.md, \"The record is lost\"";

/// The record is not the one that this process has seen: an older state of it, or another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WentBack {
    /// Rows are gone.
    #[error(
        "the record went back from {} to {found}: an older state was put in its place, and nothing is signed \
         until the newest one is back, or what is missing was put into it (`checkpoint-signer record restore`; {PAGES})",
        counted(.seen, "row", "rows")
    )]
    Fewer {
        /// How many rows were seen.
        seen: u64,
        /// How many there are.
        found: u64,
    },
    /// Rows were replaced.
    #[error(
        "the record has {found} rows, but the first {seen} of them are not those that were seen: it went back to an older \
         state and grew again, or is another one; nothing is signed until the one that was seen is back ({PAGES})"
    )]
    OtherRows {
        /// How many rows were seen.
        seen: u64,
        /// How many there are.
        found: u64,
    },
    /// The file was replaced; what is written now would be lost with the old one.
    #[error(
        "the record {path} was replaced by another file, or taken away, after {}; nothing is signed until this \
         service was restarted on the record that has them ({PAGE})",
        counted(.seen, "row", "rows")
    )]
    Replaced {
        /// Where it was.
        path: PathBuf,
        /// How many rows were seen.
        seen: u64,
    },
    /// A file of the record is not as this process left it: rows may be lost, or go to two places.
    #[error(
        "the record after {}: {path} {problem}; nothing is signed until this service was restarted on the record \
         that has them (docs/backup.md, \"SQLite, for one machine\")",
        counted(.seen, "row", "rows")
    )]
    Disturbed {
        /// Which file.
        path: PathBuf,
        /// What was found.
        problem: String,
        /// How many rows were seen.
        seen: u64,
    },
    /// The database is another one than that on which signing was let go on, or an older state of it.
    #[error(transparent)]
    Moved(Box<Moved>),
    /// A server answers that another one has taken the place of.
    #[error(transparent)]
    FormerHome(Box<FormerHome>),
    /// Another replica has rows that this record has not.
    #[error(
        "{problem}: two databases are written to, or this one is an older state, and nothing is signed until the record has \
         what that replica has ({PAGES})"
    )]
    Contradicted {
        /// How many rows were seen.
        seen: u64,
        /// Who has what.
        problem: String,
    },
    /// It belongs to another environment than the one in whose name it was opened.
    #[error(transparent)]
    BoundElsewhere(Box<BoundElsewhere>),
}

impl WentBack {
    /// How many rows this process has seen.
    pub fn seen(&self) -> u64 {
        match self {
            Self::Fewer { seen, .. }
            | Self::OtherRows { seen, .. }
            | Self::Replaced { seen, .. }
            | Self::Disturbed { seen, .. }
            | Self::Contradicted { seen, .. } => *seen,
            Self::Moved(moved) => moved.seen.size(),
            Self::FormerHome(former) => former.seen,
            Self::BoundElsewhere(bound) => bound.seen,
        }
    }
}

/// What was seen at one moment.
#[derive(Debug, Default)]
pub(super) struct Mark {
    tree: Frontier,
    /// The signature of the newest row.
    newest: String,
}

impl Mark {
    pub(super) fn rows(&self) -> u64 {
        self.tree.size()
    }

    #[cfg(feature = "postgres")]
    pub(super) fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// The row to look at besides the head, if there is more to know than the head tells.
    pub(super) fn row_to_compare(&self, found: &Frontier) -> Option<u64> {
        let seen = self.tree.size();
        (0 < seen && seen < found.size()).then_some(seen)
    }

    /// Compares it with the record as it is; `row` is the signature in [`Mark::row_to_compare`].
    pub(super) fn compare(&self, tree: &Frontier, row: Option<&str>) -> Result<(), WentBack> {
        let (seen, found) = (self.tree.size(), tree.size());
        if found < seen {
            return Err(WentBack::Fewer { seen, found });
        }
        let same_row = self.row_to_compare(tree).is_none() || row == Some(self.newest.as_str());
        match tree.may_extend(&self.tree) && same_row {
            true => Ok(()),
            false => Err(WentBack::OtherRows { seen, found }),
        }
    }
}

/// The newest mark, and whether the record was whole when it was last looked at.
pub(super) struct HighWaterMark {
    pub(super) claimed: Claimed,
    mark: watch::Sender<Arc<Mark>>,
    wholeness: watch::Sender<Option<WentBack>>,
    /// Positions with the signatures of their rows, among all that were once the newest.
    remembered: watch::Sender<Vec<(u64, String)>>,
    /// What another replica has that this record has not.
    contradicted: watch::Sender<Option<String>>,
}

impl HighWaterMark {
    pub(super) fn nothing(claimed: Claimed) -> Self {
        Self {
            claimed,
            mark: watch::Sender::default(),
            wholeness: watch::Sender::default(),
            remembered: watch::Sender::default(),
            contradicted: watch::Sender::default(),
        }
    }

    /// What the record must contain that is read from now on.
    pub(super) fn mark(&self) -> Arc<Mark> {
        Arc::clone(&self.mark.borrow())
    }

    /// Notes a tree that was committed, and the signature of its newest row.
    pub(super) fn advance(&self, tree: &Frontier, newest: &str) {
        self.mark.send_if_modified(|mark| {
            let grown = mark.tree.size() < tree.size();
            if grown {
                *mark = Arc::new(Mark {
                    tree: tree.clone(),
                    newest: newest.into(),
                });
                self.remembered
                    .send_modify(|remembered| remember(remembered, tree.size(), newest));
            }
            grown
        });
    }

    /// Rows that were once the newest, with their signatures: as far as the record has one of them, it is the same.
    #[cfg(feature = "postgres")]
    pub(super) fn remembered(&self) -> Vec<(u64, String)> {
        self.remembered.borrow().clone()
    }

    /// Notes what another replica has that this record has not, or that it has all of that again.
    pub(super) fn contradict(&self, problem: Option<String>) {
        self.contradicted.send_if_modified(|before| {
            let changed = *before != problem;
            *before = problem;
            changed
        });
    }

    /// Notes what a comparison said, and passes it on.
    pub(super) fn note(&self, compared: Result<(), WentBack>) -> Result<(), WentBack> {
        let contradicted = self.contradicted.borrow().clone();
        let compared = compared.and_then(|()| match contradicted {
            None => Ok(()),
            Some(problem) => {
                let seen = self.mark().rows();
                Err(WentBack::Contradicted { seen, problem })
            }
        });
        let found = compared.as_ref().err();
        self.wholeness.send_if_modified(|before| {
            match (&before, found) {
                (None, Some(went_back)) => tracing::error!(target: HIGH_WATER_MARK, "{went_back}"),
                (Some(_), None) => {
                    tracing::info!(target: HIGH_WATER_MARK, "the record has again all rows that were seen")
                }
                _ => {}
            }
            let changed = before.as_ref() != found;
            *before = found.cloned();
            changed
        });
        compared
    }

    /// Refuses a record that is bound to another environment than the one in whose name it was opened, and notes that.
    pub(super) fn check_environment(&self, bound: Option<Environment>) -> Result<(), WentBack> {
        match self.claimed.check(bound, self.mark().rows()) {
            Ok(()) => Ok(()),
            Err(elsewhere) => self.note(Err(WentBack::BoundElsewhere(elsewhere))),
        }
    }

    /// Tells when the record went back, and when it is whole again.
    pub(super) fn wholeness(&self) -> watch::Receiver<Option<WentBack>> {
        self.wholeness.subscribe()
    }
}

/// Keeps fewer of the older ones when there are many.
fn remember(remembered: &mut Vec<(u64, String)>, position: u64, signature: &str) {
    remembered.push((position, signature.into()));
    if remembered.len() > MOST_REMEMBERED {
        let mut index = 0;
        remembered.retain(|_| {
            index += 1;
            index % 2 == 1
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::environment::Claim;
    use checkpoint::log::tree::TreeHash;

    fn tree(rows: impl IntoIterator<Item = u64>) -> Frontier {
        let mut tree = Frontier::default();
        for row in rows {
            tree.push(TreeHash::leaf(&row.to_be_bytes()));
        }
        tree
    }

    #[test]
    fn a_record_that_only_grew_is_whole_and_every_other_one_is_not() {
        for seen in 1..40 {
            let mark = Mark {
                tree: tree(0..seen),
                newest: (seen - 1).to_string(),
            };
            for found in 0..80 {
                let row = |tree: &Frontier, names: fn(u64) -> u64| {
                    mark.row_to_compare(tree)
                        .map(|row| names(row - 1).to_string())
                };
                let grown = tree(0..found);
                let compared = mark.compare(&grown, row(&grown, |row| row).as_deref());
                let expected = (found < seen).then_some(WentBack::Fewer { seen, found });
                assert_eq!(compared.err(), expected);
                // From the row before the newest that was seen, all rows are others.
                let kept = seen - 1;
                let other = tree((0..found).map(|row| row + if row < kept { 0 } else { 1000 }));
                let compared = mark.compare(&other, row(&other, |row| row + 1000).as_deref());
                assert!(compared.is_err(), "{seen} {found}");
            }
        }
    }

    #[test]
    fn a_mark_never_goes_back() {
        let claimed = Claimed::new(String::new(), String::new(), Claim::Writes(None));
        let seen = HighWaterMark::nothing(claimed);
        seen.advance(&tree(0..5), "five");
        seen.advance(&tree(0..3), "three");
        assert_eq!(
            (seen.mark().rows(), seen.mark().newest.as_str()),
            (5, "five")
        );
    }
}
