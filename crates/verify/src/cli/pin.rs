//! `--pin`: believes one key of a keyring, that was noted before, and those that it leads to.

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::show::Program;
use checkpoint::key::{Fingerprint, KeyVersion, instant_text};
use checkpoint::keyring::{Keyring, PinnedKeyring};

/// Keys that a refusal tells the fingerprints of.
const MAX_TOLD: usize = 10;

/// `--pin`.
#[derive(Args, Debug)]
pub struct PinArg {
    /// Believe no key of the keyring but the one with this fingerprint (sha256: and 64 lowercase hexadecimal digits) that
    /// you noted before, and those that an unbroken chain of endorsements leads to from it. It binds the key, its name,
    /// window and algorithm; a name or a thumbprint is refused. Given once
    // A thumbprint, which is refused with what is right, may begin with a hyphen.
    #[arg(
        long,
        allow_hyphen_values = true,
        env = "CHECKPOINT_SIGNER_PIN",
        requires = "keys",
        value_name = "FINGERPRINT"
    )]
    pin: Option<String>,
}

impl PinArg {
    /// The keyring of this place, as somebody sees it who pinned that key.
    ///
    /// # Errors
    /// When none of its keys is the one.
    pub fn of(
        &self,
        program: Program,
        keyring: Keyring,
        place: &str,
    ) -> Result<PinnedKeyring, Failure> {
        let Some(pin) = &self.pin else {
            return Ok(PinnedKeyring::unpinned(keyring));
        };
        let problem = match pin.parse() {
            Ok(pin) => match keyring.trust_from(pin) {
                Ok(pinned) => {
                    tell_revoked(program, &pinned, place);
                    return Ok(pinned);
                }
                Err(unknown) => unknown.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let told = told(&keyring, pin, place);
        Err(Failure::Impossible(format!("--pin: {problem}. {told}")))
    }
}

/// Whoever pinned a key before it was revoked has to pin another one.
fn tell_revoked(program: Program, seen: &PinnedKeyring, place: &str) {
    let entry = (seen.pinned.as_ref()).and_then(|pinned| seen.trusted.get(&pinned.key_id));
    if let Some((entry, revocation)) = entry.and_then(|e| Some((e, e.revocation()?))) {
        program.tell(&format!(
            "--pin: {} is revoked in {place} ({:?}): what it signed from {} on is not believed, and no other key by its word; pin \
             the key that took its place, with a fingerprint from elsewhere than this keyring",
            entry.version().key_id,
            revocation.reason,
            instant_text(revocation.distrust_after),
        ));
    }
}

/// The key that was pinned, for a program.
pub(super) fn pinned_json(pinned: &KeyVersion) -> Value {
    let fingerprint = pinned.fingerprint().to_string();
    json!({ "key_id": pinned.key_id.as_str(), "fingerprint": fingerprint })
}

/// The key that was pinned, in a line.
pub(super) fn pinned_text(pinned: &KeyVersion) -> String {
    let (key_id, fingerprint) = (&pinned.key_id, pinned.fingerprint());
    format!("{:<18} {key_id}, {fingerprint}\n", "PINNED")
}

/// The fingerprints to compare with the one that was noted: of the keys that may be meant, or else of all.
fn told(keyring: &Keyring, pin: &str, place: &str) -> String {
    let meant = pin.to_ascii_lowercase();
    let is_meant = |version: &KeyVersion| {
        let (name, fingerprint) = (version.key_id.as_str(), version.fingerprint().to_string());
        let digits = fingerprint.trim_start_matches(Fingerprint::PREFIX);
        let begins = meant.len() > Fingerprint::PREFIX.len()
            && [fingerprint.as_str(), digits]
                .iter()
                .any(|f| f.starts_with(&meant));
        name == pin || version.public_key.thumbprint() == pin || begins
    };
    let published = keyring.published();
    let all: Vec<_> = published.iter().map(|entry| entry.version()).collect();
    let few: Vec<_> = all.iter().copied().filter(|v| is_meant(v)).collect();
    let keys = if few.is_empty() { all } else { few };
    if keys.is_empty() {
        return format!("{place} holds no key");
    }
    let shown = keys.iter().take(MAX_TOLD);
    let shown: Vec<String> = shown
        .map(|version| format!("{} {}", version.key_id, version.fingerprint()))
        .collect();
    let more = match keys.len().saturating_sub(MAX_TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!(
        "{place} says of itself: {}{more}. Pin one of these only after comparing it with the fingerprint that you noted, \
         or had from elsewhere than this keyring",
        shown.join(", ")
    )
}
