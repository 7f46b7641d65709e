//! What only shows when the checkpoints of a ledger are seen together: two histories, two contents of one name, an
//! entry_count that falls, days without a checkpoint.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};

use super::spool::{Row, Spool};
use super::{Checked, Finding, Fingerprints, Member};
use checkpoint::checkpoint::LedgerId;
use checkpoint::verdict::VerdictKind;

const SECONDS_OF_A_DAY: u64 = 86_400;

/// The columns of a row: numbers, and fingerprints of what is not one.
mod column {
    pub(super) const LEDGER: usize = 0;
    pub(super) const TIME: usize = 1;
    pub(super) const COUNT: usize = 2;
    pub(super) const STATE: usize = 3;
    pub(super) const ID: usize = 4;
    pub(super) const CONTENT: usize = 5;
    pub(super) const NAME: usize = 6;
}

/// Collects valid checkpoints, in any order. Its memory grows with the ledgers alone: the checkpoints go to temporary
/// files.
pub struct Histories {
    fingerprints: Fingerprints,
    spool: Spool,
    names: BufWriter<File>,
    names_end: u64,
    /// Their numbers, in the order in which they came.
    ledgers: HashMap<LedgerId, u64>,
}

impl Histories {
    /// Nothing yet.
    ///
    /// # Errors
    /// When no temporary file can be made.
    pub fn new(fingerprints: Fingerprints) -> std::io::Result<Self> {
        Ok(Self {
            fingerprints,
            spool: Spool::new(),
            names: BufWriter::with_capacity(1 << 16, tempfile::tempfile()?),
            names_end: 0,
            ledgers: HashMap::new(),
        })
    }

    /// Takes one, if it is valid: what is not authentic says nothing about a history.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn add(&mut self, checked: &Checked, source: &str) -> std::io::Result<()> {
        let Some(outline) = &checked.outline else {
            return Ok(());
        };
        if checked.kind != VerdictKind::Valid {
            return Ok(());
        }
        let next = self.ledgers.len() as u64;
        let ledger = *self
            .ledgers
            .entry(outline.ledger_id.clone())
            .or_insert(next);
        let state = (
            outline.cumulative_hash.as_bytes(),
            outline.total_volume.get(),
        );
        let time = outline.timestamp.instant().timestamp();
        self.spool.push([
            ledger,
            time.unsigned_abs(),
            outline.entry_count.get(),
            self.fingerprints.of(state),
            self.fingerprints.of(&outline.checkpoint_id),
            checked.content,
            self.names_end,
        ])?;
        // A source may be anything; the others have forms without white space. The time is in the row.
        let mut line = serde_json::to_vec(source)?;
        writeln!(line, "\t{}\t{}", outline.ledger_id, outline.checkpoint_id)?;
        self.names_end += line.len() as u64;
        self.names.write_all(&line)
    }

    /// Tells what is found, ledger by ledger, and gives the number of those that are there more than once,
    /// unchanged.
    ///
    /// # Errors
    /// When a temporary file cannot be used, and whatever `tell` returns.
    pub fn finish(
        self,
        mut tell: impl FnMut(Finding) -> std::io::Result<()>,
    ) -> std::io::Result<u64> {
        use column::{CONTENT, COUNT, ID, LEDGER, NAME, STATE, TIME};
        let Self {
            mut spool, names, ..
        } = self;
        let file = names.into_inner().map_err(|error| error.into_error())?;
        let mut names = Names(BufReader::new(file));
        let mut copies = 0;

        // Of each name, the first of each content, beside the first of all.
        let (mut first, mut previous) = (None::<Row>, None::<Row>);
        spool.sorted(
            |row| (row[LEDGER], row[ID], row[CONTENT], row[NAME]),
            |row| {
                let before = previous.replace(*row);
                let one = first.filter(|first| same(first, row, &[LEDGER, ID]));
                let Some(one) = one else {
                    first = Some(*row);
                    return Ok(());
                };
                if before.is_some_and(|before| same(&before, row, &[CONTENT])) {
                    copies += 1;
                    return Ok(());
                }
                let members = names.in_order(&one, row)?;
                // Fingerprints are equal by chance, once in a while.
                match members[0].checkpoint_id == members[1].checkpoint_id {
                    true => tell(Finding::SecondContent(members)),
                    false => Ok(()),
                }
            },
        )?;

        // Of each place, the first of each state, beside the first of all.
        let (mut first, mut previous) = (None::<Row>, None::<Row>);
        spool.sorted(
            |row| (row[LEDGER], row[COUNT], row[STATE], row[NAME]),
            |row| {
                let before = previous.replace(*row);
                let one = first.filter(|first| same(first, row, &[LEDGER, COUNT]));
                let Some(one) = one else {
                    first = Some(*row);
                    return Ok(());
                };
                let told = before.is_some_and(|before| same(&before, row, &[STATE]));
                if told || same(&one, row, &[ID]) {
                    return Ok(());
                }
                tell(Finding::SecondHistory(names.in_order(&one, row)?))
            },
        )?;

        // Each beside the one before it, by time.
        let mut previous = None::<Row>;
        spool.sorted(
            |row| (row[LEDGER], row[TIME], row[COUNT], row[NAME]),
            |row| {
                let before = previous.replace(*row);
                let Some(before) = before.filter(|before| same(before, row, &[LEDGER])) else {
                    return Ok(());
                };
                if row[COUNT] < before[COUNT] {
                    tell(Finding::EntryCountFell(names.pair(&before, row)?))?;
                }
                let day = |row: &Row| row[TIME] / SECONDS_OF_A_DAY;
                match (day(row) - day(&before)).checked_sub(1) {
                    None | Some(0) => Ok(()),
                    Some(days) => tell(Finding::Gap(names.pair(&before, row)?, days)),
                }
            },
        )?;
        Ok(copies)
    }
}

fn same(one: &Row, other: &Row, columns: &[usize]) -> bool {
    columns
        .iter()
        .all(|column| one.get(*column) == other.get(*column))
}

/// The names of what is in the rows.
struct Names(BufReader<File>);

impl Names {
    fn pair(&mut self, one: &Row, other: &Row) -> std::io::Result<[Member; 2]> {
        Ok([self.member(one)?, self.member(other)?])
    }

    /// As they came in.
    fn in_order(&mut self, one: &Row, other: &Row) -> std::io::Result<[Member; 2]> {
        match one[column::NAME] < other[column::NAME] {
            true => self.pair(one, other),
            false => self.pair(other, one),
        }
    }

    fn member(&mut self, row: &Row) -> std::io::Result<Member> {
        use column::{COUNT, NAME, TIME};
        self.0.seek(SeekFrom::Start(row[NAME]))?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let mut parts = line.trim_end().rsplitn(3, '\t');
        let mut part = || parts.next().unwrap_or_default();
        let (checkpoint_id, ledger_id, source) = (part(), part(), part());
        let time = i64::try_from(row[TIME]).unwrap_or_default();
        let time = chrono::DateTime::from_timestamp(time, 0).unwrap_or_default();
        Ok(Member {
            source: serde_json::from_str(source)?,
            ledger_id: ledger_id.into(),
            checkpoint_id: checkpoint_id.into(),
            timestamp: checkpoint::key::instant_text(time),
            entry_count: row[COUNT],
        })
    }
}
