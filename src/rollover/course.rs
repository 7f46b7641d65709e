//! What to do as things are, told the same by every step: a command that would not be refused.

use chrono::{DateTime, Utc};

use super::snapshot::{Replica, StoredKey, StoredVersion};
use super::staging::{self, stage_command, unendorsed_flag};
use super::{Next, Situation, StepRefusal, Timeline, Warning, check_staged, clocks};
use checkpoint::key::{KeyId, covered_until};

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
            if replica.names_a_record() {
                return Some(self.name_the_record(url));
            }
            let first = format!("see to {url}, which {problem}; the keys want nothing");
            Some(Next::see(first, Next::Health(url.clone())))
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
            Some(url) => {
                let first = format!(
                    "have one answer of {}, or name the record by --record",
                    urls.join(", ")
                );
                match self
                    .replicas
                    .iter()
                    .find(|replica| !replica.names_a_record())
                {
                    Some(replica) => Next::see(first, Next::Health(replica.url.clone())),
                    None => self.name_the_record(url),
                }
            }
        }
    }

    /// What to do after a refusal.
    pub(super) fn after(&self, refusal: &StepRefusal) -> Next {
        match refusal {
            StepRefusal::NobodyAsked { .. } | StepRefusal::InDoubt { .. } => self.ask(),
            StepRefusal::NotListed { key_id, .. } => {
                // What goes on waiting alone mends nothing where something is in the way.
                let again = || Next::Command(format!("rollover promote {key_id}"));
                self.unhinder().unwrap_or_else(again)
            }
            StepRefusal::NotReady(_) | StepRefusal::RecordNotRead(_) => {
                self.unhinder().unwrap_or_else(Next::status)
            }
            StepRefusal::Overtaken(_)
            | StepRefusal::NotKept { .. }
            | StepRefusal::OtherKey { .. } => Next::status(),
            // The same again would be refused again: it is the key that is missing, and `stage` says who is to be named.
            StepRefusal::NothingStaged(_) => match self.next() {
                Next::Ask => Next::command("rollover stage"),
                next => next,
            },
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
        if !self.doubted_clock().is_empty() {
            return Some(Next::see(clocks::SET_THE_CLOCK, Next::status()));
        }
        if let Some(hidden) = self.hidden().next() {
            let first = format!(
                "have this role read version {}, as the warning says",
                hidden.id
            );
            return Some(Next::see(first, Next::status()));
        }
        if let Some(emptied) = self.emptied() {
            return Some(emptied);
        }
        match self.repair() {
            Some(repair) if self.may_repair() => {
                let unread = self.unread_after(&repair);
                return Some(unread.unwrap_or_else(|| Next::command("rollover repair")));
            }
            Some(_) => return Some(self.ask()),
            // Nor is a key without an endorsement the way on, also where nobody is to be asked.
            None if !self.doubts().is_empty() || !self.in_the_way().is_empty() => {
                return Some(self.ask());
            }
            None => {}
        }
        if let Some(stuck) = self.stuck() {
            return Some(stuck);
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
            _ if covered_until(&self.trusted_windows(), self.now).is_none() => {}
            Some((until, retire)) if until <= self.now => {
                return Some(self.still_used().unwrap_or(Next::Command(retire)));
            }
            _ if warnings.iter().any(of_time) => {}
            // What is wrong with it, no label mends.
            _ if self.snapshot.current().is_some() && self.current().is_none() => {}
            _ => return warnings.iter().find_map(misspelt),
        }
        Some(stage_command(self))
    }

    /// An empty secret, while services sign with a key that they have read: it is another one than theirs, or was made anew.
    fn emptied(&self) -> Option<Next> {
        let (replica, key) = self
            .signing()
            .filter(|_| self.snapshot.versions.is_empty())?;
        let (url, key_id, secret) = (&replica.url, &key.key_id, &self.snapshot.secret);
        let first = format!(
            "{url} signs with {key_id}, and {secret} is empty here: look for the secret that it reads (its account, AWS_REGION, --secret), \
             and start none anew meanwhile. If that is lost for good, {} goes on",
            match staging::first(self) {
                Next::Command(words) =>
                    format!("`checkpoint-signer {words} --without-endorsement`"),
                next => next.to_string(),
            }
        );
        Some(Next::see(first, Next::KeysOf(url.clone())))
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
            // It is not the key's fault.
            Some(wrong) if wrong == ["services"] => self.unhinder().unwrap_or_else(Next::status),
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

    /// The key before has ended here, and a service goes on with it by its own clock.
    fn still_used(&self) -> Option<Next> {
        let (_, key) = self.previous()?;
        let (replica, _) = self.uses(&key.version)?;
        let url = &replica.url;
        let first = format!("have the clocks of {url} and of this machine agree");
        Some(Next::see(first, Next::Health(url.clone())))
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

/// The label is taken away by a call of AWS's.
fn misspelt(warning: &Warning) -> Option<Next> {
    let Warning::Misspelt { id, found, .. } = warning else {
        return None;
    };
    let first = format!("take {found:?} from version {id}, as the warning says");
    Some(Next::see(first, Next::status()))
}
