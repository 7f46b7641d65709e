//! `keys import`: what of a keyring from elsewhere goes on record.

use std::collections::BTreeMap;

use checkpoint_verify::cli::keyring::skipped_json;
use serde_json::{Value, json};

use super::super::{Failure, Format, print_json, print_line};
use super::{Import, fingerprint_text};
use crate::advice::on_admission;
use crate::record::RegisterError;
use checkpoint::key::{KeyVersion, instant_text};
use checkpoint::keyring::{KeyringFile, Revocation};

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
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        self.record.choose().await?;
        let record = self.record.open_beside(self.environment.writes()).await?;
        let KeyringFile { keyring, skipped } = self.file.read()?;
        let now = crate::clock::Clock::system().now();
        let known = record.keyring().await.map_err(Failure::impossible)?;
        let admission = known
            .admit(&keyring, &self.trust.read(), now)
            .map_err(|error| {
                Failure::Negative(format!(
                    "{}: {}; nothing was imported",
                    self.file.file.display(),
                    on_admission(&error)
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
        let file = self.file.file.display();
        match self.format.format {
            Format::Json => {
                let keys = keys.map(|version| imported(version, revoked.get(&version.key_id)));
                print_json(&json!({
                    "on_record": keys.collect::<Vec<_>>(),
                    "keys_skipped": skipped_json(&skipped),
                }))
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
}
