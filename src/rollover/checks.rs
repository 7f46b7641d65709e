//! What must hold before the staged key may be promoted.

use chrono::{DateTime, Utc};

use super::proposal::check_coverage;
use super::snapshot::{Replica, Snapshot, StoredKey, StoredVersion, is_revoked, who_says_revoked};
use super::{StepRefusal, staging, timeline, unstaged};
use checkpoint::counted::counted;
use checkpoint::key::{covered_until, instant_text};
use checkpoint::keyring::KeyState;
use checkpoint::signing::NotOpen;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// What was found, or what is wrong.
    pub found: Result<String, String>,
}

impl Check {
    pub(super) fn new(name: &'static str, found: Result<String, String>) -> Self {
        Self { name, found }
    }
}

/// Checks the staged key without its private half. `endorsed` says whether it must be endorsed by the key that is
/// AWSCURRENT.
///
/// # Errors
/// [`StepRefusal`] when nothing is staged, or no key is AWSCURRENT.
pub fn check_staged(
    snapshot: &Snapshot,
    replicas: &[Replica],
    endorsed: bool,
    now: DateTime<Utc>,
) -> Result<Vec<Check>, StepRefusal> {
    let current = snapshot.current()?;
    let current_key = current.key()?;
    let nothing = || StepRefusal::NothingStaged {
        current: current.name().into(),
        next: unstaged::command_or_stage(snapshot, replicas, now),
    };
    let pending = snapshot.staged().ok_or_else(nothing)?;
    let staged = match &pending.content {
        Ok(staged) => staged,
        Err(problem) => return Ok(vec![Check::new("form", Err(problem.clone()))]),
    };
    let version = &staged.version;
    let form = format!(
        "{}, {}, {} bits, fingerprint {}",
        version.key_id,
        version.algorithm,
        version.public_key.bits(),
        version.fingerprint()
    );
    // Whatever was parsed has made a trial signature that both implementations have verified.
    let signature = format!(
        "{} made by aws-lc-rs, verified by aws-lc-rs and by rsa",
        version.algorithm
    );
    Ok(vec![
        Check::new("form", Ok(form)),
        Check::new("signature", Ok(signature)),
        Check::new("window", window(staged, current_key, replicas, now)),
        Check::new("no gap", no_gap(staged, snapshot, replicas, now)),
        Check::new("no reuse", no_reuse(pending, staged, snapshot, replicas)),
        Check::new(
            "endorsement",
            match endorsed {
                true => endorsement(staged, current_key, snapshot, replicas, now),
                false => {
                    Ok("not asked for: whoever pinned an earlier key must pin this one".into())
                }
            },
        ),
        Check::new(
            "nothing lost",
            nothing_lost(staged, current_key, snapshot, replicas, now),
        ),
    ])
}

/// Refuses a key that failed a check; `next` says what to do then.
pub(super) fn all_right(
    name: &str,
    checks: &[Check],
    next: impl FnOnce() -> String,
) -> Result<(), StepRefusal> {
    let problem = |check: &Check| Some(format!("{}: {}", check.name, check.found.as_ref().err()?));
    let problems: Vec<String> = checks.iter().filter_map(problem).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(StepRefusal::Unfit {
            key_id: name.into(),
            problems,
            next: next(),
        }),
    }
}

fn window(
    staged: &StoredKey,
    current: &StoredKey,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> Result<String, String> {
    let (window, last) = (staged.version.window, current.version.window);
    if window.until() <= now {
        return Err(format!("the window {window} has passed"));
    }
    let goes_on = last.from() <= now && !is_revoked(replicas, &current.version);
    if goes_on && window.from() <= last.from() {
        return Err(format!(
            "the window {window} begins no later than {last} of {}, which would go on signing",
            current.version.key_id
        ));
    }
    if window.until() <= last.until() && last.until() > now && window.from() > now {
        return Err(format!("the window {window} ends before {last} does"));
    }
    match window.from() <= now {
        true => Ok(format!("{window}: it signs as soon as it is promoted")),
        false => {
            let left = timeline::days(window.from() - now);
            Ok(format!("{window}: opens in {left}"))
        }
    }
}

fn no_gap(
    staged: &StoredKey,
    snapshot: &Snapshot,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> Result<String, String> {
    let trusted = snapshot.trusted_windows(replicas);
    check_coverage(staged.version.window, &trusted, now).map_err(|gap| gap.to_string())?;
    match covered_until(&trusted, now) {
        Some(_) => Ok("signing goes on without a break".into()),
        None => Ok("no key is in force now: this one ends that".into()),
    }
}

fn no_reuse(
    pending: &StoredVersion,
    staged: &StoredKey,
    snapshot: &Snapshot,
    replicas: &[Replica],
) -> Result<String, String> {
    let version = &staged.version;
    let others = snapshot
        .versions
        .iter()
        .filter(|other| other.id != pending.id);
    let mut compared = 0;
    for other in others {
        let Ok(key) = &other.content else { continue };
        compared += 1;
        let what = if key.version.key_id == version.key_id {
            "key_id"
        } else if key.version.public_key == version.public_key {
            "public key"
        } else {
            continue;
        };
        return Err(format!(
            "its {what} is that of version {} already",
            other.id
        ));
    }
    let thumbprint = version.public_key.thumbprint();
    let fingerprint = version.fingerprint().to_string();
    for replica in replicas {
        for key in replica.keys() {
            compared += 1;
            let (name, same) = (
                key.key_id == version.key_id.as_str(),
                key.thumbprint == thumbprint,
            );
            if name != same {
                let what = if name { "key_id" } else { "public key" };
                return Err(format!(
                    "its {what} is that of {} at {} already",
                    key.key_id, replica.url
                ));
            }
            if same && key.state == KeyState::Revoked {
                return Err(format!("it is revoked, says {}", replica.url));
            }
            if same && key.fingerprint != fingerprint {
                return Err(format!(
                    "{} has another window or algorithm for it: there its fingerprint is {}, here {fingerprint}",
                    replica.url, key.fingerprint
                ));
            }
        }
    }
    Ok(format!(
        "compared with {}",
        counted(compared, "key", "keys")
    ))
}

fn endorsement(
    staged: &StoredKey,
    current: &StoredKey,
    snapshot: &Snapshot,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> Result<String, String> {
    let endorser = &current.version;
    let name = &endorser.key_id;
    let revoked = who_says_revoked(replicas, endorser);
    match (&staged.endorsement, revoked) {
        (None, revoked) => {
            let why = match (revoked, endorser.window.check(now)) {
                (Some(replica), _) => format!(", which is revoked, says {}", replica.url),
                (None, Err(NotOpen::Expired)) => {
                    format!(", which ended {}", instant_text(endorser.window.until()))
                }
                (None, Err(NotOpen::NotYet)) => {
                    let from = instant_text(endorser.window.from());
                    format!(", which is in force only from {from}")
                }
                (None, Ok(())) => return Err(format!("it has none by {name}")),
            };
            Err(format!(
                "it has none by {name}{why}: go on without one by --without-endorsement"
            ))
        }
        (Some(_), Some(replica)) => Err(format!(
            "it is by {name}, which is revoked, says {}, and worth nothing: {}",
            replica.url,
            staging::another_one(snapshot, replicas, now)
        )),
        (Some(endorsement), None) => endorsement
            .check(endorser, &staged.version)
            .map(|()| format!("by {name}, right"))
            .map_err(|error| format!("it {error}")),
    }
}

/// AWSPREVIOUS moves to the key that is AWSCURRENT now: the one that has it loses its trust, and must not be needed
/// any more.
fn nothing_lost(
    staged: &StoredKey,
    current: &StoredKey,
    snapshot: &Snapshot,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> Result<String, String> {
    let previous = snapshot.previous();
    let Some(previous) = previous.and_then(|version| version.content.as_ref().ok()) else {
        return Ok("no other key is AWSPREVIOUS".into());
    };
    let name = &previous.version.key_id;
    let mut after = vec![staged.version.window];
    if !is_revoked(replicas, &current.version) {
        after.push(current.version.window);
    }
    let before = covered_until(&snapshot.trusted_windows(replicas), now);
    match (before, covered_until(&after, now)) {
        (Some(before), after) if after.is_none_or(|after| after < before) => Err(format!(
            "{name} is AWSPREVIOUS and needed until {}; promoting would take the label from it",
            instant_text(previous.version.window.until())
        )),
        _ => Ok(format!("{name} (AWSPREVIOUS) is not needed any more")),
    }
}
