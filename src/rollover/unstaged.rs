//! What comes next while no key is staged.

use chrono::{DateTime, Utc};

use super::snapshot::{Replica, Snapshot, StoredVersion, is_revoked};
use super::staging::stage_command;
use super::{Timeline, Warning};

/// What is to be done now; none where there is nothing to do.
pub(super) fn command(
    snapshot: &Snapshot,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> Option<String> {
    let warnings = Timeline::new(snapshot, replicas, now).warnings;
    let revoked = |version: Option<&StoredVersion>| {
        let key = version.and_then(|version| version.content.as_ref().ok());
        key.is_some_and(|key| is_revoked(replicas, &key.version))
    };
    let ends = |warning: &Warning| matches!(warning, Warning::Ends { .. });
    let previous = retirement(snapshot);
    match previous {
        _ if warnings.contains(&Warning::NothingInForce) => {}
        Some((until, retire)) if until <= now || revoked(snapshot.previous()) => {
            return Some(retire);
        }
        _ if warnings.iter().any(ends) || revoked(snapshot.current().ok()) => {}
        _ => return None,
    }
    Some(stage_command(snapshot, replicas, now))
}

/// The same for a person who was to stage a key anyway.
pub(super) fn command_or_stage(
    snapshot: &Snapshot,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> String {
    let command = command(snapshot, replicas, now);
    command.unwrap_or_else(|| stage_command(snapshot, replicas, now))
}

/// Until when the key before may still sign, and how it is retired.
pub(super) fn retirement(snapshot: &Snapshot) -> Option<(DateTime<Utc>, String)> {
    let previous = snapshot.previous()?;
    let until = previous
        .content
        .as_ref()
        .map(|key| key.version.window.until());
    let retire = format!("rollover retire {}", previous.name());
    Some((until.unwrap_or(DateTime::<Utc>::MIN_UTC), retire))
}
