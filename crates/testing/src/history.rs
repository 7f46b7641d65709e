//! Is what the clients saw the history of one ledger that signs one checkpoint after the other?
//!
//! A history is linearizable (Herlihy and Wing, 1990) when each call can be given an instant between its sending and
//! its answer, so that the calls, done one after the other at these instants, get the answers that were seen. The
//! record says in which order the ledger's rows were made, so only their instants are to be found: each row's must
//! lie within a call that asked for it, no later than the answer of a call that got it, and each refusal must have
//! been right at some instant of its call. All bounds are lower or upper ones, so the earliest instants that fit
//! are the best ones, and there is no search.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use checkpoint_signer::wire::proto::Checkpoint;

use crate::support::at;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    pub ledger_id: String,
    pub checkpoint_id: String,
    pub entry_count: u64,
    /// Which of several histories it belongs to.
    pub history: String,
}

impl Request {
    pub fn checkpoint(&self) -> Checkpoint {
        let made = crate::support::checkpoint(&self.checkpoint_id, self.entry_count, &self.history);
        Checkpoint {
            ledger_id: self.ledger_id.clone(),
            timestamp: Some(crate::support::wire(at("2025-01-15T23:59:59Z"))),
            ..made
        }
    }
}

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The published JSON.
    Signed(String),
    Equivocation,
    Rollback,
    /// None, or one that does not tell whether it is recorded.
    Unknown,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub request: Request,
    pub sent: Instant,
    pub answered: Instant,
    pub answer: Answer,
}

/// A ledger that does one thing after the other: the contract's rules, written down a second time.
#[derive(Default)]
struct Ledger {
    names: HashMap<String, Request>,
    places: HashMap<u64, String>,
    newest: u64,
}

impl Ledger {
    fn answer(&self, request: &Request) -> Expected {
        if let Some(named) = self.names.get(&request.checkpoint_id) {
            return match named == request {
                true => Expected::Recorded,
                false => Expected::Equivocation,
            };
        }
        match self.places.get(&request.entry_count) {
            Some(history) if *history != request.history => Expected::Equivocation,
            _ if request.entry_count < self.newest => Expected::Rollback,
            _ => Expected::NewRow,
        }
    }

    fn add(&mut self, request: &Request) {
        self.names
            .insert(request.checkpoint_id.clone(), request.clone());
        self.places
            .insert(request.entry_count, request.history.clone());
        self.newest = request.entry_count;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Recorded,
    NewRow,
    Equivocation,
    Rollback,
}

/// Checks the calls on one ledger against its rows, in the order of the record.
pub fn check(rows: &[Request], calls: &[&Call]) -> Result<(), String> {
    let mut ledger = Ledger::default();
    // What each request would be answered after so many rows.
    let mut expected: BTreeMap<&Request, Vec<Expected>> = BTreeMap::new();
    for call in calls {
        expected.entry(&call.request).or_default();
    }
    for made in 0..=rows.len() {
        for (request, answers) in &mut expected {
            answers.push(ledger.answer(request));
        }
        if let Some(row) = rows.get(made) {
            if ledger.answer(row) != Expected::NewRow {
                return Err(format!("row {made} breaks the rules: {row:?}"));
            }
            ledger.add(row);
        }
    }
    // The instant of row n is at or after earliest[n], and at or before latest[n].
    let (mut earliest, mut latest) = (vec![None; rows.len()], vec![None; rows.len()]);
    for call in calls {
        let wanted = match &call.answer {
            Answer::Signed(_) => Expected::Recorded,
            Answer::Equivocation => Expected::Equivocation,
            Answer::Rollback => Expected::Rollback,
            Answer::Unknown => continue,
        };
        let answers = &expected[&call.request];
        // The number of rows after which the answer was right: one range, as no answer comes back once it changed.
        let right = |answer: &Expected| *answer == wanted;
        let (Some(first), Some(last)) = (
            answers.iter().position(right),
            answers.iter().rposition(right),
        ) else {
            return Err(format!("never right: {call:?}"));
        };
        if first > 0 {
            let bound = &mut latest[first - 1];
            *bound = Some(bound.map_or(call.answered, |b: Instant| b.min(call.answered)));
        }
        if last < rows.len() {
            let bound = &mut earliest[last];
            *bound = Some(bound.map_or(call.sent, |b: Instant| b.max(call.sent)));
        }
    }
    let mut now = None;
    for (n, row) in rows.iter().enumerate() {
        let from = now.max(earliest[n]);
        let makers = calls.iter().filter(|call| {
            call.request == *row && matches!(call.answer, Answer::Signed(_) | Answer::Unknown)
        });
        // A call without an answer may have taken effect at any time after it was sent.
        let possible = makers.filter(|call| {
            call.answer == Answer::Unknown || from.is_none_or(|from| call.answered >= from)
        });
        let instant = possible.map(|call| from.map_or(call.sent, |from| from.max(call.sent)));
        let Some(instant) = instant.min() else {
            return Err(format!("nobody can have made row {n}: {row:?}"));
        };
        if latest[n].is_some_and(|latest| instant > latest) {
            return Err(format!(
                "row {n} was seen before it can have been made: {row:?}"
            ));
        }
        now = Some(instant);
    }
    Ok(())
}
