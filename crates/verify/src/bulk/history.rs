//! What only shows when the checkpoints of a ledger are seen together: two histories, two contents of one name, an
//! entry_count that falls, days without a checkpoint.

use std::collections::{BTreeMap, HashMap};

use super::column;
use super::groups::Groups;
use super::names::{self, Names, WrittenNames};
use super::spool::{Row, Spool};
use super::{Checked, Finding, Fingerprints, Member, Missing};
use checkpoint::checkpoint::LedgerId;
use checkpoint::verdict::VerdictKind;

const SECONDS_OF_A_DAY: u64 = 86_400;

/// In place of the entry_count of one that is not valid. No checkpoint has as many: they have 53 bits.
const REJECTED: u64 = u64::MAX;

/// Valid checkpoints, one after the other, as [`Histories`] take them: whoever verifies puts them down.
#[derive(Debug, Default)]
pub struct Stretch {
    /// Their rows. The place of a name is counted from the beginning of `names`, and the ledger is another one than before
    /// where `ledgers` says so.
    rows: Vec<Row>,
    /// Whose the rows are from this one on.
    ledgers: Vec<(usize, LedgerId)>,
    names: Vec<u8>,
}

impl Stretch {
    /// Puts one down: what is not authentic says nothing about a history, but that its day is not without any. `place` writes where
    /// it stands.
    pub fn add(
        &mut self,
        checked: &Checked,
        fingerprints: &Fingerprints,
        place: impl FnOnce(&mut Vec<u8>),
    ) {
        let Some(outline) = &checked.outline else {
            return;
        };
        let ledger = &outline.ledger_id;
        if self.ledgers.last().is_none_or(|(_, last)| last != ledger) {
            self.ledgers.push((self.rows.len(), ledger.clone()));
        }
        let time = outline.timestamp.instant().timestamp().unsigned_abs();
        if checked.kind != VerdictKind::Valid {
            self.rows.push([0, time, REJECTED, 0, 0, 0, 0]);
            return;
        }
        let state = (
            outline.cumulative_hash.as_bytes(),
            outline.total_volume.get(),
        );
        let name = self.names.len();
        self.rows.push([
            0,
            time,
            outline.entry_count.get(),
            name as u64,
            fingerprints.of(state),
            fingerprints.of(&outline.checkpoint_id),
            checked.content,
        ]);
        let parts = [ledger.as_str(), outline.checkpoint_id.as_str()];
        names::put(&mut self.names, parts, place);
    }
}

/// Collects valid checkpoints, in any order. Its memory grows with the ledgers alone: what is too much for it goes to temporary
/// files.
#[derive(Default)]
pub struct Histories {
    spool: Spool,
    /// What is not valid, and came before anything valid of its ledger did.
    early: Spool,
    names: WrittenNames,
    /// Their places in `numbers`.
    ledgers: HashMap<LedgerId, usize>,
    /// Numbers in the order of the first valid one of each; none, where there was none yet.
    numbers: Vec<Option<u64>>,
    numbered: u64,
}

impl Histories {
    /// Takes what follows all that was taken before.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn take(&mut self, stretch: Stretch) -> std::io::Result<()> {
        let mut ledgers = stretch.ledgers.into_iter().peekable();
        let mut ledger = 0;
        for (index, mut row) in stretch.rows.into_iter().enumerate() {
            if let Some((_, id)) = ledgers.next_if(|(first, _)| *first == index) {
                ledger = *self.ledgers.entry(id).or_insert(self.numbers.len());
                self.numbers.resize(self.ledgers.len(), None);
            }
            row[column::NAME] += self.names.end();
            match self.number(ledger, &row) {
                Some(number) => {
                    row[column::LEDGER] = number;
                    self.spool.push(row)?;
                }
                None => {
                    row[column::LEDGER] = ledger as u64;
                    self.early.push(row)?;
                }
            }
        }
        self.names.write(&stretch.names)
    }

    /// The number of the ledger at this place, which it gets by its first valid row.
    fn number(&mut self, ledger: usize, row: &Row) -> Option<u64> {
        let number = self.numbers.get_mut(ledger)?;
        if number.is_none() && row[column::COUNT] != REJECTED {
            *number = Some(self.numbered);
            self.numbered += 1;
        }
        *number
    }

    /// Tells what is found, and gives what is counted. Notes come at once, ledger by ledger, as the first valid one of each was given;
    /// faults after them, of each kind in the same order.
    ///
    /// # Errors
    /// When a temporary file cannot be used, and whatever `tell` returns.
    pub fn finish(
        self,
        mut tell: impl FnMut(Finding) -> std::io::Result<()>,
    ) -> std::io::Result<Together> {
        use column::{COUNT, LEDGER};
        let (mut spool, numbers) = (self.spool, self.numbers);
        self.early.sorted(|row| {
            let place = usize::try_from(row[column::LEDGER]).unwrap_or(usize::MAX);
            let Some(Some(number)) = numbers.get(place) else {
                return Ok(());
            };
            let mut row = *row;
            row[column::LEDGER] = *number;
            spool.push(row)
        })?;
        let mut names = self.names.finish()?;
        let mut faults = Faults::default();
        let (mut ledger, mut previous) = (OfLedger::default(), None::<Row>);
        let mut rejected = RejectedDays::default();
        spool.sorted(|row| {
            if row[COUNT] == REJECTED {
                rejected.push(row);
                return Ok(());
            }
            let before = previous.replace(*row);
            let between = std::mem::take(&mut rejected);
            let Some(before) = before.filter(|before| same(before, row, &[LEDGER])) else {
                std::mem::take(&mut ledger).finish(&mut names, &mut faults)?;
                return ledger.push(row);
            };
            if row[COUNT] < before[COUNT] {
                let members = names.pair(&before, row)?;
                faults.contradict(&[before, *row], &members);
                faults.counts_fell.push(Finding::EntryCountFell(members));
            }
            if let Some(days @ 1..) = (day(row) - day(&before)).checked_sub(1) {
                let rejected = between.within(&before, row);
                let missing = Missing { days, rejected };
                tell(Finding::Gap(names.pair(&before, row)?, missing))?;
            }
            ledger.push(row)
        })?;
        ledger.finish(&mut names, &mut faults)?;
        let together = Together {
            copies: faults.copies,
            contradicted: count(&faults.contradicted, faults.copied)?,
        };
        let all = faults.second_contents.into_iter();
        let mut all = all.chain(faults.second_histories).chain(faults.counts_fell);
        all.try_for_each(tell)?;
        Ok(together)
    }
}

/// What is counted of checkpoints that are seen together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Together {
    /// Those that are there once more, unchanged.
    pub copies: u64,
    /// Valid ones that another valid one contradicts, by the name of their ledger: all of those that are there once more, too.
    pub contradicted: BTreeMap<String, u64>,
}

fn count(
    contradicted: &HashMap<u64, String>,
    copied: Spool<1>,
) -> std::io::Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    let mut add = |ledger: &String| *counts.entry(ledger.clone()).or_default() += 1;
    contradicted.values().for_each(&mut add);
    copied.sorted(|[content]| {
        contradicted.get(content).into_iter().for_each(&mut add);
        Ok(())
    })?;
    Ok(counts)
}

fn day(row: &Row) -> u64 {
    row[column::TIME] / SECONDS_OF_A_DAY
}

/// Days of those that are not valid and follow one valid one, in their order.
#[derive(Default)]
struct RejectedDays {
    first: Option<Row>,
    last: Option<Row>,
    count: u64,
}

impl RejectedDays {
    fn push(&mut self, row: &Row) {
        let is_new = |last: &Row| !same(last, row, &[column::LEDGER]) || day(last) != day(row);
        self.count += u64::from(self.last.as_ref().is_none_or(is_new));
        self.first.get_or_insert(*row);
        self.last = Some(*row);
    }

    /// How many of them have no valid one: the days of the two that they stand between do.
    fn within(&self, before: &Row, after: &Row) -> u64 {
        let shared = [(&self.first, before), (&self.last, after)];
        let shared = shared
            .iter()
            .filter(|(edge, valid)| edge.is_some_and(|edge| day(&edge) == day(valid)));
        self.count - shared.count() as u64
    }
}

/// What is found of ledgers, by its kind.
#[derive(Default)]
struct Faults {
    second_contents: Vec<Finding>,
    second_histories: Vec<Finding>,
    counts_fell: Vec<Finding>,
    copies: u64,
    /// The content of each copy.
    copied: Spool<1>,
    /// Contents that faults are about, and their ledgers.
    contradicted: HashMap<u64, String>,
}

impl Faults {
    fn contradict(&mut self, rows: &[Row; 2], members: &[Member; 2]) {
        for (row, member) in rows.iter().zip(members) {
            let ledger = || member.ledger_id.clone();
            let content = row[column::CONTENT];
            self.contradicted.entry(content).or_insert_with(ledger);
        }
    }
}

/// The rows of one ledger, in the two other orders that show something.
#[derive(Default)]
struct OfLedger {
    /// Mostly of a ledger of which there is no other.
    first: Option<Row>,
    more: Option<[Spool; 2]>,
}

impl OfLedger {
    fn push(&mut self, row: &Row) -> std::io::Result<()> {
        let Some(first) = self.first else {
            self.first = Some(*row);
            return Ok(());
        };
        if self.more.is_none() {
            let [mut by_id, mut by_place] = [Spool::new(), Spool::new()];
            by_id.push(id_first(&first))?;
            by_place.push(place_first(&first))?;
            self.more = Some([by_id, by_place]);
        }
        let Some([by_id, by_place]) = &mut self.more else {
            return Ok(());
        };
        by_id.push(id_first(row))?;
        by_place.push(place_first(row))
    }

    fn finish(self, names: &mut Names, faults: &mut Faults) -> std::io::Result<()> {
        use column::{CONTENT, COUNT, ID, STATE};
        let Some([by_id, by_place]) = self.more else {
            return Ok(());
        };

        let mut contents = Groups::of_a_name(ID, CONTENT);
        by_id.sorted(|row| {
            let row = of_id_first(row);
            if contents.take(row) {
                return Ok(());
            }
            faults.copies += 1;
            faults.copied.push([row[CONTENT]])
        })?;
        for [one, other] in contents.finish() {
            let members = names.pair(&one, &other)?;
            // Fingerprints are equal by chance, once in a while.
            if members[0].checkpoint_id == members[1].checkpoint_id {
                faults.contradict(&[one, other], &members);
                faults.second_contents.push(Finding::SecondContent(members));
            }
        }

        let mut states = Groups::of_a_place(COUNT, STATE);
        by_place.sorted(|row| {
            states.take(of_place_first(row));
            Ok(())
        })?;
        for [one, other] in states.finish() {
            let members = names.pair(&one, &other)?;
            faults.contradict(&[one, other], &members);
            faults
                .second_histories
                .push(Finding::SecondHistory(members));
        }
        Ok(())
    }
}

fn id_first([ledger, time, count, name, state, id, content]: &Row) -> Row {
    [*id, *content, *name, *ledger, *time, *count, *state]
}

fn of_id_first([id, content, name, ledger, time, count, state]: &Row) -> Row {
    [*ledger, *time, *count, *name, *state, *id, *content]
}

fn place_first([ledger, time, count, name, state, id, content]: &Row) -> Row {
    [*count, *state, *name, *ledger, *time, *id, *content]
}

fn of_place_first([count, state, name, ledger, time, id, content]: &Row) -> Row {
    [*ledger, *time, *count, *name, *state, *id, *content]
}

fn same(one: &Row, other: &Row, columns: &[usize]) -> bool {
    columns
        .iter()
        .all(|column| one.get(*column) == other.get(*column))
}
