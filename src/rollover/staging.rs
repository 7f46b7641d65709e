//! How the next key is staged: a whole command, that would not be refused as things are.

use chrono::{DateTime, Datelike, Utc};

use super::proposal::{check_unused, free_name, next_name};
use super::standing::Standing;
use super::{Next, Overrides, Proposal, Situation, rhythm};
use checkpoint::key::{KeyId, KeyVersion, covered_until, instant_text};
use checkpoint::signing::NotOpen;

/// What has a step go on without an endorsement.
pub(super) fn unendorsed_flag(endorsed: bool) -> &'static str {
    match endorsed {
        true => "",
        false => " --without-endorsement",
    }
}

/// How the next key is staged, or until when none can be.
pub(super) fn stage_command(situation: &Situation) -> Next {
    if situation.check_services_are_ours().is_err()
        && let Some(leave_out) = situation.unhinder()
    {
        return leave_out;
    }
    let Some(current) = situation.snapshot.current() else {
        return first(situation);
    };
    let (key, standing) = match (&current.content, situation.standing(current)) {
        (Ok(key), standing @ (Standing::Good | Standing::Revoked(_))) => (&key.version, standing),
        // Nothing of it can be believed.
        _ => return emergency(situation, None),
    };
    let (window, name) = (key.window, name_flag(situation, key));
    let revoked = standing != Standing::Good;
    match window.check(situation.now) {
        Err(NotOpen::NotYet)
            if covered_until(&situation.trusted_windows(), situation.now).is_some() && !revoked =>
        {
            let opens = instant_text(window.from());
            Next::Nothing(format!("until {} opens at {opens}", key.key_id))
        }
        Err(NotOpen::NotYet) => emergency(situation, Some(key)),
        Err(NotOpen::Expired) => {
            Next::Command(format!("rollover stage --without-endorsement{name}"))
        }
        // The natural window would begin when the revoked one's ends.
        Ok(()) if revoked => {
            let from = today(situation.now);
            Next::Command(format!(
                "rollover stage --without-endorsement --valid-from {from}{name}"
            ))
        }
        // It would be refused.
        Ok(()) if !situation.is_known(key) && !situation.without_asking => situation.ask(),
        Ok(()) => Next::Command(format!("rollover stage{name}")),
    }
}

/// The very first key: what `rollover stage` makes by itself, in full, so that the same command again is about the same key.
pub(super) fn first(situation: &Situation) -> Next {
    let command = || {
        let proposal = Proposal::new(situation, &Overrides::default()).ok()?;
        let (key_id, window) = (proposal.key_id, proposal.window);
        let (from, until) = (instant_text(window.from()), instant_text(window.until()));
        Some(format!(
            "rollover stage --key-id {key_id} --valid-from {from} --valid-until {until}"
        ))
    };
    Next::Command(command().unwrap_or_else(|| "rollover stage".into()))
}

fn name_of_year(situation: &Situation) -> String {
    let name = format!("amply-checkpoint-key-{}", situation.now.year());
    name.parse()
        .map_or(name, |name: KeyId| free_name(situation, &name).to_string())
}

/// A key for at once, of which nothing can be guessed: until the one ends that is promoted already, or until a new year.
fn emergency(situation: &Situation, promoted: Option<&KeyVersion>) -> Next {
    let before = situation.snapshot.previous();
    let before = before.and_then(|version| version.content.as_ref().ok());
    let before = before.map(|key| &key.version).or(promoted);
    let name = match before {
        Some(key) => free_name(situation, &key.key_id).to_string(),
        None => name_of_year(situation),
    };
    let until = match promoted {
        Some(promoted) => Some(promoted.window.until()),
        None => rhythm::first_end(situation.now),
    };
    let until = instant_text(until.unwrap_or(DateTime::<Utc>::MAX_UTC));
    Next::Command(format!(
        "rollover stage --without-endorsement --key-id {name} --valid-from {} --valid-until {until}",
        today(situation.now),
    ))
}

/// The flag that names the next key; empty where the name is the next one by itself, and no key ever had it.
fn name_flag(situation: &Situation, current: &KeyVersion) -> String {
    let name = match next_name(&current.key_id) {
        Ok(name) if check_unused(&name, situation).is_ok() => return String::new(),
        Ok(name) => name,
        Err(_) => current.key_id.clone(),
    };
    format!(" --key-id {}", free_name(situation, &name))
}

fn today(now: DateTime<Utc>) -> String {
    instant_text(rhythm::midnight(now))
}
