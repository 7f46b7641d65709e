//! A refresh in the making: what of the source's versions is good, and what is not.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::KeysInForce;
use crate::record::{Record, RegisterError};
use crate::telemetry::Metrics;
use checkpoint::key::StagingLabel;
use checkpoint::keyring::Keyring;
use checkpoint::signing::{KeySecret, SigningKey, VersionSecret};

/// What was logged of versions that could be read and are not written as they should be: their fingerprints and the warning.
#[derive(Default)]
pub(super) struct ToldOddities {
    before: BTreeSet<(String, String)>,
    now: BTreeSet<(String, String)>,
}

impl ToldOddities {
    /// Logs what is odd about a version, unless the refresh before did.
    fn tell(&mut self, labels: &str, secret: &KeySecret) {
        let Some(warning) = secret.oddities().warning() else {
            return;
        };
        let version = secret.version();
        let told = (version.fingerprint().to_string(), warning);
        if !self.before.contains(&told) && !self.now.contains(&told) {
            let (key_id, warning) = (&version.key_id, &told.1);
            tracing::warn!(labels, %key_id, warning, "the secret is not written as it should be");
        }
        self.now.insert(told);
    }

    /// The refresh has ended. What the source no longer has may be told again; with a fault, it may only have failed to bring it.
    fn settle(&mut self, has_faults: bool) {
        let now = mem::take(&mut self.now);
        match has_faults {
            true => self.before.extend(now),
            false => self.before = now,
        }
    }
}

/// A refresh in the making.
pub(super) struct Refresh {
    pub(super) keyring: Keyring,
    pub(super) signing: Vec<Arc<SigningKey>>,
    pub(super) faults: Vec<String>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) told: ToldOddities,
}

impl Refresh {
    /// Takes one version of the source over, or notes why not.
    pub(super) async fn take(
        &mut self,
        version: VersionSecret,
        record: &dyn Record,
        now: DateTime<Utc>,
    ) {
        if let Err(fault) = self.try_take(version, record, now).await {
            self.faults.push(fault);
        }
    }

    async fn try_take(
        &mut self,
        VersionSecret { stages, secret }: VersionSecret,
        record: &dyn Record,
        now: DateTime<Utc>,
    ) -> Result<(), String> {
        let labels: Vec<&str> = stages.iter().map(StagingLabel::as_str).collect();
        let labels = labels.join(", ");
        let secret = secret.map_err(|error| format!("{labels}: {error}"))?;
        if !secret.unknown_members().is_empty() {
            let members = secret.unknown_members().join(", ");
            tracing::debug!(
                labels,
                members,
                "members of the secret are not known and ignored"
            );
        }
        self.told.tell(&labels, &secret);
        let version = secret.version().clone();
        let key_id = version.key_id.clone();
        let fault = |error: &dyn std::fmt::Display| format!("{labels}: {error}");
        if let Err(conflict) = self.keyring.check(&version) {
            self.metrics.conflicted();
            return Err(fault(&conflict));
        }
        // A version that is only staged may be given up again, so that it leaves no trace on record.
        if !StagingLabel::is_only_staged(&stages) {
            let registered = record
                .register_key(&version, secret.endorsement(), now)
                .await;
            if let Err(error) = registered {
                if matches!(error, RegisterError::Conflict(_)) {
                    self.metrics.conflicted();
                }
                return Err(fault(&error));
            }
        }
        self.keyring
            .label(version, stages)
            .map_err(|error| fault(&error))?;
        if let Some(endorsement) = secret.endorsement() {
            self.keyring.endorse(&key_id, endorsement.clone());
        }
        if self
            .keyring
            .get(&key_id)
            .is_some_and(|entry| entry.is_trusted())
        {
            self.signing.push(Arc::new(secret.into_signing_key()));
        }
        Ok(())
    }

    /// What was told of oddities, for the next refresh.
    pub(super) fn take_told(&mut self) -> ToldOddities {
        self.told.settle(!self.faults.is_empty());
        mem::take(&mut self.told)
    }

    /// Keeps the versions of before that this refresh did not bring: it may only have failed to.
    pub(super) fn keep(&mut self, before: &KeysInForce) {
        for known in before.keyring.entries() {
            let key_id = &known.version().key_id;
            let fresh = self.keyring.get(key_id);
            let brought = fresh.is_some_and(|entry| !entry.stages().is_empty());
            if brought || !self.keyring.adopt(known) {
                continue;
            }
            let mut keys = before.signing.iter();
            if let Some(key) = keys.find(|key| key.version().key_id == *key_id) {
                self.signing.push(Arc::clone(key));
            }
        }
    }
}
