//! What only shows when the rows of an export are seen in their order: whether they keep the rules by which a record takes rows
//! (see [`checkpoint::history::rules`]). Whoever has the key in force can sign a second history, and a head over it: its rows are all valid.

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};

use crate::bulk::{Fingerprints, Spool};
use checkpoint::checkpoint::{Outline, PublishedOutline};
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

/// Follows valid rows in their order. Its memory grows with the ledgers alone: the names go to a temporary file.
pub(super) struct Order {
    /// The newest row of each ledger, with its line.
    ledgers: HashMap<String, (u64, Outline)>,
    /// The newest signature, with its line.
    newest: Option<(DateTime<Utc>, u64)>,
    resumptions: VecDeque<Resumption>,
    /// A fingerprint of each name, and the line.
    names: Spool<2>,
    fingerprints: Fingerprints,
    found: Disorders,
}

impl Order {
    pub(super) fn new(resumptions: Vec<Resumption>) -> Self {
        Self {
            ledgers: HashMap::new(),
            newest: None,
            resumptions: resumptions.into(),
            names: Spool::new(),
            fingerprints: Fingerprints::default(),
            found: Disorders::default(),
        }
    }

    /// Takes the next row that is valid.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn take(
        &mut self,
        line: u64,
        outline: Outline,
        signed_at: DateTime<Utc>,
    ) -> std::io::Result<()> {
        self.follow_clock(line, signed_at);
        let name = (outline.ledger_id.as_str(), outline.checkpoint_id.as_str());
        self.names.push([self.fingerprints.of(name), line])?;
        let Some((at, newest)) = self.ledgers.get_mut(outline.ledger_id.as_str()) else {
            let ledger_id = outline.ledger_id.to_string();
            self.ledgers.insert(ledger_id, (line, outline));
            return Ok(());
        };
        let (ledger, lines) = (&outline.ledger_id, [*at, line]);
        let (a, b) = (&newest.checkpoint_id, &outline.checkpoint_id);
        let (before, after) = (newest.entry_count.get(), outline.entry_count.get());
        let state = |outline: &Outline| (outline.cumulative_hash, outline.total_volume.get());
        if after < before {
            let problem =
                format!("ledger {ledger}: entry_count falls from {before} ({a}) to {after} ({b})");
            self.found.note(lines, "ENTRY_COUNT_FELL", problem);
        } else if after == before && a != b && state(newest) != state(&outline) {
            let problem = format!(
                "ledger {ledger} has two histories: {a} and {b} differ at entry_count {after}"
            );
            self.found.note(lines, "SECOND_HISTORY", problem);
        }
        if outline.timestamp < newest.timestamp {
            let time = |outline: &Outline| instant_text(outline.timestamp.instant());
            let (from, to) = (time(newest), time(&outline));
            let problem =
                format!("ledger {ledger}: timestamp falls from {from} ({a}) to {to} ({b})");
            self.found.note(lines, "TIMESTAMP_FELL", problem);
        }
        // What fell below the newest one is another history, and the next row of it falls as well.
        if after >= before {
            (*at, *newest) = (line, outline);
        }
        Ok(())
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
    pub(super) fn finish(mut self) -> std::io::Result<(Vec<[u64; 2]>, Disorders)> {
        let (mut first, mut pairs) = (None::<[u64; 2]>, Vec::new());
        let found = &mut self.found;
        self.names.sorted(
            |row| *row,
            |[name, line]| {
                match first {
                    Some([other, at]) if other == *name && pairs.len() < MAX_TOLD => {
                        pairs.push([at, *line]);
                    }
                    Some([other, _]) if other == *name => found.count += 1,
                    _ => first = Some([*name, *line]),
                }
                Ok(())
            },
        )?;
        pairs.sort_unstable_by_key(|[_, second]| *second);
        Ok((pairs, self.found))
    }
}

/// Looks up the lines that seem to have one name: fingerprints are equal by chance, once in a while.
pub(super) struct Names(BTreeMap<u64, Option<PublishedOutline>>);

impl Names {
    pub(super) fn of(pairs: &[[u64; 2]]) -> Self {
        Self(pairs.iter().flatten().map(|line| (*line, None)).collect())
    }

    /// Takes the lines from this number on.
    pub(super) fn take(&mut self, first: u64, lines: &[&[u8]]) {
        let end = first + lines.len() as u64;
        for (number, found) in self.0.range_mut(first..end) {
            let line = usize::try_from(number - first).ok();
            let line = line.and_then(|index| lines.get(index));
            *found = line.and_then(|line| PublishedOutline::from_published_json(line).ok());
        }
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
