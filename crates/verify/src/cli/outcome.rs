//! What becomes of what is to be verified, for whoever reports it.

use super::inputs::{Origin, Trouble};
use crate::bulk::{Checked, Stretch, Tally};

/// What became of one input, or of some.
pub enum Outcome {
    /// It was verified.
    Checked(Origin, Box<Checked>),
    /// These were verified, and nothing is to be told of any of them by itself.
    Plain(Box<Run>),
    /// It was not selected.
    LeftOut(Origin),
    /// It could not be read or asked for, because of this.
    Failed(String),
    /// An export has not the rows of which its first line speaks.
    NotWhole(String),
    /// An export tells of a resumption of the clock.
    Resumed(String),
}

/// Texts that follow one another in one of the paths that were given.
#[derive(Default)]
pub struct Run {
    /// In which one, from 0 on.
    pub path: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many they are.
    pub tally: Tally,
    /// Where they stand in the histories of their ledgers.
    pub stretch: Stretch,
    /// Those that are signed at times that are yet to come: how many, and where the first of them stands.
    pub ahead: Option<(u64, String)>,
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
