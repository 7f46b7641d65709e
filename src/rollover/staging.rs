//! How the next key is staged: a whole command, that would not be refused as things are.

use chrono::{DateTime, Datelike, NaiveTime, Utc};

use super::proposal::{check_unused, free_name, next_name};
use super::snapshot::{Replica, Snapshot, is_revoked};
use checkpoint::key::{KeyId, KeyVersion, covered_until, instant_text};
use checkpoint::signing::NotOpen;

/// What has a step go on without an endorsement.
pub(super) fn unendorsed_flag(endorsed: bool) -> &'static str {
    match endorsed {
        true => "",
        false => " --without-endorsement",
    }
}

/// How another key comes in the place of the one that is staged.
pub(super) fn another_one(snapshot: &Snapshot, replicas: &[Replica], now: DateTime<Utc>) -> String {
    let stage = stage_command(snapshot, replicas, now);
    format!("give it up by `rollover abort`, then stage another one by `{stage}`")
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
