//! The yearly rollover as steps that can each be run again: stage, test, promote, retire, or abort. The command
//! line and the rotation Lambda are two thin callers.
//!
//! Every step reads the secret, decides over that [`Snapshot`] without any I/O, makes at most one call for each
//! change, and reads again to see that it holds. No step remembers anything: what was done is seen from the
//! labels, so that a step that was stopped after any call is completed by running it again. Two operators cannot
//! both win: a key is put under a token made from what was seen ([`Snapshot::stage_token`]), and a label is moved
//! only from where it was seen.

mod ahead;
mod change;
mod checks;
mod clocks;
mod course;
mod ending;
mod lambda;
mod next;
mod overrides;
mod promote;
mod proposal;
mod readiness;
mod refusal;
mod repair;
mod replicas;
mod rhythm;
mod situation;
mod snapshot;
mod stage;
mod staging;
mod standing;
mod store;
mod timeline;

use crate::audit::{self, Outcome};
use crate::clock::Clock;
use crate::operator;
use checkpoint::key::{KeyId, PrivateKeyError};
use checkpoint::keyring::Keyring;

pub use ahead::Ahead;
pub use change::LabelChange;
pub use checkpoint::key::{WARN_DAYS, covered_until};
pub use checks::{Check, check_staged};
pub use clocks::ClocksDiffer;
pub use ending::Relabelling;
pub use lambda::{RotationEvent, RotationStep};
pub use next::Next;
pub use overrides::Overrides;
pub use promote::Promotion;
pub use proposal::Proposal;
pub use refusal::StepRefusal;
pub use replicas::{Services, Waiting};
pub use situation::Situation;
pub use snapshot::{ListedKey, Replica, ServedKeys, Snapshot, StoredKey, StoredVersion};
pub use stage::Staging;
pub use standing::Standing;
pub use store::{SecretStore, StoreError};
pub use timeline::{Gap, Phase, Timeline, TimelineKey, Warning, days};

/// Why a step was not done. No variant holds key material.
#[derive(Debug, thiserror::Error)]
pub enum RolloverError {
    /// It may not be done as things are; and what to do then, where that could be told.
    #[error("{0}")]
    Refused(StepRefusal, Option<Next>),
    /// Secrets Manager could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key could not be made.
    #[error("--bits: {0}")]
    Key(#[from] PrivateKeyError),
    /// Some of its calls were made, and one was not.
    #[error("{error}. Done before that: {}", .done.join("; "))]
    Partly {
        /// The calls that were made.
        done: Vec<String>,
        /// Why the next one was not.
        error: Box<RolloverError>,
    },
    /// The task that makes the key was ended.
    #[error("the task that makes the key was ended; run the same command again, which is safe")]
    Ended,
}

impl From<StepRefusal> for RolloverError {
    fn from(refusal: StepRefusal) -> Self {
        Self::Refused(refusal, None)
    }
}

impl RolloverError {
    /// Says which calls were made before; the last one of these is the one that failed.
    fn after(self, calls: &[String]) -> Self {
        match calls.split_last() {
            Some((_, done)) if !done.is_empty() => Self::Partly {
                done: done.to_vec(),
                error: Box::new(self),
            },
            _ => self,
        }
    }

    /// Says what to do in the situation that it was refused in.
    fn in_situation(self, situation: &Situation) -> Self {
        match self {
            Self::Partly { done, error } => Self::Partly {
                done,
                error: Box::new(error.in_situation(situation)),
            },
            Self::Refused(refusal, None) => {
                let next = situation.after(&refusal);
                Self::Refused(refusal, Some(next))
            }
            other => other,
        }
    }
}

/// What a step did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// What was looked at.
    pub checks: Vec<Check>,
    /// What was found and done, a sentence each.
    pub told: Vec<String>,
    /// The calls that change the secret, as they were made, or would be.
    pub calls: Vec<String>,
    /// What comes next.
    pub next: Next,
}

impl Default for StepReport {
    fn default() -> Self {
        Self {
            checks: Vec::new(),
            told: Vec::new(),
            calls: Vec::new(),
            next: Next::status(),
        }
    }
}

/// How things are.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The secret, and what those say who were asked.
    pub situation: Situation,
    /// The windows, and the warnings.
    pub timeline: Timeline,
    /// What was not looked at; none when all was.
    pub not_checked: Option<String>,
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

    /// The keyring of a record, or why it cannot be read, where no service tells.
    #[must_use]
    pub fn with_record(mut self, place: String, keyring: Result<Keyring, String>) -> Self {
        self.record = Some(match keyring {
            Ok(keyring) => Replica::of_record(place, &keyring, self.clock.now()),
            Err(problem) => Replica {
                url: place,
                listing: Err(problem),
            },
        });
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
        let situation = self.look().await?;
        Ok(Overview {
            timeline: Timeline::new(&situation),
            situation,
            not_checked: self.services.is_empty().then(|| {
                "no --server was given: whether any service signs, with which key, and whether one is revoked, was not \
                 looked at"
                    .into()
            }),
        })
    }

    async fn look(&self) -> Result<Situation, RolloverError> {
        let (snapshot, replicas) = tokio::join!(self.store.read(), self.ask(false));
        let snapshot = snapshot?;
        let now = self.clock.now();
        Ok(Situation {
            replicas: self.believed(replicas, &snapshot),
            snapshot,
            now,
            // A simulated clock stands beside no real one.
            secrets_manager: self.store.ahead(now).filter(|_| self.clock.is_system()),
            without_asking: self.without_asking,
        })
    }

    /// The same, with what the services say once they have read the secret, unless that could have them lose what they sign with.
    async fn look_closely(&self) -> Result<Situation, RolloverError> {
        let situation = self.look().await?;
        Ok(match situation.check_order() {
            Ok(()) => self.ask_again(situation, true).await,
            Err(_) => situation,
        })
    }

    /// What the services say now, and the record; `refresh` has the services read the secret first.
    async fn ask(&self, refresh: bool) -> Vec<Replica> {
        let mut replicas = self.services.ask(refresh).await;
        replicas.extend(self.record.clone());
        replicas
    }

    /// The same secret, with what is said of it now.
    async fn ask_again(&self, situation: Situation, refresh: bool) -> Situation {
        let replicas = self.ask(refresh).await;
        let now = self.clock.now();
        Situation {
            replicas: self.believed(replicas, &situation.snapshot),
            now,
            secrets_manager: self.store.ahead(now).filter(|_| self.clock.is_system()),
            ..situation
        }
    }

    /// Those who were asked, without what strangers say.
    fn believed(&self, mut replicas: Vec<Replica>, snapshot: &Snapshot) -> Vec<Replica> {
        for replica in &mut replicas {
            replica.distrust_a_stranger(snapshot);
            if let Ok(listing) = &mut replica.listing
                && !self.clock.is_system()
            {
                listing.ahead = None;
            }
        }
        replicas
    }
}

/// Who takes a step is the function of the Lambda, or the user of the shell; CloudTrail knows the role.
fn audited<T>(call: &str, key_id: &str, outcome: &Result<T, StoreError>) {
    let who = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| operator::name());
    let problem = outcome.as_ref().err().map(ToString::to_string);
    let outcome = problem.as_deref().map_or(Outcome::Done, Outcome::Refused);
    audit::rollover(&who, call, key_id, outcome);
}

/// Refuses to go on with another key than the one that the operator named.
fn same(
    asked: Option<&KeyId>,
    found: &StoredVersion,
    label: &'static str,
) -> Result<(), StepRefusal> {
    match asked {
        Some(asked) if asked.as_str() != found.name() => Err(StepRefusal::OtherKey {
            asked: asked.clone(),
            found: found.name().into(),
            label,
        }),
        _ => Ok(()),
    }
}
