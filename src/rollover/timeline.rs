//! The timeline of windows, and what is to be warned about.

use chrono::{DateTime, TimeDelta, Utc};

use super::snapshot::{Replica, StoredVersion};
use super::standing::Standing;
use super::{ClocksDiffer, Situation};
use checkpoint::counted::counted;
use checkpoint::key::{KeyId, KeyVersion, StagingLabel, WARN_DAYS, covered_until, instant_text};

/// Where a key is in its life, as the secret's labels and the time say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its window has ended.
    Past,
    /// Trusted, and its window holds.
    Active,
    /// Trusted; its window opens later.
    Scheduled,
    /// AWSPENDING: not trusted yet.
    Staged,
    /// A service says that it is revoked.
    Revoked,
    /// The services refuse it, or may: it contradicts what they have, or another version.
    Refused,
    /// The services had it, and no label trusts it any more; some may sign with it from memory, until they are started again.
    Unlabelled,
    /// No label trusts it although its window has not ended: it was given up.
    GivenUp,
}

impl Phase {
    /// For a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Past => "past",
            Self::Active => "active",
            Self::Scheduled => "scheduled",
            Self::Staged => "staged",
            Self::Revoked => "revoked",
            Self::Refused => "refused",
            Self::Unlabelled => "unlabeled",
            Self::GivenUp => "given up",
        }
    }

    fn of(stored: &StoredVersion, key: &KeyVersion, situation: &Situation) -> Self {
        let (window, now) = (key.window, situation.now);
        match situation.standing(stored) {
            Standing::Revoked(_) => Self::Revoked,
            Standing::Refused(_) | Standing::Doubtful(_) => Self::Refused,
            _ if now >= window.until() => Self::Past,
            _ if stored.is_trusted() && now < window.from() => Self::Scheduled,
            _ if stored.is_trusted() => Self::Active,
            _ if stored.has(&StagingLabel::Pending) => Self::Staged,
            _ if situation.is_known(key) => Self::Unlabelled,
            _ => Self::GivenUp,
        }
    }
}

/// One key on the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineKey {
    /// The key.
    pub key: KeyVersion,
    /// The version of the secret that holds it.
    pub version_id: String,
    /// The version's labels.
    pub stages: Vec<StagingLabel>,
    /// Where the key is in its life.
    pub phase: Phase,
    /// Whether it is the one that signs now.
    pub signs: bool,
}

/// When no key can sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where it begins.
    pub from: DateTime<Utc>,
    /// Where it ends.
    pub until: DateTime<Utc>,
    /// The key that ends it.
    pub next: KeyId,
}

/// Something that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A key may have lost its label, and nobody could be asked.
    #[error("{0}")]
    MayBeLost(String),
    /// This machine's clock is in doubt, and all that is said of time with it.
    #[error("THE CLOCK IS IN DOUBT: {0}: what is said here of time may be wrong")]
    Clock(ClocksDiffer),
    /// Nothing can be signed.
    #[error("NO KEY IS IN FORCE: nothing can be signed now")]
    NothingInForce,
    /// The last window ends soon.
    #[error("signing ends in {}, at {}: no later key is trusted", days(*.left), instant_text(*.until))]
    Ends {
        /// When.
        until: DateTime<Utc>,
        /// How long that is.
        left: TimeDelta,
        /// The entry of [`WARN_DAYS`] that was passed.
        within_days: i64,
    },
    /// No key can sign for a while.
    #[error("gap: no key can sign from {} until {next} opens, {}", instant_text(*.from), instant_text(*.until))]
    Gap {
        /// Where it begins.
        from: DateTime<Utc>,
        /// Where it ends.
        until: DateTime<Utc>,
        /// The key that ends it.
        next: KeyId,
    },
    /// The staged key has an endorsement that is worth nothing.
    #[error(
        "{staged} is staged, and endorsed by {endorser}, which is revoked, so that the endorsement is worth nothing"
    )]
    EndorsedInVain {
        /// The staged key.
        staged: KeyId,
        /// The revoked one.
        endorser: KeyId,
    },
    /// Something speaks against a version that has a label.
    #[error("{name} ({labels}) {problem}")]
    Unfit {
        /// Its key, or the version that holds none.
        name: String,
        /// Its labels.
        labels: String,
        /// What.
        problem: String,
    },
    /// A label in another case.
    #[error(
        "version {id} has the label {found:?}, which is none that counts; expected {right:?}, since case matters: take it away by \
         `aws secretsmanager update-secret-version-stage --secret-id {secret} --version-stage {found} --remove-from-version-id {id}`"
    )]
    Misspelt {
        /// The version.
        id: String,
        /// Its label.
        found: String,
        /// What it may have been meant for.
        right: &'static str,
        /// The secret.
        secret: String,
    },
    /// The labels are not where they belong.
    #[error("{0}")]
    Disordered(String),
    /// The services go on with what no label trusts any more.
    #[error(
        "the services sign with {key_id} from memory: its version {id} has no label any more, so that the next start of one ends it"
    )]
    InMemory {
        /// The key.
        key_id: KeyId,
        /// The version.
        id: String,
    },
    /// A service goes on with what the secret does not hold.
    #[error(
        "{url} signs with {key_id} from memory: no version of this secret holds that key, so that its next start ends it"
    )]
    NotHeld {
        /// The service.
        url: String,
        /// The key, as it told it.
        key_id: String,
    },
    /// A service is not as it should be.
    #[error("{url}: {problem}")]
    Replica {
        /// Which.
        url: String,
        /// What is wrong.
        problem: String,
    },
}

/// The windows in order, and the warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The keys, the earliest window first.
    pub spans: Vec<TimelineKey>,
    /// When no key can sign, as far as that can be told.
    pub gaps: Vec<Gap>,
    /// What to know.
    pub warnings: Vec<Warning>,
    /// What is as it may be, and not as it is in other years, a sentence each.
    pub notes: Vec<String>,
}

impl Timeline {
    /// As things are.
    pub fn new(situation: &Situation) -> Self {
        let Situation { snapshot, now, .. } = situation;
        let (replicas, now) = (&situation.replicas, *now);
        let mut spans: Vec<TimelineKey> = snapshot
            .versions
            .iter()
            .filter_map(|stored| {
                let key = stored.content.as_ref().ok()?.version.clone();
                Some(TimelineKey {
                    phase: Phase::of(stored, &key, situation),
                    key,
                    version_id: stored.id.clone(),
                    stages: stored.stages.clone(),
                    signs: false,
                })
            })
            .collect();
        spans.sort_by_key(|span| {
            let window = span.key.window;
            (window.from(), window.until(), span.key.key_id.clone())
        });
        let signs = situation.signs().map(|version| version.id.as_str());
        let signs = match signs {
            Some(id) => spans.iter_mut().find(|span| span.version_id == id),
            None => spans.iter_mut().rfind(|span| span.phase == Phase::Active),
        };
        if let Some(span) = signs {
            span.signs = !nobody_signs(replicas);
        }
        // One of those that are in doubt, or cannot be read, may well be in force.
        let untold = !situation.doubts().is_empty() || situation.hidden().next().is_some();
        let gaps = match untold {
            true => Vec::new(),
            false => gaps(&spans, now),
        };
        let clocks = situation.doubted_clock().into_iter();
        let mut warnings: Vec<Warning> = clocks.map(Warning::Clock).collect();
        warnings.extend(time_warnings(situation, untold));
        warnings.extend(gaps.iter().map(|gap| Warning::Gap {
            from: gap.from,
            until: gap.until,
            next: gap.next.clone(),
        }));
        warnings.extend(misspelt(situation));
        warnings.extend(disorder(situation));
        warnings.extend(endorsed_in_vain(situation));
        warnings.extend(replicas.iter().flat_map(|r| replica_warnings(r, situation)));
        let odd = snapshot.versions.iter().filter_map(StoredVersion::note);
        let notes = unendorsed(situation).into_iter().chain(odd).collect();
        Self {
            spans,
            gaps,
            warnings,
            notes,
        }
    }
}

/// Whether all services that answer say that they sign nothing.
fn nobody_signs(replicas: &[Replica]) -> bool {
    let mut answers = replicas
        .iter()
        .filter(|replica| replica.listing.is_ok())
        .peekable();
    answers.peek().is_some() && answers.all(|replica| replica.signs_nothing().is_some())
}

fn time_warnings(situation: &Situation, untold: bool) -> Option<Warning> {
    let (trusted, now) = (situation.trusted_windows(), situation.now);
    let Some(until) = covered_until(&trusted, now) else {
        return match situation.signing() {
            // That it goes on from memory, or by another clock than this one, is warned of by itself.
            Some(_) => not_held(situation),
            None => (!untold).then_some(Warning::NothingInForce),
        };
    };
    let left = until - now;
    let passed = |days: &&i64| left <= TimeDelta::days(**days);
    let within_days = WARN_DAYS.iter().find(passed).copied()?;
    let later = trusted.iter().any(|window| window.from() > until);
    (!later).then_some(Warning::Ends {
        until,
        left,
        within_days,
    })
}

fn not_held(situation: &Situation) -> Option<Warning> {
    let (replica, key) = situation.signing()?;
    situation.signs().is_none().then(|| Warning::NotHeld {
        url: replica.url.clone(),
        key_id: key.key_id.clone(),
    })
}

/// When no key can sign, and the key that ends it. What is staged counts: its gap is to be seen before it is promoted.
fn gaps(spans: &[TimelineKey], now: DateTime<Utc>) -> Vec<Gap> {
    let planned = |span: &&TimelineKey| {
        let dropped = [Phase::Past, Phase::Revoked, Phase::GivenUp, Phase::Refused];
        !dropped.contains(&span.phase) && (span.phase != Phase::Unlabelled || span.signs)
    };
    let mut gaps = Vec::new();
    let mut covered: Option<DateTime<Utc>> = None;
    for span in spans.iter().filter(planned) {
        let window = span.key.window;
        if let Some(from) = covered.or((window.from() > now).then_some(now))
            && window.from() > from
        {
            gaps.push(Gap {
                from,
                until: window.from(),
                next: span.key.key_id.clone(),
            });
        }
        covered = covered.max(Some(window.until()));
    }
    gaps
}

/// The very first key has no other before it.
fn unendorsed(situation: &Situation) -> Option<String> {
    let (version, current) = situation.current()?;
    let versions = situation.snapshot.versions.iter();
    let mut others = versions.filter(|other| other.id != version.id);
    let follows = others.any(|other| {
        let other = other.content.as_ref();
        other.is_ok_and(|key| key.version.window.from() < current.version.window.from())
    });
    let key_id = &current.version.key_id;
    (follows && current.endorsement.is_none()).then(|| {
        format!("{key_id} is not endorsed by the key before it: whoever pinned that one has to pin this one")
    })
}

fn endorsed_in_vain(situation: &Situation) -> Option<Warning> {
    let staged = situation.snapshot.staged()?.content.as_ref().ok()?;
    let current = situation.snapshot.current()?.content.as_ref().ok()?;
    staged.endorsement.as_ref()?;
    let revoked = situation.is_revoked(&current.version);
    revoked.then(|| Warning::EndorsedInVain {
        staged: staged.version.key_id.clone(),
        endorser: current.version.key_id.clone(),
    })
}

/// Labels are names, and case matters in them: AWS takes any, and nobody reads this one.
fn misspelt(situation: &Situation) -> Vec<Warning> {
    let right = |label: &StagingLabel| {
        let known = ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"].into_iter();
        let mut same = known.filter(|known| known.eq_ignore_ascii_case(label.as_str()));
        same.next().filter(|known| *known != label.as_str())
    };
    let versions = situation.snapshot.versions.iter();
    let labels =
        versions.flat_map(|version| version.stages.iter().map(move |label| (version, label)));
    let misspelt = labels.filter_map(|(version, label)| {
        Some(Warning::Misspelt {
            id: version.id.clone(),
            found: label.as_str().into(),
            right: right(label)?,
            secret: situation.snapshot.secret.clone(),
        })
    });
    misspelt.collect()
}

/// What speaks against the versions that have labels, and against where the labels are.
fn disorder(situation: &Situation) -> Vec<Warning> {
    let versions = situation.snapshot.versions.iter();
    let labelled = versions.filter(|version| version.has_a_label_of_aws());
    let unfit = labelled.filter_map(|version| {
        let problem = match situation.standing(version) {
            // Its label is taken from it in time.
            Standing::Revoked(_) if !version.has(&StagingLabel::Current) => return None,
            standing => standing.problem()?,
        };
        let name = match version.key() {
            Ok(key) => key.version.key_id.to_string(),
            Err(_) => format!("version {}", version.id),
        };
        let labels = version.labels();
        Some(Warning::Unfit {
            name,
            labels,
            problem,
        })
    });
    let mut warnings: Vec<Warning> = unfit.collect();
    let in_memory = situation.signs().filter(|version| !version.is_trusted());
    if let Some(version) = in_memory
        && let Ok(key) = version.key()
    {
        warnings.push(Warning::InMemory {
            key_id: key.version.key_id.clone(),
            id: version.id.clone(),
        });
    }
    warnings.extend(situation.lost().into_iter().map(Warning::MayBeLost));
    let repair = situation.repair();
    let disordered = repair.into_iter().flat_map(|repair| repair.told);
    warnings.extend(disordered.map(Warning::Disordered));
    warnings
}

fn replica_warnings(replica: &Replica, situation: &Situation) -> Vec<Warning> {
    let listing = match &replica.listing {
        Ok(listing) => listing,
        Err(problem) => return vec![warn(replica, problem.clone())],
    };
    let faults = listing.faults.iter();
    let mut warnings: Vec<Warning> = faults
        .map(|fault| warn(replica, format!("its key source has a fault: {fault}")))
        .collect();
    if let Some(reason) = replica.signs_nothing() {
        warnings.push(warn(replica, format!("signs nothing: {reason}")));
    }
    // Where this one is in doubt, that was said.
    if let Some(differ) = situation.service_clock(replica)
        && situation.doubted_clock().is_empty()
    {
        warnings.push(warn(replica, format!("its clock is wrong: {differ}")));
    }
    let versions = situation.snapshot.versions.iter();
    let trusted = versions.filter(|version| version.is_trusted());
    // What they refuse is warned of by itself.
    for key in trusted.filter_map(|version| situation.good(version)) {
        if replica.state_of(&key.version).is_none() {
            let problem = format!("does not list {} (yet)", key.version.key_id);
            warnings.push(warn(replica, problem));
        }
    }
    warnings
}

fn warn(replica: &Replica, problem: String) -> Warning {
    Warning::Replica {
        url: replica.url.clone(),
        problem,
    }
}

/// A length of time for a person: days, and hours for the last two, minutes for the last one of these.
pub fn days(length: TimeDelta) -> String {
    if length.num_days() >= 2 {
        return format!("{} days", length.num_days());
    }
    match (length.num_hours(), length.num_minutes()) {
        (1, _) => "1 hour".into(),
        (0, minutes) => counted(minutes, "minute", "minutes"),
        (hours, _) => format!("{hours} hours"),
    }
}
