//! What comes next, told the same by every step: one whole command, that would not be refused as things are, or that there is
//! nothing to do.

use chrono::{DateTime, Utc};

use super::check_staged;
use super::snapshot::{Replica, Snapshot, StoredVersion};
use super::staging::unendorsed_flag;
use super::unstaged::{self, retirement};
use checkpoint::key::instant_text;

/// What to do next, for a person.
pub(super) fn what(snapshot: &Snapshot, replicas: &[Replica], now: DateTime<Utc>) -> String {
    command(snapshot, replicas, now).unwrap_or_else(|| match retirement(snapshot) {
        Some((until, retire)) => format!("nothing, until {}; then {retire}", instant_text(until)),
        None => "nothing, until the next key is to be staged; rollover status warns in time".into(),
    })
}

/// The same for a person who was to stage a key anyway.
pub(super) fn command_or_stage(
    snapshot: &Snapshot,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> String {
    match snapshot.staged() {
        Some(staged) => with_staged(staged, snapshot, replicas, now),
        None => unstaged::command_or_stage(snapshot, replicas, now),
    }
}

fn command(snapshot: &Snapshot, replicas: &[Replica], now: DateTime<Utc>) -> Option<String> {
    match snapshot.staged() {
        Some(staged) => Some(with_staged(staged, snapshot, replicas, now)),
        None => unstaged::command(snapshot, replicas, now),
    }
}

/// How to go on with the key that is staged.
pub(super) fn with_staged(
    staged: &StoredVersion,
    snapshot: &Snapshot,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> String {
    let wrong = |endorsed| {
        let checks = check_staged(snapshot, replicas, endorsed, now).unwrap_or_default();
        let wrong = checks.iter().filter(|check| check.found.is_err());
        let names: Vec<&str> = wrong.map(|check| check.name).collect();
        (checks.is_empty() || !names.is_empty()).then_some(names)
    };
    let name = staged.name();
    let endorsed = staged.key().is_ok_and(|key| key.endorsement.is_some());
    match wrong(endorsed) {
        None => format!("rollover test {name}{}", unendorsed_flag(endorsed)),
        Some(wrong) if wrong == ["nothing lost"] => {
            let trusted = snapshot.trusted_windows(replicas);
            let staged = staged.content.as_ref().map(|key| key.version.window);
            let windows = trusted.iter().chain(staged.as_ref().ok());
            let opens = windows
                .map(|window| window.from())
                .filter(|from| *from > now);
            match opens.min() {
                Some(opens) => format!("nothing, until {}", instant_text(opens)),
                None => format!("rollover abort {name}"),
            }
        }
        Some(_) => format!("rollover abort {name}"),
    }
}
