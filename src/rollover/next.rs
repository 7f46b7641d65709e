//! Commands that are told to come next: whole ones, that would not be refused as things are.

use chrono::{DateTime, Datelike, NaiveTime, Utc};

use super::proposal::next_name;
use super::snapshot::{Replica, Snapshot, StoredVersion, is_revoked};
use checkpoint::key::{KeyVersion, covered_until, instant_text};
use checkpoint::signing::NotOpen;

/// What has a step go on without an endorsement.
pub(super) fn unendorsed_flag(endorsed: bool) -> &'static str {
    match endorsed {
        true => "",
        false => " --without-endorsement",
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
        return format!(
            "rollover stage --key-id amply-checkpoint-key-{year} --valid-from {year}-01-01 --valid-until {}-01-01",
            year + 1
        );
    };
    let Ok(key) = current.key() else {
        return "rollover status".into();
    };
    let (window, name) = (key.version.window, name_flag(snapshot, &key.version));
    match window.check(now) {
        Err(NotOpen::NotYet)
            if covered_until(&snapshot.trusted_windows(replicas), now).is_some() =>
        {
            format!(
                "nothing, until {} opens at {}",
                key.version.key_id,
                instant_text(window.from())
            )
        }
        Err(NotOpen::NotYet) => emergency(snapshot, &key.version, now),
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
fn emergency(snapshot: &Snapshot, promoted: &KeyVersion, now: DateTime<Utc>) -> String {
    let before = snapshot.previous().map(StoredVersion::name);
    let name = lettered(snapshot, before.unwrap_or(promoted.key_id.as_str()));
    format!(
        "rollover stage --without-endorsement --key-id {name} --valid-from {} --valid-until {}",
        today(now),
        instant_text(promoted.window.until())
    )
}

/// The flag that names the next key; empty where the name is the next one by itself, and no version ever had it.
fn name_flag(snapshot: &Snapshot, current: &KeyVersion) -> String {
    let name = match next_name(&current.key_id) {
        Ok(name) if is_free(snapshot, name.as_str()) => return String::new(),
        Ok(name) => name,
        Err(_) => current.key_id.clone(),
    };
    format!(" --key-id {}", lettered(snapshot, name.as_str()))
}

/// A name with the first letter behind it that makes it one that no version has.
fn lettered(snapshot: &Snapshot, name: &str) -> String {
    let mut names = ('b'..='z').map(|letter| format!("{name}{letter}"));
    let free = names.find(|name| is_free(snapshot, name));
    free.unwrap_or_else(|| format!("{name}-next"))
}

fn is_free(snapshot: &Snapshot, name: &str) -> bool {
    let mut versions = snapshot.versions.iter();
    versions.all(|version| version.name() != name)
}

fn today(now: DateTime<Utc>) -> String {
    instant_text(now.date_naive().and_time(NaiveTime::MIN).and_utc())
}
