//! What shows when checkpoints of a ledger are seen together, and how it is told.

use serde::{Deserialize, Serialize};

use super::Checked;
use checkpoint::counted::counted;

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

/// Days without a valid checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// All of them.
    pub days: u64,
    /// Those of them for which there is one that is not valid.
    pub rejected: u64,
}

impl Missing {
    /// Whether each of them has one, which is told by its verdict.
    pub fn are_told(self) -> bool {
        self.days == self.rejected
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
    Gap([Member; 2], Missing),
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
            Self::Gap([first, second], Missing { days, rejected }) => {
                let days = counted(days, "day", "days");
                let rejected = match rejected {
                    0 => String::new(),
                    rejected => format!("; for {rejected} of them there is one that is not valid"),
                };
                format!(
                    "ledger {}: {days} without a checkpoint between {} ({}) and {} ({}){rejected}",
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
