//! The way back: which labels have to be moved so that the keys that the services can use are trusted again, after somebody has put or
//! moved something past the steps.

use chrono::{DateTime, Utc};

use super::change::LabelChange;
use super::snapshot::{Snapshot, StoredKey, StoredVersion};
use super::{Removal, Situation, StepRefusal};
use checkpoint::key::{StagingLabel, covered_until, instant_text};
use checkpoint::signing::NotOpen;

/// What brings a secret back in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What is wrong, and what comes in its place, a sentence each.
    pub told: Vec<String>,
    /// The changes, in their order.
    pub changes: Vec<LabelChange>,
}

/// Where the two labels belong.
struct Target<'a> {
    current: &'a StoredVersion,
    previous: Option<&'a StoredVersion>,
}

/// A version whose key can be used now or later.
#[derive(Clone, Copy)]
struct Usable<'a> {
    version: &'a StoredVersion,
    key: &'a StoredKey,
}

impl Usable<'_> {
    fn from(&self) -> DateTime<Utc> {
        self.key.version.window.from()
    }
}

impl Situation {
    /// What has to be repaired; none where the labels are right, or no label can mend it, so that a new key is needed.
    pub fn repair(&self) -> Option<Repair> {
        if !self.doubts().is_empty() {
            return None;
        }
        let Target { current, previous } = self.target()?;
        let (mut snapshot, mut changes) = (self.snapshot.clone(), Vec::new());
        let mut change = |snapshot: &mut Snapshot, change: LabelChange| {
            *snapshot = snapshot.after(&change);
            changes.push(change);
        };
        if !current.has(&StagingLabel::Current) {
            let give = LabelChange::give(StagingLabel::Current, &snapshot, &current.id);
            change(&mut snapshot, give);
        }
        let found = snapshot.previous().map(|version| version.id.clone());
        match (previous, found) {
            (Some(previous), found) if found.as_ref() != Some(&previous.id) => {
                let give = LabelChange::give(StagingLabel::Previous, &snapshot, &previous.id);
                change(&mut snapshot, give);
            }
            // A fault of the services as long as it has the label.
            (None, Some(found)) if !self.stands_well(&found) => {
                let take = LabelChange::take(StagingLabel::Previous, &found);
                change(&mut snapshot, take);
            }
            _ => {}
        }
        if changes.is_empty() {
            return None;
        }
        let told = self.told(&snapshot);
        Some(Repair { told, changes })
    }

    /// Decides what a repair comes to.
    ///
    /// # Errors
    /// [`StepRefusal`] when nobody could be asked what the services have.
    pub fn mending(&self) -> Result<Removal, StepRefusal> {
        let doubts = self.doubts();
        let repair = self.repair();
        if !doubts.is_empty() || (repair.is_some() && !self.may_repair()) {
            let told = repair.map(|repair| repair.told).unwrap_or_default();
            let doubts = doubts.into_iter().chain(told).collect();
            let problems = self.unanswered();
            return Err(StepRefusal::InDoubt { doubts, problems });
        }
        let nothing = || Removal {
            told: vec!["the labels are where they belong: there is nothing to repair".into()],
            changes: Vec::new(),
        };
        Ok(
            repair.map_or_else(nothing, |Repair { told, changes }| Removal {
                told,
                changes,
            }),
        )
    }

    /// Whether it is known what the services have, or the operator does not want it asked.
    pub(super) fn may_repair(&self) -> bool {
        self.was_told() || self.without_asking
    }

    /// Refuses to go on from what the services do not go on from, where that can be repaired, or nobody can say.
    ///
    /// # Errors
    /// [`StepRefusal::Disordered`] and [`StepRefusal::InDoubt`].
    pub(super) fn check_order(&self) -> Result<(), StepRefusal> {
        let doubts = self.doubts();
        if !doubts.is_empty() {
            let problems = self.unanswered();
            return Err(StepRefusal::InDoubt { doubts, problems });
        }
        match self.repair() {
            None => Ok(()),
            Some(repair) => {
                let wrong = self.unfit().map(|(version, problem)| {
                    let labels = version.labels();
                    format!("{} ({labels}) {problem}", described(version))
                });
                Err(StepRefusal::Disordered(wrong.chain(repair.told).collect()))
            }
        }
    }

    /// The versions that have a label which trusts them, and that the services cannot use.
    fn unfit(&self) -> impl Iterator<Item = (&StoredVersion, String)> {
        let trusted = self.snapshot.versions.iter().filter(|v| v.is_trusted());
        trusted.filter_map(|version| Some((version, self.standing(version).problem()?)))
    }

    /// Which versions that are trusted contradict one another, where nobody could be asked which one is right.
    pub(super) fn doubts(&self) -> Vec<String> {
        if self.was_told() {
            return Vec::new();
        }
        let doubtful = self.unfit().filter(|(version, _)| version.content.is_ok());
        doubtful
            .map(|(version, problem)| format!("{} {problem}", described(version)))
            .collect()
    }

    fn stands_well(&self, id: &str) -> bool {
        let version = self.snapshot.version(id);
        version.is_some_and(|version| self.good(version).is_some())
    }

    fn target(&self) -> Option<Target<'_>> {
        let current = self.usable(self.snapshot.current());
        let previous = self.usable(self.snapshot.previous());
        let (signer, later) = (self.signer(), self.later());
        let target = |current: Usable<'_>, previous: Option<Usable<'_>>| {
            let find = |usable: Usable<'_>| self.snapshot.version(&usable.version.id);
            Some(Target {
                current: find(current)?,
                previous: previous.and_then(find),
            })
        };
        let until = |usable: Usable<'_>| usable.key.version.window.until();
        match (current, signer) {
            // It was rolled back by hand: the later one is to be the next one again.
            (Some(current), Some(signer)) if current.version.id == signer.version.id => {
                let next = previous.filter(|previous| {
                    // One for the time until it opens ends when it does. One that leaves a gap is not the next one.
                    previous.from() > self.now
                        && previous.from() <= until(current)
                        && until(*previous) > until(current)
                })?;
                target(next, Some(current))
            }
            // The key that was put as the next one leaves a gap, which one that follows the signer does not.
            (Some(current), Some(signer)) if current.from() > self.covered(signer) => {
                target(signer, None)
            }
            // The next key is promoted, and the one that signs has the other label, or had it.
            (Some(current), Some(signer)) if current.from() > self.now => {
                target(current, Some(signer))
            }
            // Each ends when the other does.
            (Some(current), Some(signer)) if until(signer) <= until(current) => None,
            (Some(current), Some(signer)) => target(signer, Some(current)),
            (Some(_), None) => None,
            (None, Some(signer)) => match later {
                Some(later) => target(later, Some(signer)),
                None => target(signer, None),
            },
            (None, None) => target(later?, None),
        }
    }

    fn usable<'a>(&self, version: Option<&'a StoredVersion>) -> Option<Usable<'a>> {
        let version = version?;
        let key = self.good(version)?;
        let (window, trusted) = (key.version.window, version.is_trusted());
        // What no label trusts was given up, unless the services had it.
        let is_usable = window.until() > self.now && (trusted || self.is_known(&key.version));
        is_usable.then_some(Usable { version, key })
    }

    /// Until when the keys that are usable sign, beginning with the one that does.
    fn covered(&self, signer: Usable<'_>) -> DateTime<Utc> {
        let windows: Vec<_> = self
            .all_usable()
            .map(|usable| usable.key.version.window)
            .collect();
        covered_until(&windows, self.now).unwrap_or(signer.key.version.window.until())
    }

    fn all_usable(&self) -> impl Iterator<Item = Usable<'_>> {
        let versions = self.snapshot.versions.iter();
        versions.filter_map(|version| self.usable(Some(version)))
    }

    /// Which signs, or would: as the services choose among those that they trust; where no label trusts one, the one that they sign
    /// with, from memory, or would.
    fn signer(&self) -> Option<Usable<'_>> {
        let signs = self.signs().map(|version| version.id.as_str());
        let order = |usable: &Usable<'_>| {
            let trusted = usable.version.is_trusted();
            let signs = signs == Some(usable.version.id.as_str());
            let key_id = usable.key.version.key_id.clone();
            (trusted, signs, usable.from(), key_id)
        };
        let open = self.all_usable().filter(|usable| usable.from() <= self.now);
        open.max_by_key(order)
    }

    /// The key that comes next, where one was promoted: one that has a label before all others, the nearest.
    fn later(&self) -> Option<Usable<'_>> {
        let later = self.all_usable().filter(|usable| usable.from() > self.now);
        later.min_by_key(|usable| (!usable.version.is_trusted(), usable.from()))
    }

    /// What is wrong with the labels that move, and who has them afterwards.
    fn told(&self, after: &Snapshot) -> Vec<String> {
        let mut told = Vec::new();
        for label in [StagingLabel::Current, StagingLabel::Previous] {
            let (before, after) = (self.snapshot.labelled(&label), after.labelled(&label));
            if before.map(|version| &version.id) == after.map(|version| &version.id) {
                continue;
            }
            let label = label.as_str();
            let after = match after {
                Some(version) => self.right(version),
                None => "no version".into(),
            };
            told.push(match before {
                Some(before) => format!(
                    "{label} belongs to {after}, and not to {}",
                    described(before)
                ),
                None => format!("{label} belongs to {after}"),
            });
        }
        told
    }

    fn right(&self, version: &StoredVersion) -> String {
        let name = described(version);
        let Ok(key) = &version.content else {
            return name;
        };
        let window = key.version.window;
        let phase = match window.check(self.now) {
            Ok(()) => format!("signs until {}", instant_text(window.until())),
            Err(NotOpen::NotYet) => format!("opens at {}", instant_text(window.from())),
            Err(NotOpen::Expired) => format!("ended {}", instant_text(window.until())),
        };
        let lost = match version.stages.is_empty() {
            true => ", and has lost its label",
            false => "",
        };
        format!("{name}, which {phase}{lost}")
    }
}

/// The key and its version: of one key, there may be two.
fn described(version: &StoredVersion) -> String {
    match &version.content {
        Ok(key) => format!("{} (version {})", key.version.key_id, version.id),
        Err(_) => format!("version {}", version.id),
    }
}
