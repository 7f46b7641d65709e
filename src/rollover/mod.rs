//! The yearly rollover as steps that can each be run again: stage, test, promote, retire, or abort. The command
//! line and the rotation Lambda are two thin callers.
//!
//! Every step reads the secret, decides over that [`Snapshot`] without any I/O, makes at most one call for each
//! change, and reads again to see that it holds. No step remembers anything: what was done is seen from the
//! labels, so that a step that was stopped after any call is completed by running it again. Two operators cannot
//! both win: a key is put under a token made from what was seen ([`Snapshot::stage_token`]), and a label is moved
//! only from where it was seen.

mod change;
mod checks;
mod lambda;
mod next;
mod proposal;
mod refusal;
mod replicas;
mod snapshot;
mod staging;
mod steps;
mod store;
mod timeline;
mod unstaged;

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use checkpoint::key::{KeyVersion, PrivateKeyError};
use checkpoint::keyring::Keyring;

pub use checkpoint::key::{WARN_DAYS, covered_until};
pub use checks::{Check, check_staged};
pub use lambda::{RotationEvent, RotationStep};
pub use proposal::{Overrides, Proposal};
pub use refusal::StepRefusal;
pub use replicas::{Services, Waiting};
pub use snapshot::{ListedKey, Replica, ServedKeys, Snapshot, StoredKey, StoredVersion};
pub use store::{SecretStore, StoreError};
pub use timeline::{Phase, Timeline, TimelineKey, Warning, days};

/// Why a step was not done. No variant holds key material.
#[derive(Debug, thiserror::Error)]
pub enum RolloverError {
    /// It may not be done as things are.
    #[error(transparent)]
    Refused(#[from] StepRefusal),
    /// Secrets Manager could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key could not be made.
    #[error("--bits: {0}")]
    Key(#[from] PrivateKeyError),
    /// The task that makes the key was ended.
    #[error("the task that makes the key was ended; run the same command again, which is safe")]
    Ended,
}

/// What a step did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepReport {
    /// What was looked at.
    pub checks: Vec<Check>,
    /// What was found and done, a sentence each.
    pub told: Vec<String>,
    /// The calls that change the secret, as they were made, or would be.
    pub calls: Vec<String>,
    /// What comes next, for a person.
    pub next: String,
}

/// How things are.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The secret.
    pub snapshot: Snapshot,
    /// The services that were asked.
    pub replicas: Vec<Replica>,
    /// The windows, and the warnings.
    pub timeline: Timeline,
    /// What was not looked at; none when all was.
    pub not_checked: Option<String>,
}

impl Overview {
    /// What to do next, for a person: one command, or that there is nothing to do.
    pub fn next(&self, now: DateTime<Utc>) -> String {
        next::what(&self.snapshot, &self.replicas, now)
    }
}

/// The rollover of one secret.
pub struct Rollover {
    store: SecretStore,
    clock: Clock,
    services: Box<dyn Services>,
    /// What the record itself says, where it is asked.
    record: Option<Replica>,
    /// Whether the key in force may endorse although nobody could be asked whether it is revoked.
    without_asking: bool,
    dry_run: bool,
}

impl Rollover {
    /// With `dry_run`, nothing is changed.
    pub fn new(
        store: SecretStore,
        clock: Clock,
        services: Box<dyn Services>,
        dry_run: bool,
    ) -> Self {
        Self {
            store,
            clock,
            services,
            record: None,
            without_asking: false,
            dry_run,
        }
    }

    /// The keyring of a record, or why it cannot be read, beside what services say. It is one of those who can be asked, so that
    /// where there are services, they need it not.
    #[must_use]
    pub fn with_record(mut self, place: String, keyring: Result<Keyring, String>) -> Self {
        self.record = match keyring {
            Ok(keyring) => Some(Replica::of_record(place, &keyring, self.clock.now())),
            Err(problem) if self.services.is_empty() => Some(Replica {
                url: place,
                listing: Err(problem),
            }),
            Err(_) => None,
        };
        self
    }

    /// Lets the key in force endorse although nobody could be asked whether it is revoked.
    #[must_use]
    pub fn without_asking(mut self, without: bool) -> Self {
        self.without_asking = without;
        self
    }

    /// How things are: the secret's versions, what each service says, and what to know.
    ///
    /// # Errors
    /// [`RolloverError`] when the secret cannot be read.
    pub async fn status(&self) -> Result<Overview, RolloverError> {
        let (snapshot, replicas) = self.look().await?;
        let timeline = Timeline::new(&snapshot, &replicas, self.clock.now());
        Ok(Overview {
            snapshot,
            replicas,
            timeline,
            not_checked: self.services.is_empty().then(|| {
                "no --server was given: whether any service signs, with which key, and whether one is revoked, was not \
                 looked at"
                    .into()
            }),
        })
    }

    async fn look(&self) -> Result<(Snapshot, Vec<Replica>), RolloverError> {
        let (snapshot, replicas) = tokio::join!(self.store.read(), self.ask());
        Ok((snapshot?, replicas))
    }

    /// What the services say now, and the record.
    async fn ask(&self) -> Vec<Replica> {
        let mut replicas = self.services.ask(false).await;
        replicas.extend(self.record.clone());
        replicas
    }

    /// A key that is revoked endorses nothing, and only the record knows whether it is.
    ///
    /// # Errors
    /// [`StepRefusal`] when it is revoked, or nobody could be asked.
    fn check_endorser(
        &self,
        current: &KeyVersion,
        replicas: &[Replica],
    ) -> Result<(), StepRefusal> {
        let key_id = || current.key_id.clone();
        if let Some(replica) = snapshot::who_says_revoked(replicas, current) {
            return Err(StepRefusal::CurrentRevoked {
                key_id: key_id(),
                url: replica.url.clone(),
            });
        }
        let told = replicas.iter().any(|replica| replica.listing.is_ok());
        match told || self.without_asking {
            true => Ok(()),
            false => Err(StepRefusal::NobodyAsked {
                key_id: key_id(),
                problems: replicas
                    .iter()
                    .filter_map(|r| Some(format!("{}: {}", r.url, r.listing.as_ref().err()?)))
                    .collect(),
            }),
        }
    }
}
