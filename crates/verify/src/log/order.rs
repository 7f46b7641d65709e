//! What only shows when the rows of an export are seen in their order: whether they keep the rules by which a record takes rows
//! (see [`checkpoint::history::rules`]). Whoever has the key in force can sign a second history, and a head over it: its rows are all valid.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use chrono::{DateTime, Utc};

use crate::bulk::{Fingerprints, Spool};
use checkpoint::checkpoint::{
    CumulativeHash, EntryCount, OutlineText, PublishedOutline, Timestamp, TotalVolume,
};
use checkpoint::history::Resumption;
use checkpoint::history::rules::check_clock;
use checkpoint::key::instant_text;

/// The first line is the export's own.
pub(super) const FIRST_LINE: u64 = 2;

/// Most faults that are told in full.
pub(super) const MAX_TOLD: usize = 100;

/// Two rows that no record has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disorder {
    /// Their lines in the export.
    pub lines: [u64; 2],
    /// Its name for programs.
    pub name: &'static str,
    /// A sentence.
    pub explanation: String,
}

/// What was found of the rows together.
#[derive(Clone, Debug, Default)]
pub struct Disorders {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub told: Vec<Disorder>,
    /// Where the times begin again by the word of the export's first line, each in a sentence. No signature covers it.
    pub resumed: Vec<String>,
    /// The latest signature of all, with its line.
    pub latest: Option<(DateTime<Utc>, u64)>,
}

impl Disorders {
    fn note(&mut self, lines: [u64; 2], name: &'static str, explanation: String) {
        self.count += 1;
        if self.told.len() < MAX_TOLD {
            self.told.push(Disorder {
                lines,
                name,
                explanation,
            });
        }
    }
}

/// A resumption of the clock that an export tells of, in a sentence.
#[must_use]
pub fn told(resumption: &Resumption) -> String {
    format!(
        "after row {} the times begin again from {}, by {} ({}): so says the first line, which no signature covers",
        resumption.after_rows,
        instant_text(resumption.resumed_from),
        resumption.by,
        resumption.reason
    )
}

/// Where valid rows stand in their ledgers, and when they were signed. Whoever judged them puts them down.
#[derive(Default)]
pub(super) struct Places {
    rows: Vec<Place>,
    /// The names of their ledgers and their own, one after the other.
    names: String,
}

struct Place {
    /// How many rows are between the first of all, valid or not, and this one.
    index: u64,
    signed_at: DateTime<Utc>,
    /// A fingerprint of both names.
    name: u64,
    /// The bytes of both names.
    lengths: [usize; 2],
    timestamp: Timestamp,
    entry_count: EntryCount,
    state: (CumulativeHash, TotalVolume),
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn add(
        &mut self,
        index: u64,
        row: &OutlineText<'_>,
        signed_at: DateTime<Utc>,
        fingerprints: &Fingerprints,
    ) {
        let (ledger, id) = (row.ledger_id, row.checkpoint_id);
        self.names.push_str(ledger);
        self.names.push_str(id);
        self.rows.push(Place {
            index,
            signed_at,
            name: fingerprints.of((ledger, id)),
            lengths: [ledger.len(), id.len()],
            timestamp: row.timestamp,
            entry_count: row.entry_count,
            state: (row.cumulative_hash, row.total_volume),
        });
    }
}

/// The newest row of a ledger.
struct Newest {
    line: u64,
    checkpoint_id: String,
    timestamp: Timestamp,
    entry_count: EntryCount,
    state: (CumulativeHash, TotalVolume),
}

/// Follows valid rows in their order. Its memory grows with the ledgers alone: the names go to a temporary file.
pub(super) struct Order {
    ledgers: HashMap<String, Newest>,
    /// The newest signature, with its line.
    newest: Option<(DateTime<Utc>, u64)>,
    resumptions: VecDeque<Resumption>,
    /// A fingerprint of each name, and the line.
    names: Spool<2>,
    found: Disorders,
}

impl Order {
    pub(super) fn new(resumptions: Vec<Resumption>) -> Self {
        Self {
            ledgers: HashMap::new(),
            newest: None,
            resumptions: resumptions.into(),
            names: Spool::new(),
            found: Disorders::default(),
        }
    }

    /// Takes the next rows that are valid; the first of all stands in this line.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn take(&mut self, first: u64, places: &Places) -> std::io::Result<()> {
        let mut names = places.names.as_str();
        for place in &places.rows {
            let mut next = |length| {
                let (name, rest) = names.split_at_checked(length).unwrap_or_default();
                names = rest;
                name
            };
            let [ledger, id] = place.lengths.map(&mut next);
            self.follow_clock(first + place.index, place.signed_at);
            self.names.push([place.name, first + place.index])?;
            self.follow_ledger(first + place.index, ledger, id, place);
        }
        Ok(())
    }

    fn follow_ledger(&mut self, line: u64, ledger: &str, b: &str, place: &Place) {
        let Some(newest) = self.ledgers.get_mut(ledger) else {
            let newest = Newest {
                line,
                checkpoint_id: b.to_owned(),
                timestamp: place.timestamp,
                entry_count: place.entry_count,
                state: place.state,
            };
            self.ledgers.insert(ledger.to_owned(), newest);
            return;
        };
        let (a, lines) = (&newest.checkpoint_id, [newest.line, line]);
        let (before, after) = (newest.entry_count.get(), place.entry_count.get());
        if after < before {
            let problem =
                format!("ledger {ledger}: entry_count falls from {before} ({a}) to {after} ({b})");
            self.found.note(lines, "ENTRY_COUNT_FELL", problem);
        } else if after == before && a != b && newest.state != place.state {
            let problem = format!(
                "ledger {ledger} has two histories: {a} and {b} differ at entry_count {after}"
            );
            self.found.note(lines, "SECOND_HISTORY", problem);
        }
        if place.timestamp < newest.timestamp {
            let [from, to] =
                [newest.timestamp, place.timestamp].map(|time| instant_text(time.instant()));
            let problem =
                format!("ledger {ledger}: timestamp falls from {from} ({a}) to {to} ({b})");
            self.found.note(lines, "TIMESTAMP_FELL", problem);
        }
        // What fell below the newest one is another history, and the next row of it falls as well.
        if after >= before {
            newest.line = line;
            newest.checkpoint_id.clear();
            newest.checkpoint_id.push_str(b);
            newest.timestamp = place.timestamp;
            newest.entry_count = place.entry_count;
            newest.state = place.state;
        }
    }

    fn follow_clock(&mut self, line: u64, signed_at: DateTime<Utc>) {
        if self
            .found
            .latest
            .is_none_or(|(latest, _)| latest < signed_at)
        {
            self.found.latest = Some((signed_at, line));
        }
        while let Some(next) = self.resumptions.front()
            && next.after_rows + FIRST_LINE <= line
        {
            // One that does not fit the rows explains nothing.
            if let Some((newest, at)) = self.newest
                && next.resumed_from < newest
                && newest <= next.newest_signed_at
            {
                self.newest = Some((next.resumed_from, at));
                self.found.resumed.push(told(next));
            }
            self.resumptions.pop_front();
        }
        if let Some((newest, at)) = self.newest {
            if check_clock(signed_at, newest).is_err() {
                let (from, to) = (instant_text(newest), instant_text(signed_at));
                let problem = format!(
                    "the times of the signatures (iat) go back from {from} to {to}, and no resumption of the clock explains it"
                );
                self.found.note([at, line], "CLOCK_WENT_BACK", problem);
            }
            if signed_at <= newest {
                return;
            }
        }
        self.newest = Some((signed_at, line));
    }

    /// The pairs of lines that seem to have one name, and all that was found so far.
    pub(super) fn finish(self) -> std::io::Result<(Vec<[u64; 2]>, Disorders)> {
        let (mut first, mut pairs) = (None::<[u64; 2]>, Vec::new());
        let mut found = self.found;
        self.names.sorted(|[name, line]| {
            match first {
                Some([other, at]) if other == *name && pairs.len() < MAX_TOLD => {
                    pairs.push([at, *line]);
                }
                Some([other, _]) if other == *name => found.count += 1,
                _ => first = Some([*name, *line]),
            }
            Ok(())
        })?;
        pairs.sort_unstable_by_key(|[_, second]| *second);
        Ok((pairs, found))
    }
}

/// Looks up the lines that seem to have one name: fingerprints are equal by chance, once in a while.
pub(super) struct Names(BTreeMap<u64, Option<PublishedOutline>>);

impl Names {
    pub(super) fn of(pairs: &[[u64; 2]]) -> Self {
        Self(pairs.iter().flatten().map(|line| (*line, None)).collect())
    }

    /// Their lines.
    pub(super) fn lines(&self) -> BTreeSet<u64> {
        self.0.keys().copied().collect()
    }

    /// Reads those of `wanted` that are among the rows from this line on.
    pub(super) fn read(
        wanted: &BTreeSet<u64>,
        first: u64,
        rows: &[&[u8]],
    ) -> Vec<(u64, PublishedOutline)> {
        let wanted = wanted.range(first..first + rows.len() as u64);
        let read = wanted.filter_map(|number| {
            let row = rows.get(usize::try_from(number - first).ok()?)?;
            Some((*number, PublishedOutline::from_published_json(row).ok()?))
        });
        read.collect()
    }

    /// Takes what was read.
    pub(super) fn take(&mut self, found: Vec<(u64, PublishedOutline)>) {
        let found = found.into_iter();
        self.0
            .extend(found.map(|(number, row)| (number, Some(row))));
    }

    pub(super) fn tell(&self, pairs: Vec<[u64; 2]>, found: &mut Disorders) {
        let get = |line: u64| self.0.get(&line).and_then(Option::as_ref);
        for [a, b] in pairs {
            let (Some(one), Some(other)) = (get(a), get(b)) else {
                continue;
            };
            let (id, ledger) = (&one.outline.checkpoint_id, &one.outline.ledger_id);
            if (id, ledger) != (&other.outline.checkpoint_id, &other.outline.ledger_id) {
                continue;
            }
            match one.payload == other.payload {
                true => {
                    let problem =
                        format!("ledger {ledger}: {id} is there twice; a record has it once");
                    found.note([a, b], "ROW_TWICE", problem);
                }
                false => {
                    let problem =
                        format!("ledger {ledger} has two checkpoints {id} of different content");
                    found.note([a, b], "SECOND_CONTENT", problem);
                }
            }
        }
    }
}
