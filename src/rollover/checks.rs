//! What must hold before the staged key may be promoted.

use super::proposal::check_coverage;
use super::snapshot::{StoredKey, StoredVersion};
use super::standing::difference;
use super::{Situation, StepRefusal, timeline};
use checkpoint::counted::counted;
use checkpoint::key::{covered_until, instant_text};
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
pub fn check_staged(situation: &Situation, endorsed: bool) -> Result<Vec<Check>, StepRefusal> {
    let snapshot = &situation.snapshot;
    let current = situation.must_have_current()?;
    let nothing = || StepRefusal::NothingStaged(current.name().into());
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
    // One that the services refuse goes on with nothing.
    let goes_on = situation.good(current);
    let endorsement = match endorsed {
        true => endorsement(situation, current, staged),
        false => Ok("not asked for: whoever pinned an earlier key must pin this one".into()),
    };
    Ok(vec![
        Check::new("form", Ok(form)),
        Check::new("signature", Ok(signature)),
        Check::new("window", window(situation, goes_on, staged)),
        Check::new("no gap", no_gap(situation, staged)),
        Check::new("no reuse", no_reuse(situation, pending, staged)),
        Check::new("endorsement", endorsement),
        Check::new("nothing lost", nothing_lost(situation, goes_on, staged)),
        Check::new("services", services(situation)),
    ])
}

/// The key in force gets another label by the promotion, and each service has to read it by that.
fn services(situation: &Situation) -> Result<String, String> {
    let hindrances = situation.hindrances();
    if !hindrances.is_empty() {
        return Err(hindrances.join("; "));
    }
    let services = situation.replicas.iter();
    match services.filter(|replica| !replica.names_a_record()).count() {
        0 => Ok("none was named (--server), and none asked".into()),
        1 => Ok("it answers, and can read its keys".into()),
        count => Ok(format!("all {count} answer, and can read their keys")),
    }
}

/// Refuses a key that failed a check.
pub(super) fn all_right(name: &str, checks: &[Check]) -> Result<(), StepRefusal> {
    let problem = |check: &Check| Some(format!("{}: {}", check.name, check.found.as_ref().err()?));
    let problems: Vec<String> = checks.iter().filter_map(problem).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(StepRefusal::Unfit {
            key_id: name.into(),
            problems,
        }),
    }
}

fn window(
    situation: &Situation,
    current: Option<&StoredKey>,
    staged: &StoredKey,
) -> Result<String, String> {
    let (window, now) = (staged.version.window, situation.now);
    if window.until() <= now {
        return Err(format!("the window {window} has passed"));
    }
    if let Some(current) = current {
        let last = current.version.window;
        if last.from() <= now && window.from() <= last.from() {
            return Err(format!(
                "the window {window} begins no later than {last} of {}, which would go on signing",
                current.version.key_id
            ));
        }
        let ends_first = window.until() <= last.until() && window.from() > now;
        // A repair would give the label back to the one that signs for longer.
        let is_shorter = window.until() < last.until() && last.from() <= now;
        if last.until() > now && (ends_first || is_shorter) {
            return Err(format!("the window {window} ends before {last} does"));
        }
    }
    match window.from() <= now {
        true => Ok(format!("{window}: it signs as soon as it is promoted")),
        false => {
            let left = timeline::days(window.from() - now);
            Ok(format!("{window}: opens in {left}"))
        }
    }
}

fn no_gap(situation: &Situation, staged: &StoredKey) -> Result<String, String> {
    let trusted = situation.trusted_windows();
    let covered = check_coverage(staged.version.window, &trusted, situation.now);
    covered.map_err(|gap| gap.to_string())?;
    match covered_until(&trusted, situation.now) {
        Some(_) => Ok("signing goes on without a break".into()),
        None => Ok("no key is in force now: this one ends that".into()),
    }
}

/// Names and public keys are for one key for ever, also those that were given up.
fn no_reuse(
    situation: &Situation,
    pending: &StoredVersion,
    staged: &StoredKey,
) -> Result<String, String> {
    let version = &staged.version;
    let versions = situation.snapshot.versions.iter();
    let others = versions.filter(|other| other.id != pending.id);
    let mut compared = 0;
    for (other, key) in others.filter_map(|other| Some((other, other.content.as_ref().ok()?))) {
        compared += 1;
        if key.version == *version && other.is_trusted() {
            let labels = other.labels();
            return Err(format!("it is {labels} already, as version {}", other.id));
        }
        if let Some(difference) = difference(version, &key.version) {
            return Err(format!("version {} {difference}", other.id));
        }
    }
    let standing = situation.standing(pending);
    if let Some(problem) = standing.problem() {
        return Err(format!("it {problem}"));
    }
    let listed = situation
        .replicas
        .iter()
        .map(|replica| replica.keys().len());
    compared += listed.sum::<usize>();
    Ok(format!(
        "compared with {}",
        counted(compared, "key", "keys")
    ))
}

fn endorsement(
    situation: &Situation,
    current: &StoredVersion,
    staged: &StoredKey,
) -> Result<String, String> {
    let name = current.name();
    let (problem, next) = match (&staged.endorsement, situation.good(current)) {
        (Some(endorsement), Some(endorser)) => {
            return endorsement
                .check(&endorser.version, &staged.version)
                .map(|()| format!("by {name}, right"))
                .map_err(|error| format!("it {error}"));
        }
        (None, Some(endorser)) => {
            let window = endorser.version.window;
            match window.check(situation.now) {
                Err(NotOpen::Expired) => {
                    let until = instant_text(window.until());
                    (format!("it has none by {name}, which ended {until}"), true)
                }
                Err(NotOpen::NotYet) => {
                    let from = instant_text(window.from());
                    let problem =
                        format!("it has none by {name}, which is in force only from {from}");
                    (problem, true)
                }
                Ok(()) => (format!("it has none by {name}"), false),
            }
        }
        (found, None) => {
            let why = situation.standing(current).problem().unwrap_or_default();
            match found {
                None => (format!("it has none by {name}, which {why}"), true),
                Some(_) => (
                    format!("it is by {name}, which {why}, and worth nothing"),
                    false,
                ),
            }
        }
    };
    match next {
        true => Err(format!(
            "{problem}: go on without one by --without-endorsement"
        )),
        false => Err(problem),
    }
}

/// AWSPREVIOUS moves to the key that is AWSCURRENT now: the one that has it loses its trust, and must not be needed
/// any more.
fn nothing_lost(
    situation: &Situation,
    current: Option<&StoredKey>,
    staged: &StoredKey,
) -> Result<String, String> {
    let Some((_, previous)) = situation.previous() else {
        return Ok("no other key is AWSPREVIOUS".into());
    };
    let name = &previous.version.key_id;
    let after = current.into_iter().chain([staged]);
    let after: Vec<_> = after.map(|key| key.version.window).collect();
    let before = covered_until(&situation.trusted_windows(), situation.now);
    match (before, covered_until(&after, situation.now)) {
        (Some(before), after) if after.is_none_or(|after| after < before) => Err(format!(
            "{name} is AWSPREVIOUS and needed until {}; promoting would take the label from it",
            instant_text(previous.version.window.until())
        )),
        _ => Ok(format!("{name} (AWSPREVIOUS) is not needed any more")),
    }
}
