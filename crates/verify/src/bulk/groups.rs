//! Rows that share something and differ in something else: of one name with two contents, of one place with two states.

use super::column::{ID, NAME};
use super::spool::Row;

/// The rows of a group that are alike, as far as a finding needs them.
struct Alike {
    first: Row,
    /// The first one of another name than that.
    other: Option<Row>,
}

/// Takes the rows of one ledger, those of a group one after the other, in it those that are alike one after the other, and these in the
/// order in which they came.
pub(super) struct Groups {
    /// The column that those of a group share.
    group: usize,
    /// The column in which those that are alike are equal.
    kind: usize,
    last: Option<Row>,
    alike: Vec<Alike>,
    /// Of each group, its first row beside the first that is not like it, for each kind of these.
    pairs: Vec<[Row; 2]>,
    pair: fn(&Alike, &Alike) -> Option<[Row; 2]>,
}

impl Groups {
    /// Of one `checkpoint_id`, with different contents.
    pub(super) fn of_a_name(id: usize, content: usize) -> Self {
        Self::new(id, content, |one, other| Some([one.first, other.first]))
    }

    /// Of one `entry_count`, with different states. Where all of both have one name, it has two contents, which is told already.
    pub(super) fn of_a_place(count: usize, state: usize) -> Self {
        Self::new(count, state, |one, other| {
            if one.first[ID] != other.first[ID] {
                return Some([one.first, other.first]);
            }
            let of_another_name = other.other.map(|row| [one.first, row]);
            of_another_name.or_else(|| one.other.map(|row| [row, other.first]))
        })
    }

    fn new(group: usize, kind: usize, pair: fn(&Alike, &Alike) -> Option<[Row; 2]>) -> Self {
        Self {
            group,
            kind,
            last: None,
            alike: Vec::new(),
            pairs: Vec::new(),
            pair,
        }
    }

    /// Takes the next row. Whether it is the first of its kind in its group.
    pub(super) fn take(&mut self, row: Row) -> bool {
        let last = self.last.replace(row);
        let same = |column: usize| last.is_some_and(|last| last.get(column) == row.get(column));
        if !same(self.group) {
            self.end_group();
        } else if same(self.kind) {
            if let Some(alike) = self.alike.last_mut()
                && alike.other.is_none()
                && alike.first[ID] != row[ID]
            {
                alike.other = Some(row);
            }
            return false;
        }
        self.alike.push(Alike {
            first: row,
            other: None,
        });
        true
    }

    fn end_group(&mut self) {
        self.alike.sort_unstable_by_key(|alike| alike.first[NAME]);
        if let [first, others @ ..] = self.alike.as_slice() {
            let pairs = others.iter().filter_map(|other| (self.pair)(first, other));
            self.pairs.extend(pairs.map(|mut pair| {
                pair.sort_unstable_by_key(|row| row[NAME]);
                pair
            }));
        }
        self.alike.clear();
    }

    /// All pairs, in the order in which their rows came.
    pub(super) fn finish(mut self) -> Vec<[Row; 2]> {
        self.end_group();
        self.pairs
            .sort_unstable_by_key(|[one, other]| (one[NAME], other[NAME]));
        self.pairs
    }
}
