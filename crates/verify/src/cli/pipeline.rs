//! Reads, verifies and reports at the same time: one thread reads, all cores verify, and the caller's takes what was
//! found, in the order of the input. A few batches are under way, however many there are.

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::thread;

use rayon::prelude::*;

use super::Failure;
use super::inputs::{Input, Text, Trouble, read_all};
use crate::bulk::{Checked, Judge};

/// Texts of a batch, at most.
const BATCH_TEXTS: usize = 1024;

/// Bytes of a batch, about.
const BATCH_BYTES: usize = 1 << 20;

/// Batches that wait between two stages.
const WAITING: usize = 2;

/// What became of one input.
pub enum Outcome {
    /// It was verified.
    Checked(Text, Box<Checked>),
    /// It was not selected.
    LeftOut(Text),
    /// It could not be read or asked for, because of this.
    Failed(String),
    /// An export has not the rows of which its first line speaks.
    NotWhole(String),
    /// An export tells of a resumption of the clock.
    Resumed(String),
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unread(problem) => Self::Failed(problem),
            Trouble::NotWhole(problem) => Self::NotWhole(problem),
            Trouble::Resumed(told) => Self::Resumed(told),
        }
    }
}

/// Takes outcomes; an error ends it all.
pub type Take<'a> = &'a mut dyn FnMut(Vec<Outcome>) -> Result<(), Failure>;

/// Verifies everything; `explain_every` valid one, or those alone that are printed one by one.
///
/// # Errors
/// That of `take`.
pub fn run(
    paths: &[PathBuf],
    judge: &Judge,
    explain_every: bool,
    take: Take,
) -> Result<(), Failure> {
    thread::scope(|scope| {
        let (to_verify, batches) = sync_channel(WAITING);
        let (to_take, results) = sync_channel(WAITING);
        scope.spawn(move || batch(paths, &mut |batch| to_verify.send(batch).is_ok()));
        scope.spawn(move || {
            for batch in batches {
                let check = |input| check(judge, explain_every, input);
                let outcomes: Vec<Outcome> = Vec::into_par_iter(batch).map(check).collect();
                if to_take.send(outcomes).is_err() {
                    return;
                }
            }
        });
        // When this returns early, the others cannot send any more, and end.
        results.into_iter().try_for_each(take)
    })
}

fn check(judge: &Judge, explain_every: bool, input: Input) -> Outcome {
    match input {
        Err(trouble) => trouble.into(),
        Ok(text) => match judge.check(&text.bytes, explain_every || text.alone) {
            Some(checked) => Outcome::Checked(text, Box::new(checked)),
            None => Outcome::LeftOut(text),
        },
    }
}

/// Gives the inputs in batches to `send` until that says stop.
pub fn batch(paths: &[PathBuf], send: &mut dyn FnMut(Vec<Input>) -> bool) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut stopped = false;
    read_all(paths, &mut |input| {
        bytes += input.as_ref().map_or(0, |text| text.bytes.len());
        batch.push(input);
        if batch.len() >= BATCH_TEXTS || bytes >= BATCH_BYTES {
            bytes = 0;
            stopped = !send(std::mem::take(&mut batch));
        }
        !stopped
    });
    if !stopped && !batch.is_empty() {
        send(batch);
    }
}
