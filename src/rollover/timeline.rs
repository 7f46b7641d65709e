//! The timeline of windows, and what is to be warned about.

use chrono::{DateTime, TimeDelta, Utc};

use super::snapshot::{Replica, Snapshot, StoredVersion, is_revoked};
use super::staging::another_one;
use checkpoint::key::{
    KeyId, KeyVersion, StagingLabel, ValidityWindow, WARN_DAYS, covered_until, instant_text,
};

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
            Self::GivenUp => "given up",
        }
    }

    fn of(
        stored: &StoredVersion,
        key: &KeyVersion,
        replicas: &[Replica],
        now: DateTime<Utc>,
    ) -> Self {
        let window = key.window;
        if is_revoked(replicas, key) {
            Self::Revoked
        } else if now >= window.until() {
            Self::Past
        } else if !stored.is_trusted() {
            match stored.has(&StagingLabel::Pending) {
                true => Self::Staged,
                false => Self::GivenUp,
            }
        } else if now < window.from() {
            Self::Scheduled
        } else {
            Self::Active
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

/// Something that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
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
        "{staged} is staged, and endorsed by {endorser}, which is revoked, so that the endorsement is worth nothing: {then}"
    )]
    EndorsedInVain {
        /// The staged key.
        staged: KeyId,
        /// The revoked one.
        endorser: KeyId,
        /// What to do.
        then: String,
    },
    /// A version cannot be read.
    #[error("version {id} ({labels}) is not a key: {problem}")]
    Unreadable {
        /// The version.
        id: String,
        /// Its labels.
        labels: String,
        /// What is wrong.
        problem: String,
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
    /// What to know.
    pub warnings: Vec<Warning>,
}

impl Timeline {
    /// As things are at `now`.
    pub fn new(snapshot: &Snapshot, replicas: &[Replica], now: DateTime<Utc>) -> Self {
        let mut spans: Vec<TimelineKey> = snapshot
            .versions
            .iter()
            .filter_map(|stored| {
                let key = stored.content.as_ref().ok()?.version.clone();
                Some(TimelineKey {
                    phase: Phase::of(stored, &key, replicas, now),
                    key,
                    version_id: stored.id.clone(),
                    stages: stored.stages.clone(),
                    signs: false,
                })
            })
            .collect();
        spans.sort_by_key(|span| (span.key.window.from(), span.key.key_id.clone()));
        let signs = spans.iter_mut().rfind(|span| span.phase == Phase::Active);
        if let Some(span) = signs {
            span.signs = !nobody_signs(replicas);
        }
        let mut warnings = time_warnings(&spans, &snapshot.trusted_windows(replicas), now);
        warnings.extend(endorsed_in_vain(snapshot, replicas, now));
        warnings.extend(unreadable(snapshot));
        warnings.extend(replicas.iter().flat_map(|r| replica_warnings(r, snapshot)));
        Self { spans, warnings }
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

fn time_warnings(
    spans: &[TimelineKey],
    trusted: &[ValidityWindow],
    now: DateTime<Utc>,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    match covered_until(trusted, now) {
        None => warnings.push(Warning::NothingInForce),
        Some(until) => {
            let left = until - now;
            let passed = |days: &&i64| left <= TimeDelta::days(**days);
            let later = trusted.iter().any(|window| window.from() > until);
            if let Some(within_days) = WARN_DAYS.iter().find(passed).copied()
                && !later
            {
                warnings.push(Warning::Ends {
                    until,
                    left,
                    within_days,
                });
            }
        }
    }
    // What is staged counts: its gap is to be seen before it is promoted.
    let planned =
        |span: &&TimelineKey| !matches!(span.phase, Phase::Past | Phase::Revoked | Phase::GivenUp);
    let planned: Vec<&TimelineKey> = spans.iter().filter(planned).collect();
    let mut covered: Option<DateTime<Utc>> = None;
    for span in planned {
        let window = span.key.window;
        if let Some(from) = covered.or((window.from() > now).then_some(now))
            && window.from() > from
        {
            warnings.push(Warning::Gap {
                from,
                until: window.from(),
                next: span.key.key_id.clone(),
            });
        }
        covered = covered.max(Some(window.until()));
    }
    warnings
}

fn endorsed_in_vain(
    snapshot: &Snapshot,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> Option<Warning> {
    let staged = snapshot.staged()?.content.as_ref().ok()?;
    let current = snapshot.current().ok()?.content.as_ref().ok()?;
    staged.endorsement.as_ref()?;
    is_revoked(replicas, &current.version).then(|| Warning::EndorsedInVain {
        staged: staged.version.key_id.clone(),
        endorser: current.version.key_id.clone(),
        then: another_one(snapshot, replicas, now),
    })
}

fn unreadable(snapshot: &Snapshot) -> impl Iterator<Item = Warning> {
    snapshot.versions.iter().filter_map(|stored| {
        let problem = stored.content.as_ref().err()?.clone();
        Some(Warning::Unreadable {
            id: stored.id.clone(),
            labels: stored.labels(),
            problem,
        })
    })
}

fn replica_warnings(replica: &Replica, snapshot: &Snapshot) -> Vec<Warning> {
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
    let trusted = snapshot.versions.iter().filter(|v| v.is_trusted());
    for key in trusted.filter_map(|version| version.content.as_ref().ok()) {
        if replica.state_of(&key.version).is_none() {
            let not_listed = || format!("does not list {} (yet)", key.version.key_id);
            let problem = replica.difference(&key.version).unwrap_or_else(not_listed);
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

/// A length of time for a person: days, and hours for the last two.
pub fn days(length: TimeDelta) -> String {
    match length.num_days() {
        days @ 2.. => format!("{days} days"),
        _ => match length.num_hours() {
            1 => "1 hour".into(),
            hours => format!("{hours} hours"),
        },
    }
}
