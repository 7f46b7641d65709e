//! What to do as things are, told the same by every step: a command that would not be refused.

use chrono::{DateTime, Utc};

use super::snapshot::{StoredKey, StoredVersion};
use super::staging::{stage_command, unendorsed_flag};
use super::{Next, Situation, StepRefusal, Timeline, Warning, check_staged};

impl Situation {
    /// What to do next, for a person: one command, or that there is nothing to do.
    pub fn next(&self) -> Next {
        self.pressing().unwrap_or_else(|| match self.retirement() {
            Some((until, retire)) => Next::Later(until, retire),
            None => Next::Nothing(
                "until the next key is to be staged; rollover status warns in time".into(),
            ),
        })
    }

    /// What to do after a refusal.
    pub(super) fn after(&self, refusal: &StepRefusal) -> Next {
        match refusal {
            StepRefusal::NobodyAsked { .. } | StepRefusal::InDoubt { .. } => Next::Ask,
            StepRefusal::NotListed { key_id, .. } => {
                Next::Command(format!("rollover promote {key_id}"))
            }
            StepRefusal::Overtaken(_)
            | StepRefusal::NotKept { .. }
            | StepRefusal::OtherKey { .. } => Next::status(),
            StepRefusal::StillInForce { .. } | StepRefusal::Unfit { .. } => self.next(),
            _ => self.next_or_stage(),
        }
    }

    /// The same for a person who was to stage a key anyway.
    pub(super) fn next_or_stage(&self) -> Next {
        self.pressing().unwrap_or_else(|| stage_command(self))
    }

    /// What is to be done now; none where there is nothing to do.
    fn pressing(&self) -> Option<Next> {
        match self.repair() {
            Some(_) if self.may_repair() => return Some(Next::command("rollover repair")),
            Some(_) => return Some(Next::Ask),
            None if !self.doubts().is_empty() => return Some(Next::Ask),
            None => {}
        }
        if let Some(staged) = self.snapshot.staged() {
            return Some(self.with_staged(staged));
        }
        let warnings = Timeline::new(self).warnings;
        let ends = |warning: &Warning| matches!(warning, Warning::Ends { .. });
        let previous = self.retirement();
        match previous {
            _ if warnings.contains(&Warning::NothingInForce) => {}
            Some((until, retire)) if until <= self.now => return Some(Next::Command(retire)),
            _ if warnings.iter().any(ends) => {}
            // What is wrong with it, no label mends.
            _ if self.snapshot.current().is_some() && self.current().is_none() => {}
            _ => return None,
        }
        Some(stage_command(self))
    }

    /// How to go on with the key that is staged.
    pub(super) fn with_staged(&self, staged: &StoredVersion) -> Next {
        let wrong = |endorsed| {
            let checks = check_staged(self, endorsed).unwrap_or_default();
            let wrong = checks.iter().filter(|check| check.found.is_err());
            let names: Vec<&str> = wrong.map(|check| check.name).collect();
            (checks.is_empty() || !names.is_empty()).then_some(names)
        };
        let name = name_word(staged);
        let endorsed = staged.key().is_ok_and(|key| key.endorsement.is_some());
        match wrong(endorsed) {
            None => Next::Command(format!("rollover test{name}{}", unendorsed_flag(endorsed))),
            Some(wrong) if wrong == ["nothing lost"] => match self.next_opening(staged) {
                Some(opens) => Next::Later(
                    opens,
                    format!("rollover test{name}{}", unendorsed_flag(endorsed)),
                ),
                None => Next::Command(format!("rollover abort{name}")),
            },
            Some(_) => Next::Command(format!("rollover abort{name}")),
        }
    }

    fn next_opening(&self, staged: &StoredVersion) -> Option<DateTime<Utc>> {
        let trusted = self.trusted_windows();
        let staged = staged.content.as_ref().ok();
        let windows = trusted
            .into_iter()
            .chain(staged.map(|key| key.version.window));
        let opens = windows.map(|window| window.from());
        opens.filter(|from| *from > self.now).min()
    }

    /// Until when the key before may still sign, and how it is retired: at once, where something speaks against it.
    fn retirement(&self) -> Option<(DateTime<Utc>, String)> {
        let previous = self.snapshot.previous()?;
        let until = self
            .good(previous)
            .map(|key: &StoredKey| key.version.window.until());
        let retire = format!("rollover retire{}", name_word(previous));
        Some((until.unwrap_or(DateTime::<Utc>::MIN_UTC), retire))
    }
}

/// The name of a version's key as a word of a command; nothing where it holds none: there is one that can be meant.
pub(super) fn name_word(version: &StoredVersion) -> String {
    let key = version.content.as_ref();
    key.map_or(String::new(), |key| format!(" {}", key.version.key_id))
}
