//! What to do as things are, told the same by every step: a command that would not be refused.

use chrono::{DateTime, Utc};

use super::snapshot::{Replica, StoredKey, StoredVersion};
use super::staging::{stage_command, unendorsed_flag};
use super::{Next, Situation, StepRefusal, Timeline, Warning, check_staged};
use checkpoint::key::KeyId;

impl Situation {
    /// What to do next, for a person: one command, or that there is nothing to do.
    pub fn next(&self) -> Next {
        let pressing = self.pressing().or_else(|| self.silence());
        pressing.unwrap_or_else(|| match self.retirement() {
            Some((until, retire)) => Next::Later(until, retire),
            None => Next::Nothing(
                "until the next key is to be staged; rollover status warns in time".into(),
            ),
        })
    }

    /// A service that signs nothing, or does not answer: no step of the rollover mends that.
    fn silence(&self) -> Option<Next> {
        let problem = |replica: &Replica| match &replica.listing {
            Err(_) => Some("does not answer"),
            Ok(_) => replica.signs_nothing().map(|_| "signs nothing"),
        };
        let mut silent = self.replicas.iter().filter(|replica| !replica.is_record());
        silent.find_map(|replica| {
            let (url, problem) = (&replica.url, problem(replica)?);
            Some(Next::See(format!(
                "see to {url}, which {problem}: `checkpoint-signer health --server {url} --service \
                 amply.checkpoint.v1.SigningService` says why; the keys want nothing"
            )))
        })
    }

    /// How somebody comes to be asked.
    pub(super) fn ask(&self) -> Next {
        let urls: Vec<&str> = self
            .replicas
            .iter()
            .map(|replica| replica.url.as_str())
            .collect();
        match urls.first() {
            None => Next::Ask,
            Some(first) => Next::See(format!(
                "have one answer of {} (`checkpoint-signer health --server {first}` says what is there), or name the record by \
                 --record; then the same again",
                urls.join(", ")
            )),
        }
    }

    /// What to do after a refusal.
    pub(super) fn after(&self, refusal: &StepRefusal) -> Next {
        match refusal {
            StepRefusal::NobodyAsked { .. } | StepRefusal::InDoubt { .. } => self.ask(),
            StepRefusal::NotListed { key_id, .. } => {
                Next::Command(format!("rollover promote {key_id}"))
            }
            StepRefusal::Overtaken(_)
            | StepRefusal::NotKept { .. }
            | StepRefusal::OtherKey { .. } => Next::status(),
            StepRefusal::StillInForce { .. }
            | StepRefusal::Unfit { .. }
            | StepRefusal::NothingStaged(_) => self.next(),
            _ => self.next_or_stage(),
        }
    }

    /// The same for a person who was to stage a key anyway.
    pub(super) fn next_or_stage(&self) -> Next {
        self.pressing().unwrap_or_else(|| stage_command(self))
    }

    /// What is to be done now; none where there is nothing to do.
    fn pressing(&self) -> Option<Next> {
        if let Some(hidden) = self.hidden().next() {
            return Some(Next::See(format!(
                "have this role read version {}, as the warning says; then the same again",
                hidden.id
            )));
        }
        match self.repair() {
            Some(_) if self.may_repair() => return Some(Next::command("rollover repair")),
            Some(_) => return Some(self.ask()),
            None if !self.doubts().is_empty() => return Some(self.ask()),
            None => {}
        }
        if let Some(staged) = self.snapshot.staged() {
            return Some(self.with_staged(staged));
        }
        if let Some(current) = self.unread() {
            return Some(Next::Command(format!("rollover promote {current}")));
        }
        let warnings = Timeline::new(self).warnings;
        let of_time =
            |warning: &Warning| matches!(warning, Warning::Ends { .. } | Warning::Gap { .. });
        let previous = self.retirement();
        match previous {
            _ if warnings.contains(&Warning::NothingInForce) => {}
            Some((until, retire)) if until <= self.now => return Some(Next::Command(retire)),
            _ if warnings.iter().any(of_time) => {}
            // What is wrong with it, no label mends.
            _ if self.snapshot.current().is_some() && self.current().is_none() => {}
            _ => return None,
        }
        Some(stage_command(self))
    }

    /// The key that is AWSCURRENT, where a service that answers has not read what is trusted: to promote it again has it read.
    fn unread(&self) -> Option<&KeyId> {
        let (_, current) = self.current()?;
        let versions = self.snapshot.versions.iter();
        let trusted = versions.filter(|version| version.is_trusted());
        let mut trusted = trusted.filter_map(|version| self.good(version));
        let lacks = |key: &StoredKey| {
            let mut services = self.replicas.iter().filter(|replica| !replica.is_record());
            services
                .any(|replica| replica.listing.is_ok() && replica.state_of(&key.version).is_none())
        };
        trusted.any(lacks).then_some(&current.version.key_id)
    }

    /// How to go on with the key that is staged.
    pub(super) fn with_staged(&self, staged: &StoredVersion) -> Next {
        let wrong = |endorsed| {
            let checks = check_staged(self, endorsed).unwrap_or_default();
            let wrong = checks.iter().filter(|check| check.found.is_err());
            let names: Vec<&str> = wrong.map(|check| check.name).collect();
            (checks.is_empty() || !names.is_empty()).then_some(names)
        };
        let name = self.name_word(staged);
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
        let retire = format!("rollover retire{}", self.name_word(previous));
        Some((until.unwrap_or(DateTime::<Utc>::MIN_UTC), retire))
    }

    /// The name of a version's key as a word of a command; nothing where it holds none, or another one has a label under that name:
    /// there is one that can be meant.
    fn name_word(&self, version: &StoredVersion) -> String {
        let Ok(key) = &version.content else {
            return String::new();
        };
        let key_id = &key.version.key_id;
        let mut others = self
            .snapshot
            .versions
            .iter()
            .filter(|other| other.id != version.id);
        match others.any(|other| !other.stages.is_empty() && other.name() == key_id.as_str()) {
            true => String::new(),
            false => format!(" {key_id}"),
        }
    }
}
