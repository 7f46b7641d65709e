//! The next key's name and window, from the ones that there are.

use std::fmt;

use chrono::{DateTime, Utc};

use super::standing::Standing;
use super::{Overrides, Situation, StepRefusal, StoredKey, rhythm};
use checkpoint::key::{Algorithm, DEFAULT_MODULUS_BITS, KeyId, ValidityWindow, covered_until};
use checkpoint::signing::NotOpen;

/// The key to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its name.
    pub key_id: KeyId,
    /// Its window.
    pub window: ValidityWindow,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Bits of its modulus.
    pub bits: usize,
    /// Whether the key in force endorses it.
    pub endorsed: bool,
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key_id, window) = (&self.key_id, self.window);
        let endorsed = if self.endorsed {
            "endorsed"
        } else {
            "not endorsed"
        };
        let (algorithm, bits) = (self.algorithm, self.bits);
        write!(
            f,
            "{key_id} ({window}, {algorithm}, {bits} bits, {endorsed})"
        )
    }
}

impl Proposal {
    /// The key that follows the one that is AWSCURRENT; the very first one, if none is.
    ///
    /// # Errors
    /// [`StepRefusal`] when none can follow now, or what was asked for does not fit.
    pub fn new(situation: &Situation, overrides: &Overrides) -> Result<Self, StepRefusal> {
        let Some(current) = situation.snapshot.current() else {
            return Self::first(situation, overrides);
        };
        let standing = situation.standing(current);
        let key = match (&current.content, &standing) {
            (Ok(key), Standing::Good | Standing::Revoked(_)) => key,
            // Nothing of it can be believed.
            _ => {
                let unfit = || StepRefusal::CurrentUnfit {
                    id: current.id.clone(),
                    problem: standing.problem().unwrap_or_default(),
                };
                let told = Some(overrides).filter(|overrides| overrides.without_endorsement);
                let told = told.and_then(|told| Self::as_told(situation, told));
                return told.ok_or_else(unfit)?;
            }
        };
        check_endorser(key, situation, overrides)?;
        let current = &key.version;
        let key_id = match &overrides.key_id {
            Some(key_id) => key_id.clone(),
            None => free_name(situation, &next_name(&current.key_id)?),
        };
        check_unused(&key_id, situation)?;
        let window = rhythm::next_window(current.window, overrides, situation.now)?;
        check_coverage(window, &situation.trusted_windows(), situation.now)?;
        let bits = usize::try_from(current.public_key.bits()).unwrap_or_default();
        Ok(Self {
            key_id,
            window,
            algorithm: overrides.algorithm.unwrap_or(current.algorithm),
            bits: overrides.bits.unwrap_or(bits.max(DEFAULT_MODULUS_BITS)),
            endorsed: !overrides.without_endorsement,
        })
    }

    /// The very first key: in force at once, until a new year.
    fn first(situation: &Situation, overrides: &Overrides) -> Result<Self, StepRefusal> {
        let from = overrides.valid_from;
        let from = from.unwrap_or_else(|| rhythm::midnight(situation.now));
        let until = overrides.valid_until;
        let until = until.or_else(|| rhythm::first_end(from.max(situation.now)));
        let until = until.ok_or_else(|| StepRefusal::Window("--valid-until is needed".into()))?;
        let key_id = match &overrides.key_id {
            Some(key_id) => key_id.clone(),
            None => free_name(situation, &rhythm::name_until(until)?),
        };
        Self::alone(situation, overrides, key_id, from, until)
    }

    /// A key of which nothing can be guessed; none when not all of it is told.
    fn as_told(situation: &Situation, overrides: &Overrides) -> Option<Result<Self, StepRefusal>> {
        let (key_id, from) = (overrides.key_id.clone()?, overrides.valid_from?);
        let until = overrides.valid_until?;
        Some(Self::alone(situation, overrides, key_id, from, until))
    }

    /// A key that takes nothing over from another one, which could endorse it.
    fn alone(
        situation: &Situation,
        overrides: &Overrides,
        key_id: KeyId,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Self, StepRefusal> {
        check_unused(&key_id, situation)?;
        let window = rhythm::window(from, until, situation.now)?;
        check_coverage(window, &situation.trusted_windows(), situation.now)?;
        Ok(Self {
            key_id,
            window,
            algorithm: overrides.algorithm.unwrap_or_default(),
            bits: overrides.bits.unwrap_or(DEFAULT_MODULUS_BITS),
            endorsed: false,
        })
    }
}

/// The key in force endorses. Where the next key is promoted already, only an emergency needs one more, and then
/// nothing about it can be guessed.
fn check_endorser(
    current: &StoredKey,
    situation: &Situation,
    overrides: &Overrides,
) -> Result<(), StepRefusal> {
    let (key_id, window) = (current.version.key_id.clone(), current.version.window);
    let revoked = situation.who_says_revoked(&current.version);
    match (window.check(situation.now), revoked) {
        (Err(NotOpen::NotYet), _) if overrides.is_emergency() => Ok(()),
        (Err(NotOpen::NotYet), _) => Err(StepRefusal::CurrentNotYet {
            key_id,
            from: window.from(),
        }),
        _ if overrides.without_endorsement => Ok(()),
        (Err(NotOpen::Expired), _) => Err(StepRefusal::CurrentExpired {
            key_id,
            until: window.until(),
        }),
        (Ok(()), Some(url)) => Err(StepRefusal::CurrentRevoked {
            key_id,
            url: url.into(),
        }),
        (Ok(()), None) => Ok(()),
    }
}

/// What is put behind a name that was taken.
const LETTERS: std::ops::RangeInclusive<char> = 'b'..='z';

/// `amply-checkpoint-key-2025` is followed by `-2026`, and so is `-2025b`; leading zeros stay.
pub(super) fn next_name(key_id: &KeyId) -> Result<KeyId, StepRefusal> {
    let unknown = || StepRefusal::NoNextName(key_id.clone());
    let name = key_id.as_str();
    // The letter of a name that was taken: see `free_name`.
    let lettered = name.strip_suffix(|c: char| LETTERS.contains(&c));
    let lettered = lettered.filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit()));
    let name = lettered.unwrap_or(name);
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = name.strip_prefix(stem).unwrap_or_default();
    let number: u64 = digits.parse().map_err(|_| unknown())?;
    let next = number.checked_add(1).ok_or_else(unknown)?;
    let width = digits.len();
    format!("{stem}{next:0width$}")
        .parse()
        .map_err(|_| unknown())
}

/// The name, or it with the first letter behind it that makes it one that no key ever had.
pub(super) fn free_name(situation: &Situation, name: &KeyId) -> KeyId {
    let lettered = LETTERS.filter_map(|letter| format!("{name}{letter}").parse().ok());
    let mut names = std::iter::once(name.clone()).chain(lettered);
    let free = names.find(|name| check_unused(name, situation).is_ok());
    free.unwrap_or_else(|| name.clone())
}

/// Refuses a name that a key has, or had, also one that was given up: somebody may have seen it under that name.
pub(super) fn check_unused(key_id: &KeyId, situation: &Situation) -> Result<(), StepRefusal> {
    let used = |place| Err(StepRefusal::NameUsed(key_id.clone(), place));
    if let Some(replica) = situation
        .replicas
        .iter()
        .find(|replica| replica.knows(key_id))
    {
        return used(format!("{} lists it", replica.url));
    }
    let mut versions = situation.snapshot.versions.iter();
    match versions.find(|version| version.name() == key_id.as_str()) {
        None => Ok(()),
        Some(version) if version.stages.is_empty() => {
            used(format!("version {} of the secret, given up", version.id))
        }
        Some(version) => used(format!(
            "version {} of the secret, {}",
            version.id,
            version.labels()
        )),
    }
}

/// Refuses a window that leaves a gap. One that is there already can only be ended at once.
pub(super) fn check_coverage(
    window: ValidityWindow,
    trusted: &[ValidityWindow],
    now: DateTime<Utc>,
) -> Result<(), StepRefusal> {
    let covered = covered_until(trusted, now).unwrap_or(now);
    if window.from() > covered {
        return Err(StepRefusal::Gap {
            from: covered,
            until: window.from(),
        });
    }
    Ok(())
}
