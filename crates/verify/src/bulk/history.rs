//! What only shows when the checkpoints of a ledger are seen together: two histories, two contents of one name, an
//! entry_count that falls, days without a checkpoint.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::spool::{Row, Spool};
use super::{Checked, Fingerprints};
use checkpoint::checkpoint::LedgerId;
use checkpoint::verdict::VerdictKind;

const SECONDS_OF_A_DAY: u64 = 86_400;

/// A checkpoint, as a finding names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where it stands: a file, and a line of it.
    pub source: String,
    /// Its ledger.
    pub ledger_id: String,
    /// Its name.
    pub checkpoint_id: String,
    /// Its time.
    pub timestamp: String,
    /// Its place.
    pub entry_count: u64,
}

impl Member {
    /// One that was checked, by itself; without a name where it is not read as a checkpoint here.
    pub fn alone(checked: &Checked, source: String) -> Self {
        let outline = checked.outline.as_ref();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            source,
            ledger_id: text(outline.map(|outline| outline.ledger_id.as_str())),
            checkpoint_id: text(outline.map(|outline| outline.checkpoint_id.as_str())),
            timestamp: outline
                .map(|outline| checkpoint::key::instant_text(outline.timestamp.instant()))
                .unwrap_or_default(),
            entry_count: outline.map_or(0, |outline| outline.entry_count.get()),
        }
    }
}

/// What shows when they are seen together: mostly two valid checkpoints of one ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Another hash or volume in one place.
    SecondHistory([Member; 2]),
    /// Two contents of one `checkpoint_id`.
    SecondContent([Member; 2]),
    /// The later one, by its timestamp, has the smaller entry_count: one of both fell, in whichever order they were signed.
    EntryCountFell([Member; 2]),
    /// There is none for the days between. A note: a ledger may publish more rarely.
    Gap([Member; 2], u64),
    /// The rows of an export do not have the root that its first line tells; a sentence that names the file.
    NotWhole(String),
    /// An export says that times begin again; a sentence. A note: an operator's act.
    ClockResumed(String),
    /// Some are signed at times that are yet to come; a sentence. A note: one of two clocks is wrong.
    DatedAhead(String),
    /// A valid signature that the service has not on record. A note: it says nothing against the checkpoint, and much about
    /// who has the key.
    NotRecorded([Member; 1]),
    /// Nothing of what is in a named place was looked at, as nothing there is selected; a sentence. A note.
    LeftOut(String),
}

impl Finding {
    /// Its name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SecondHistory(_) => "SECOND_HISTORY",
            Self::SecondContent(_) => "SECOND_CONTENT",
            Self::EntryCountFell(_) => "ENTRY_COUNT_FELL",
            Self::Gap(..) => "GAP",
            Self::NotWhole(_) => "NOT_WHOLE",
            Self::ClockResumed(_) => "CLOCK_RESUMED",
            Self::DatedAhead(_) => "DATED_AHEAD",
            Self::NotRecorded(_) => "NOT_RECORDED",
            Self::LeftOut(_) => "LEFT_OUT",
        }
    }

    /// The two checkpoints; none when it is about a file as a whole.
    pub fn members(&self) -> &[Member] {
        match self {
            Self::SecondHistory(members)
            | Self::SecondContent(members)
            | Self::EntryCountFell(members)
            | Self::Gap(members, _) => members,
            Self::NotRecorded(members) => members,
            Self::NotWhole(_) | Self::ClockResumed(_) | Self::DatedAhead(_) | Self::LeftOut(_) => {
                &[]
            }
        }
    }

    /// Whether it is a fault, and no mere note.
    pub fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::Gap(..)
                | Self::ClockResumed(_)
                | Self::DatedAhead(_)
                | Self::NotRecorded(_)
                | Self::LeftOut(_)
        )
    }

    /// A sentence.
    pub fn explanation(&self) -> String {
        match self {
            Self::SecondHistory([first, second]) => format!(
                "ledger {} has two histories: {} and {} differ at entry_count {}",
                first.ledger_id, first.checkpoint_id, second.checkpoint_id, first.entry_count
            ),
            Self::SecondContent([first, _]) => format!(
                "ledger {} has two checkpoints {} of different content",
                first.ledger_id, first.checkpoint_id
            ),
            Self::EntryCountFell([first, second]) => format!(
                "ledger {}: entry_count falls from {} ({}, {}) to {} ({}, {})",
                first.ledger_id,
                first.entry_count,
                first.checkpoint_id,
                first.timestamp,
                second.entry_count,
                second.checkpoint_id,
                second.timestamp
            ),
            Self::Gap([first, second], days) => {
                let days = match days {
                    1 => "1 day".to_owned(),
                    days => format!("{days} days"),
                };
                format!(
                    "ledger {}: {days} without a checkpoint between {} ({}) and {} ({})",
                    first.ledger_id,
                    first.timestamp,
                    first.checkpoint_id,
                    second.timestamp,
                    second.checkpoint_id
                )
            }
            Self::NotRecorded([one]) => format!(
                "its signature is valid, and it is NOT in the service's record: ledger {}, checkpoint {}",
                one.ledger_id, one.checkpoint_id
            ),
            Self::NotWhole(told)
            | Self::ClockResumed(told)
            | Self::DatedAhead(told)
            | Self::LeftOut(told) => told.clone(),
        }
    }
}

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
