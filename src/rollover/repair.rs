//! The way back: which labels have to be moved so that the keys that the services can use are trusted again, after somebody has put or
//! moved something past the steps.

use chrono::{DateTime, Utc};

use super::change::LabelChange;
use super::snapshot::{Snapshot, StoredKey, StoredVersion};
use super::{Relabelling, Situation, StepRefusal};
use checkpoint::key::{StagingLabel, instant_text};
use checkpoint::signing::NotOpen;

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

    fn until(&self) -> DateTime<Utc> {
        self.key.version.window.until()
    }
}

/// A key whose window holds, and one that takes over from it.
struct Pair<'a> {
    signer: Usable<'a>,
    next: Option<Usable<'a>>,
}

impl Pair<'_> {
    /// Until when they sign.
    fn until(&self) -> DateTime<Utc> {
        let next = self.next.as_ref().map(Usable::until);
        next.unwrap_or_else(|| self.signer.until())
            .max(self.signer.until())
    }
}

impl Situation {
    /// What has to be repaired; none where the labels are right, or no label can mend it, so that a new key is needed.
    pub fn repair(&self) -> Option<Relabelling> {
        if !self.doubts().is_empty() || self.hidden().next().is_some() {
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
        Some(Relabelling { told, changes })
    }

    /// Decides what a repair comes to.
    ///
    /// # Errors
    /// [`StepRefusal`] when nobody could be asked what the services have.
    pub fn mending(&self) -> Result<Relabelling, StepRefusal> {
        self.check_clock()?;
        self.check_hidden()?;
        let mut doubts = self.doubts();
        if doubts.is_empty() && !self.without_asking {
            doubts = self.lost();
        }
        let repair = self.repair();
        if !doubts.is_empty() || (repair.is_some() && !self.may_repair()) {
            let told = repair.map(|repair| repair.told).unwrap_or_default();
            return Err(self.in_doubt(doubts.into_iter().chain(told).collect()));
        }
        if repair
            .as_ref()
            .is_some_and(|repair| self.unread_after(repair).is_some())
        {
            return Err(StepRefusal::NotReady(self.hindrances()));
        }
        let lost = self.lost();
        Ok(repair.unwrap_or_else(|| Relabelling {
            told: match lost.is_empty() {
                true => vec!["the labels are where they belong: there is nothing to repair".into()],
                // Nobody was to be asked.
                false => lost,
            },
            changes: Vec::new(),
        }))
    }

    fn in_doubt(&self, doubts: Vec<String>) -> StepRefusal {
        let problems = self.unanswered();
        StepRefusal::InDoubt { doubts, problems }
    }

    /// Whether it is known what the services have, or the operator does not want it asked.
    pub(super) fn may_repair(&self) -> bool {
        self.was_told() || self.without_asking
    }

    /// Refuses to go on from what the services do not go on from, where that can be repaired, or nobody can say.
    ///
    /// # Errors
    /// [`StepRefusal::Clock`], [`StepRefusal::Hidden`], [`StepRefusal::Disordered`] and [`StepRefusal::InDoubt`].
    pub(super) fn check_order(&self) -> Result<(), StepRefusal> {
        self.check_clock()?;
        self.check_hidden()?;
        let doubts = self.doubts();
        if !doubts.is_empty() {
            return Err(self.in_doubt(doubts));
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

    /// What has a label and cannot be read here: the services may well read it.
    pub(super) fn hidden(&self) -> impl Iterator<Item = &StoredVersion> {
        let versions = self.snapshot.versions.iter();
        versions.filter(|version| version.hidden && version.has_a_label_of_aws())
    }

    fn check_hidden(&self) -> Result<(), StepRefusal> {
        let hidden = self.hidden().map(|version| {
            let problem = self.standing(version).problem().unwrap_or_default();
            format!("{} ({}) {problem}", described(version), version.labels())
        });
        let hidden: Vec<String> = hidden.collect();
        match hidden.is_empty() {
            true => Ok(()),
            false => Err(StepRefusal::Hidden(hidden)),
        }
    }

    /// The versions that have a label which trusts them, and that the services cannot use.
    pub(super) fn unfit(&self) -> impl Iterator<Item = (&StoredVersion, String)> {
        let trusted = self.snapshot.versions.iter().filter(|v| v.is_trusted());
        trusted.filter_map(|version| Some((version, self.standing(version).problem()?)))
    }

    /// Which versions that are trusted contradict one another, where nobody could be asked which one is right.
    pub(super) fn doubts(&self) -> Vec<String> {
        if self.was_told() {
            return Vec::new();
        }
        let doubtful = self.unfit().filter(|(version, _)| version.content.is_ok());
        let doubtful =
            doubtful.map(|(version, problem)| format!("{} {problem}", described(version)));
        let lost = match self.without_asking {
            true => Vec::new(),
            false => self.in_the_way(),
        };
        doubtful.chain(lost).collect()
    }

    /// What may be lost, unless another key without an endorsement was staged: whoever did that has given up what was before.
    pub(super) fn in_the_way(&self) -> Vec<String> {
        let staged = self.snapshot.staged();
        let staged = staged.and_then(|version| version.content.as_ref().ok());
        match staged.is_some_and(|key| key.endorsement.is_none()) {
            true => Vec::new(),
            false => self.lost(),
        }
    }

    /// The keys whose window holds and that no label trusts, while none is in force that has one: whether the services had them, and the
    /// labels were moved from them past the steps, nobody could be asked.
    pub(super) fn lost(&self) -> Vec<String> {
        let mut trusted = self.trusted_windows().into_iter();
        if self.was_told() || trusted.any(|window| window.contains(self.now)) {
            return Vec::new();
        }
        let unlabelled = self.snapshot.versions.iter().filter(|version| {
            let key = version.content.as_ref().ok();
            let is_open = key.is_some_and(|key| key.version.window.contains(self.now));
            is_open && !version.is_trusted() && !version.has(&StagingLabel::Pending)
        });
        unlabelled
            .map(|version| {
                let name = described(version);
                format!(
                    "{name} could sign now, and no label trusts it: whether it is the key in force that has lost its label, or one that was \
                     given up, the secret alone does not say, and the services and the record (--record) do"
                )
            })
            .collect()
    }

    fn stands_well(&self, id: &str) -> bool {
        let version = self.snapshot.version(id);
        version.is_some_and(|version| self.good(version).is_some())
    }

    /// The key that signs now and, where there is one, the key that takes over from it without a gap: those by which signing goes on
    /// the longest.
    fn target(&self) -> Option<Target<'_>> {
        let current = self.usable(self.snapshot.current());
        let Some(longest) = self.pairs().map(|pair| pair.until()).max() else {
            // What opens later, no label has open earlier.
            return match current {
                Some(_) => None,
                None => Some(Target {
                    current: self.later()?.version,
                    previous: None,
                }),
            };
        };
        let best = || self.pairs().filter(|pair| pair.until() == longest);
        if best().any(|pair| self.is_labelled(&pair)) {
            return None;
        }
        let signs = self.signs().map(|version| version.id.as_str());
        let pair = best().max_by_key(|pair| {
            let trusted = |usable: &Usable<'_>| usable.version.is_trusted();
            let signs = signs == Some(pair.signer.version.id.as_str());
            let next = pair.next.as_ref().is_some_and(trusted);
            // The fewer keys the better, and what is trusted before what was.
            (
                pair.next.is_none(),
                trusted(&pair.signer),
                signs,
                next,
                pair.signer.from(),
            )
        })?;
        Some(match pair.next {
            Some(next) => Target {
                current: next.version,
                previous: Some(pair.signer.version),
            },
            None => Target {
                current: pair.signer.version,
                previous: None,
            },
        })
    }

    /// Whether the labels are where they belong for it.
    fn is_labelled(&self, pair: &Pair<'_>) -> bool {
        let has = |usable: &Usable<'_>, label| usable.version.has(&label);
        let signer = &pair.signer;
        match &pair.next {
            None => has(signer, StagingLabel::Current),
            Some(next) if has(next, StagingLabel::Current) => has(signer, StagingLabel::Previous),
            // One for the time until the next one opens ends when that does.
            Some(next) => {
                has(signer, StagingLabel::Current)
                    && has(next, StagingLabel::Previous)
                    && next.until() <= signer.until()
            }
        }
    }

    fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        let open = self.all_usable().filter(|usable| usable.from() <= self.now);
        open.flat_map(move |signer| {
            let later = self
                .all_usable()
                .filter(move |next| next.from() > self.now && next.from() <= signer.until());
            let alone = std::iter::once(Pair { signer, next: None });
            alone.chain(later.map(move |next| Pair {
                signer,
                next: Some(next),
            }))
        })
    }

    fn usable<'a>(&self, version: Option<&'a StoredVersion>) -> Option<Usable<'a>> {
        let version = version?;
        let key = self.good(version)?;
        let (window, trusted) = (key.version.window, version.is_trusted());
        // What no label trusts was given up, unless the services had it.
        let is_usable = window.until() > self.now && (trusted || self.is_known(&key.version));
        is_usable.then_some(Usable { version, key })
    }

    fn all_usable(&self) -> impl Iterator<Item = Usable<'_>> {
        let versions = self.snapshot.versions.iter();
        versions.filter_map(|version| self.usable(Some(version)))
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
