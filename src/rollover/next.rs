//! What comes next, told the same by every step: one whole command, that would not be refused as things are, or that there is
//! nothing to do.

use chrono::{DateTime, Datelike, NaiveTime, Utc};

use super::proposal::{check_unused, free_name, next_name};
use super::snapshot::{Replica, Snapshot, StoredVersion, is_revoked};
use super::{Timeline, Warning, check_staged};
use checkpoint::key::{KeyId, KeyVersion, covered_until, instant_text};
use checkpoint::signing::NotOpen;

/// What has a step go on without an endorsement.
pub(super) fn unendorsed_flag(endorsed: bool) -> &'static str {
    match endorsed {
        true => "",
        false => " --without-endorsement",
    }
}

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
    let command = command(snapshot, replicas, now);
    command.unwrap_or_else(|| stage_command(snapshot, replicas, now))
}

/// How another key comes in the place of the one that is staged.
pub(super) fn another_one(snapshot: &Snapshot, replicas: &[Replica], now: DateTime<Utc>) -> String {
    let stage = stage_command(snapshot, replicas, now);
    format!("give it up by `rollover abort`, then stage another one by `{stage}`")
}

/// What is to be done now; none where there is nothing to do.
fn command(snapshot: &Snapshot, replicas: &[Replica], now: DateTime<Utc>) -> Option<String> {
    if let Some(staged) = snapshot.staged() {
        return Some(with_staged(staged, snapshot, replicas, now));
    }
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

/// Until when the key before may still sign, and how it is retired.
fn retirement(snapshot: &Snapshot) -> Option<(DateTime<Utc>, String)> {
    let previous = snapshot.previous()?;
    let until = previous
        .content
        .as_ref()
        .map(|key| key.version.window.until());
    let retire = format!("rollover retire {}", previous.name());
    Some((until.unwrap_or(DateTime::<Utc>::MIN_UTC), retire))
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

/// How the next key is staged, or until when none can be.
pub(super) fn stage_command(
    snapshot: &Snapshot,
    replicas: &[Replica],
    now: DateTime<Utc>,
) -> String {
    let Ok(current) = snapshot.current() else {
        let year = now.year();
        let name = format!("amply-checkpoint-key-{year}");
        let name = name.parse().map_or(name, |name: KeyId| {
            free_name(snapshot, replicas, &name).to_string()
        });
        return format!(
            "rollover stage --key-id {name} --valid-from {year}-01-01 --valid-until {}-01-01",
            year + 1
        );
    };
    let Ok(key) = current.key() else {
        return "rollover status".into();
    };
    let (window, name) = (
        key.version.window,
        name_flag(snapshot, replicas, &key.version),
    );
    match window.check(now) {
        Err(NotOpen::NotYet)
            if covered_until(&snapshot.trusted_windows(replicas), now).is_some()
                && !is_revoked(replicas, &key.version) =>
        {
            format!(
                "nothing, until {} opens at {}",
                key.version.key_id,
                instant_text(window.from())
            )
        }
        Err(NotOpen::NotYet) => emergency(snapshot, replicas, &key.version, now),
        Err(NotOpen::Expired) => format!("rollover stage --without-endorsement{name}"),
        // The natural window would begin when the revoked one's ends.
        Ok(()) if is_revoked(replicas, &key.version) => {
            let from = today(now);
            format!("rollover stage --without-endorsement --valid-from {from}{name}")
        }
        Ok(()) => format!("rollover stage{name}"),
    }
}

/// A key for the time until the one that is promoted already opens.
fn emergency(
    snapshot: &Snapshot,
    replicas: &[Replica],
    promoted: &KeyVersion,
    now: DateTime<Utc>,
) -> String {
    let before = snapshot
        .previous()
        .and_then(|version| version.content.as_ref().ok());
    let before = before.map_or(&promoted.key_id, |key| &key.version.key_id);
    format!(
        "rollover stage --without-endorsement --key-id {} --valid-from {} --valid-until {}",
        free_name(snapshot, replicas, before),
        today(now),
        instant_text(promoted.window.until())
    )
}

/// The flag that names the next key; empty where the name is the next one by itself, and no key ever had it.
fn name_flag(snapshot: &Snapshot, replicas: &[Replica], current: &KeyVersion) -> String {
    let name = match next_name(&current.key_id) {
        Ok(name) if check_unused(&name, snapshot, replicas).is_ok() => return String::new(),
        Ok(name) => name,
        Err(_) => current.key_id.clone(),
    };
    format!(" --key-id {}", free_name(snapshot, replicas, &name))
}

fn today(now: DateTime<Utc>) -> String {
    instant_text(now.date_naive().and_time(NaiveTime::MIN).and_utc())
}
