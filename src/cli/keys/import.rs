//! `keys import`: what of a keyring from elsewhere goes on record.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Failure, Format, input, print_json, print_line};
use super::{Import, Window, fingerprint_text};
use crate::key::{KeyVersion, Keyring, MAX_KEYRING_BYTES, PublicKey, Revocation, instant_text};
use crate::record::RegisterError;

/// What was put on record; a revocation by the word of the file.
fn imported(version: &KeyVersion, revocation: Option<&Revocation>) -> Value {
    json!({
        "key_id": version.key_id.as_str(),
        "fingerprint": version.fingerprint().to_string(),
        "revoked": revocation.map(|revocation| json!({
            "distrust_after": instant_text(revocation.distrust_after),
            "reason": revocation.reason,
        })),
    })
}

impl Import {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let record = self.record.open_beside().await?;
        let keyring = self.keyring()?;
        let now = crate::clock::Clock::system().now();
        let known = record.keyring().await.map_err(Failure::impossible)?;
        let admission = known.admit(&keyring, &self.trust.read()).map_err(|error| {
            Failure::Negative(format!(
                "{}: {error}; nothing was imported",
                self.file.display()
            ))
        })?;
        for (version, endorsement) in &admission.keys {
            let registered = record
                .register_key(version, endorsement.as_ref(), now)
                .await;
            registered.map_err(|error| {
                let message = format!("{}: {error}", version.key_id);
                match error {
                    RegisterError::Conflict(_) => Failure::Negative(message),
                    RegisterError::Store(_) => Failure::Impossible(message),
                }
            })?;
        }
        let mut revoked = BTreeMap::new();
        for (key_id, revocation) in admission.revocations {
            let done = record.revoke_key(&key_id, revocation.clone()).await;
            done.map_err(Failure::impossible)?;
            revoked.insert(key_id, revocation);
        }
        let keys = admission.keys.iter().map(|(version, _)| version);
        let file = self.file.display();
        match self.format.format {
            Format::Json => {
                let keys = keys.map(|version| imported(version, revoked.get(&version.key_id)));
                print_json(&json!({ "on_record": keys.collect::<Vec<_>>() }))
            }
            Format::Text => {
                print_line("on record:")?;
                for version in keys {
                    let revoked = revoked.get(&version.key_id).map(|revocation| {
                        let from = instant_text(revocation.distrust_after);
                        let reason = &revocation.reason;
                        format!(", revoked from {from} on by the word of {file}: {reason}")
                    });
                    let key = fingerprint_text(version);
                    print_line(&format!("{key}{}", revoked.unwrap_or_default()))?;
                }
                print_line("a running service sees them within some seconds")
            }
        }
    }

    fn keyring(&self) -> Result<Keyring, Failure> {
        let wrong =
            |problem: String| Failure::Impossible(format!("{}: {problem}", self.file.display()));
        let text = input::read(&self.file, MAX_KEYRING_BYTES)?;
        if !text.starts_with(b"-----BEGIN") && !text.starts_with(b"#") {
            let given = [
                ("--key-id", self.key_id.is_some()),
                ("--valid-from", self.valid_from.is_some()),
                ("--valid-until", self.valid_until.is_some()),
                ("--algorithm", self.algorithm.is_some()),
            ];
            if let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) {
                let problem =
                    format!("is no PEM, and says all of its keys itself; {flag} would not be used");
                return Err(wrong(problem));
            }
            return Keyring::from_jwks(&text).map_err(|error| wrong(error.to_string()));
        }
        let (Some(key_id), Some(valid_from), Some(valid_until)) =
            (&self.key_id, self.valid_from, self.valid_until)
        else {
            let problem =
                "is PEM, which has no window; expected --key-id, --valid-from and --valid-until";
            return Err(wrong(problem.into()));
        };
        let window = Window {
            valid_from,
            valid_until,
        };
        let pem: String = String::from_utf8_lossy(&text)
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| [line, "\n"])
            .collect();
        let mut keyring = Keyring::default();
        let version = KeyVersion {
            key_id: key_id.clone(),
            window: window.read()?,
            algorithm: self.algorithm.unwrap_or_default(),
            public_key: PublicKey::from_pem(&pem).map_err(|error| wrong(error.to_string()))?,
        };
        keyring
            .insert(version)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(keyring)
    }
}
