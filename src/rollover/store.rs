//! The calls to Secrets Manager, one at a time. Only an operator's or the Lambda's role may make these: the
//! running service never does.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::types::SecretVersionsListEntry;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::ahead::Ahead;
use super::change::LabelChange;
use super::snapshot::{HOLDS_NOTHING, Snapshot, StoredKey, StoredVersion};
use crate::source::aws::{self, Failed, Meaning};
use crate::source::date::DateReader;
use crate::source::parse_secret;
use crate::source::transport::configuration;
use crate::timekeeping::SecondClock;
use checkpoint::key::StagingLabel;
use checkpoint::signing::{KeySecret, SecretError};

/// How long one attempt of a call may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Attempts for each call. Each write names the state that it starts from or a token, so that a repetition of
/// one that was carried out, but not answered, changes nothing.
const ATTEMPTS: u32 = 3;

/// Most versions that are listed: Secrets Manager keeps about 100 without labels (AWS, "Quotas").
const MAX_VERSIONS: usize = 1000;

/// Why a call did not do what it should. No variant holds key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such secret, or it is marked deleted.
    #[error(
        "{place}: there is no such secret, or it is marked deleted; `aws secretsmanager restore-secret --secret-id {secret}` brings a \
         deleted one back, `aws secretsmanager list-secrets --include-planned-deletion` shows those of this account and region, and for a \
         new service alone, `aws secretsmanager create-secret --name {secret}` makes an empty one"
    )]
    NoSecret {
        /// The secret, and its region.
        place: String,
        /// The secret.
        secret: String,
    },
    /// AWS refuses the call, and would again: its own words, and what to do about them.
    #[error("{call} of {place}: {problem}")]
    Refused {
        /// The call.
        call: &'static str,
        /// The secret, and its region.
        place: String,
        /// What AWS says, and what to do.
        problem: String,
    },
    /// The secret is not in the state that the call starts from.
    #[error("{call}: {problem}")]
    Changed {
        /// The call.
        call: &'static str,
        /// What Secrets Manager said.
        problem: String,
    },
    /// The call was not made, for want of something that no repetition brings.
    #[error("{call}: {problem}")]
    NotMade {
        /// The call.
        call: &'static str,
        /// What is missing, and what to do.
        problem: String,
    },
    /// There is no answer, or one that is not understood. The call may have been carried out.
    #[error("{call} of {place}: {problem}; run the same command again, which is safe")]
    Unavailable {
        /// The call.
        call: &'static str,
        /// The secret, and its region.
        place: String,
        /// What happened.
        problem: String,
    },
    /// A version holds no key.
    #[error("version {id}: {error}")]
    Secret {
        /// The version.
        id: String,
        /// What is wrong.
        error: SecretError,
    },
}

/// What Secrets Manager tells of a secret without showing a value.
pub(super) struct Description {
    /// Whether automatic rotation is on.
    pub(super) rotation_enabled: bool,
    /// The labels of each version that has some.
    pub(super) stages: HashMap<String, Vec<StagingLabel>>,
}

/// A secret, with the permission to change it.
pub struct SecretStore {
    secret: String,
    client: Client,
    /// Secrets Manager's, by its answers.
    second_clock: SecondClock,
}

impl SecretStore {
    /// A secret that is reached as the standard AWS configuration says.
    pub async fn new(secret: &str) -> Self {
        Self::with_config(&configuration().await, secret)
    }

    /// The same with a configuration that was loaded already.
    pub fn with_config(shared: &SdkConfig, secret: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let second_clock = SecondClock::default();
        let config = aws::config(shared, timeouts, ATTEMPTS)
            .interceptor(DateReader::new(&second_clock))
            .build();
        Self {
            secret: secret.into(),
            client: Client::from_conf(config),
            second_clock,
        }
    }

    /// By how much a clock that shows this now is ahead of Secrets Manager's, where that was shown.
    pub(super) fn ahead(&self, now: DateTime<Utc>) -> Option<Ahead> {
        let (earliest, latest) = self.second_clock.bounds()?;
        Some(Ahead::between(earliest, latest, now, now))
    }

    /// The secret, as it was asked for.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// What Secrets Manager tells without showing a value: DescribeSecret.
    ///
    /// # Errors
    /// [`StoreError`] when the call fails.
    pub(super) async fn describe(&self) -> Result<Description, StoreError> {
        let call = self.client.describe_secret().secret_id(&self.secret);
        let answer = call.send().await;
        let answer = answer.map_err(|error| self.explain("DescribeSecret", &error))?;
        if answer.deleted_date().is_some() {
            return Err(self.no_secret());
        }
        let versions = answer.version_ids_to_stages.unwrap_or_default();
        let versions = versions.into_iter();
        Ok(Description {
            rotation_enabled: answer.rotation_enabled.unwrap_or(false),
            stages: versions.map(|(id, stages)| (id, labels(&stages))).collect(),
        })
    }

    /// All versions, those without a label as well: ListSecretVersionIds and a GetSecretValue for each. The
    /// private halves are dropped as soon as they are validated.
    ///
    /// # Errors
    /// [`StoreError`] when a call fails; a version that holds no key is no error.
    pub async fn read(&self) -> Result<Snapshot, StoreError> {
        // A missing secret is told plainly by this call only.
        self.describe().await?;
        self.reread(&Snapshot::default()).await
    }

    /// The same again; keys that are known are not fetched again, since a version never changes.
    ///
    /// # Errors
    /// [`StoreError`] when a call fails.
    pub async fn reread(&self, known: &Snapshot) -> Result<Snapshot, StoreError> {
        let mut versions = Vec::new();
        for entry in self.list().await? {
            let Some(id) = entry.version_id else { continue };
            let known = known.version(&id).map(|known| &known.content);
            let (content, hidden) = match known {
                Some(Ok(key)) => (Ok(key.clone()), false),
                // A rotation makes its version before anything is in it.
                _ => match self.content(&id).await {
                    // One that is encrypted by a key that is gone, say: all else can be told.
                    Err(StoreError::Refused { problem, .. }) => (Err(problem), true),
                    content => (content?, false),
                },
            };
            versions.push(StoredVersion {
                stages: labels(&entry.version_stages.unwrap_or_default()),
                id,
                content,
                hidden,
            });
        }
        // Whatever order they come in, decisions and their tests see one.
        versions.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Snapshot {
            secret: self.secret.clone(),
            versions,
        })
    }

    async fn list(&self) -> Result<Vec<SecretVersionsListEntry>, StoreError> {
        const CALL: &str = "ListSecretVersionIds";
        let (mut entries, mut next) = (Vec::new(), None);
        loop {
            let call = self.client.list_secret_version_ids();
            let call = call.secret_id(&self.secret).include_deprecated(true);
            let page = call.set_next_token(next).send().await;
            let page = page.map_err(|error| self.explain(CALL, &error))?;
            entries.extend(page.versions.unwrap_or_default());
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() || entries.len() > MAX_VERSIONS {
                return Ok(entries);
            }
        }
    }

    async fn content(&self, id: &str) -> Result<Result<StoredKey, String>, StoreError> {
        let public = |secret: KeySecret| StoredKey {
            version: secret.version().clone(),
            endorsement: secret.endorsement().cloned(),
            oddities: secret.oddities().clone(),
        };
        match self.fetch(id).await {
            Ok(secret) => Ok(Ok(public(secret))),
            Err(StoreError::Secret { error, .. }) => Ok(Err(error.to_string())),
            // Not filled yet, or, without labels, deleted meanwhile.
            Err(StoreError::NoSecret { .. }) => Ok(Err(HOLDS_NOTHING.into())),
            Err(error) => Err(error),
        }
    }

    /// One version with its private half: GetSecretValue.
    ///
    /// # Errors
    /// [`StoreError`] when the call fails, or the version holds no key.
    pub async fn fetch(&self, id: &str) -> Result<KeySecret, StoreError> {
        let call = self.client.get_secret_value();
        let answer = call.secret_id(&self.secret).version_id(id).send().await;
        let answer = answer.map_err(|error| self.explain("GetSecretValue", &error))?;
        let secret = self.secret.clone();
        // Validating a key is RSA arithmetic: not for the reactor.
        let parsed = tokio::task::spawn_blocking(move || parse_secret(answer, &secret));
        let parsed = parsed.await.map_err(|_| StoreError::Unavailable {
            call: "GetSecretValue",
            place: self.place(),
            problem: "the task that reads it was ended".into(),
        })?;
        parsed.map_err(|error| StoreError::Secret {
            id: id.into(),
            error,
        })
    }

    /// Puts a document as a new version with a label: PutSecretValue. Repeated with the same token and
    /// document it changes nothing; with the same token and another document it is refused.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the token was used for another document.
    pub(super) async fn put(
        &self,
        token: &str,
        label: &StagingLabel,
        document: Zeroizing<String>,
    ) -> Result<(), StoreError> {
        // The SDK takes a string that it does not wipe; this is the only one outside of its request.
        let call = self.client.put_secret_value().secret_id(&self.secret);
        let call = call
            .client_request_token(token)
            .version_stages(label.as_str())
            .secret_string(document.as_str());
        let answer = call.send().await;
        answer.map_err(|error| self.explain("PutSecretValue", &error))?;
        Ok(())
    }

    /// Moves or removes a label: UpdateSecretVersionStage. It names the version that has the label, so that it
    /// is carried out only if nobody else has moved it.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the label is not where it was.
    pub(super) async fn update(&self, change: &LabelChange) -> Result<(), StoreError> {
        let LabelChange { label, from, to } = change;
        let call = self.client.update_secret_version_stage();
        let call = call
            .secret_id(&self.secret)
            .version_stage(label.as_str())
            .set_remove_from_version_id(from.clone())
            .set_move_to_version_id(to.clone());
        let answer = call.send().await;
        answer.map_err(|error| self.explain("UpdateSecretVersionStage", &error))?;
        Ok(())
    }

    fn explain<E>(&self, call: &'static str, error: &SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let failed = Failed::of(error);
        let (place, passes) = (self.place(), failed.passes());
        let answer = match failed {
            Failed::NotMade(problem) => return StoreError::NotMade { call, problem },
            Failed::Unanswered(problem) => {
                return StoreError::Unavailable {
                    call,
                    place,
                    problem,
                };
            }
            Failed::Refused(answer) => answer,
        };
        let problem = answer.explain(call, &self.secret);
        match (answer.meaning(), answer.code) {
            (Meaning::NotFound, _) => self.no_secret(),
            (
                Meaning::Other,
                Some(
                    "InvalidParameterException"
                    | "InvalidRequestException"
                    | "ResourceExistsException",
                ),
            ) => StoreError::Changed { call, problem },
            _ if passes => StoreError::Unavailable {
                call,
                place,
                problem,
            },
            _ => StoreError::Refused {
                call,
                place,
                problem,
            },
        }
    }

    fn no_secret(&self) -> StoreError {
        let (place, secret) = (self.place(), self.secret.clone());
        StoreError::NoSecret { place, secret }
    }

    fn place(&self) -> String {
        aws::place(&self.secret, self.client.config(), "")
    }
}

fn labels(stages: &[String]) -> Vec<StagingLabel> {
    let mut labels: Vec<StagingLabel> = stages.iter().map(|s| s.as_str().into()).collect();
    labels.sort();
    labels.dedup();
    labels
}
