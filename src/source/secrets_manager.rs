//! Keys from AWS Secrets Manager, by a role that may call `GetSecretValue` and nothing else.
//!
//! One load asks for two versions by their staging labels, AWSCURRENT and AWSPREVIOUS; AWSPENDING is never
//! asked for. (A get without a label would follow AWSCURRENT as well, but says so less clearly.)

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_secretsmanager::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_secretsmanager::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::builders::GetSecretValueFluentBuilder;
use aws_sdk_secretsmanager::operation::get_secret_value::{
    GetSecretValueError, GetSecretValueOutput,
};
use chrono::TimeDelta;
use futures_util::FutureExt as _;
use zeroize::Zeroizing;

use super::aws::{self, Failed};
use super::date::DateReader;
use super::{KeySource, SourceError, transport};
use crate::timekeeping::SecondClock;
use checkpoint::fault::FieldFault;
use checkpoint::key::StagingLabel;
use checkpoint::signing::{KeySecret, SecretError, VersionSecret};

/// How often the secret is read: 2 calls in 5 minutes are about 17,300 in a month.
const POLL_EVERY: TimeDelta = TimeDelta::minutes(5);

/// How long one connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one attempt may take. Secrets Manager answers within some tens of milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// Attempts for each call: one retry gets over a lost connection; what lasts longer is for the next refresh.
const ATTEMPTS: u32 = 2;

/// How long a load may take in all: whoever calls RefreshKeys waits for it.
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A secret in AWS Secrets Manager.
pub struct SecretsManagerSource {
    name: String,
    secret_id: String,
    client: Client,
    calls: Arc<AtomicU64>,
    second_clock: SecondClock,
    /// Whether versions with other labels are still to be read once.
    older_wanted: AtomicBool,
}

impl SecretsManagerSource {
    /// A secret that is reached as the standard AWS configuration says: task role, profile, region,
    /// `AWS_ENDPOINT_URL`. `read_older` has versions with labels of the operator's own read once, so that
    /// their public halves enter the keyring; it needs the permission to list versions.
    pub async fn new(secret_id: &str, read_older: bool) -> Self {
        let shared = transport::configuration().await;
        Self::with_config(&shared, secret_id, read_older)
    }

    /// The same with a configuration that was loaded already.
    pub fn with_config(shared: &SdkConfig, secret_id: &str, read_older: bool) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let (calls, second_clock) = (Arc::new(AtomicU64::new(0)), SecondClock::default());
        let config = aws::config(shared, timeouts, ATTEMPTS)
            .interceptor(CallCounter(Arc::clone(&calls)))
            .interceptor(DateReader::new(&second_clock))
            .build();
        Self {
            name: format!("secretsmanager:{secret_id}"),
            secret_id: secret_id.into(),
            client: Client::from_conf(config),
            calls,
            second_clock,
            older_wanted: AtomicBool::new(read_older),
        }
    }

    fn get(&self) -> GetSecretValueFluentBuilder {
        self.client.get_secret_value().secret_id(&self.secret_id)
    }

    /// AWSCURRENT first, then AWSPREVIOUS: a promotion moves both labels at once, and may fall between the two calls. In this
    /// order the version that was current is found once more, as the previous one, and what is current by then is asked for.
    /// In the other order, or with both calls at the same time, it could be missing from both answers: it would lose its
    /// trust, and might be the one that signs.
    async fn read(&self) -> Result<Vec<Reading>, SourceError> {
        let by_stage = |stage: StagingLabel| self.get().version_stage(stage.as_str()).send();
        let current = async || {
            let current = by_stage(StagingLabel::Current).await;
            current.map_err(|error| self.explain(&error, "AWSCURRENT"))
        };
        let first = current().await?;
        let previous = match by_stage(StagingLabel::Previous).await {
            Ok(previous) => previous,
            // Normal for a secret that was never rotated, or whose old key is retired.
            Err(error) if is_not_found(&error) => {
                return Ok(vec![(StagingLabel::Current, Ok(first))]);
            }
            Err(error) if Failed::of(&error).passes() => {
                return Err(self.explain(&error, "AWSPREVIOUS"));
            }
            // That one alone cannot be read, now and later: the other one signs.
            Err(error) => {
                let fault = self.explain(&error, "AWSPREVIOUS");
                return Ok(vec![
                    (StagingLabel::Current, Ok(first)),
                    (StagingLabel::Previous, Err(fault)),
                ]);
            }
        };
        let current = match first.version_id() == previous.version_id() {
            true => current().await?,
            false => first,
        };
        Ok(vec![
            (StagingLabel::Current, Ok(current)),
            (StagingLabel::Previous, Ok(previous)),
        ])
    }

    /// Versions with labels of the operator's own, once. That listing is not permitted is no error.
    async fn read_older(&self) -> Vec<Reading> {
        let mut found = Vec::new();
        if !self.older_wanted.load(Ordering::Relaxed) {
            return found;
        }
        let list = self.client.list_secret_version_ids();
        let listed = match list.secret_id(&self.secret_id).send().await {
            Ok(listed) => listed,
            Err(error) => {
                let reason = error.code().unwrap_or("no permission, or no answer");
                tracing::info!(reason, "older versions of the secret are not read");
                self.older_wanted.store(false, Ordering::Relaxed);
                return found;
            }
        };
        for version in listed.versions() {
            let labels = version.version_stages().iter();
            let mut labels = labels.map(|label| StagingLabel::from(label.as_str()));
            let custom = labels.all(|label| matches!(label, StagingLabel::Custom(_)));
            let (Some(label), Some(id)) = (version.version_stages().first(), version.version_id())
            else {
                continue;
            };
            if custom && let Ok(output) = self.get().version_id(id).send().await {
                found.push((StagingLabel::from(label.as_str()), Ok(output)));
            }
        }
        self.older_wanted.store(false, Ordering::Relaxed);
        found
    }

    fn explain(&self, error: &SdkError<GetSecretValueError>, version: &str) -> SourceError {
        let problem = match Failed::of(error) {
            Failed::NotMade(problem) | Failed::Unanswered(problem) => problem,
            Failed::Refused(answer) => answer.explain("GetSecretValue", &self.secret_id),
        };
        let place = aws::place(&self.secret_id, self.client.config(), version);
        SourceError::Unavailable(format!("{place}: {problem}"))
    }
}

/// One version of the secret, or why it alone cannot be read.
type Reading = (StagingLabel, Result<GetSecretValueOutput, SourceError>);

#[async_trait]
impl KeySource for SecretsManagerSource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn load(&self) -> Result<Vec<VersionSecret>, SourceError> {
        let reading = async {
            let mut found = self.read().await?;
            found.extend(self.read_older().await);
            Ok::<_, SourceError>(found)
        };
        let late = |_| {
            let problem = format!("{}: no answer within {LOAD_TIMEOUT:?}", self.secret_id);
            SourceError::Unavailable(problem)
        };
        // Whatever an answer has, what it does to the SDK does not end who owns the keys.
        let reading = AssertUnwindSafe(reading).catch_unwind();
        let found = tokio::time::timeout(LOAD_TIMEOUT, reading)
            .await
            .map_err(late)?;
        let failed = |_| {
            let problem = format!("{}: the SDK fails on the answer", self.secret_id);
            SourceError::Unavailable(problem)
        };
        let found = found.map_err(failed)??;
        let name = self.secret_id.clone();
        // Validating keys is RSA arithmetic: not for the reactor.
        tokio::task::spawn_blocking(move || {
            let found = found.into_iter();
            found.map(|reading| version(reading, &name)).collect()
        })
        .await
        .map_err(|_| SourceError::Unavailable("the task that reads it was ended".into()))
    }

    async fn changed(&self) {
        std::future::pending().await
    }

    fn poll_every(&self) -> Option<TimeDelta> {
        Some(POLL_EVERY)
    }

    fn second_clock(&self) -> Option<SecondClock> {
        Some(self.second_clock.clone())
    }

    fn api_calls(&self) -> Option<u64> {
        Some(self.calls.load(Ordering::Relaxed))
    }
}

fn version((stage, output): Reading, name: &str) -> VersionSecret {
    let unreadable = |error: SourceError| {
        let fault = FieldFault::new("secret", error.to_string());
        SecretError(vec![fault])
    };
    VersionSecret {
        stages: vec![stage],
        secret: output
            .map_err(unreadable)
            .and_then(|output| parse_secret(output, name)),
    }
}

/// The key that an answer holds.
pub(crate) fn parse_secret(
    mut output: GetSecretValueOutput,
    secret_id: &str,
) -> Result<KeySecret, SecretError> {
    let bytes = take_bytes(&mut output);
    // An ARN is not the name that the documentation form repeats; the answer has both.
    let name = output.name.as_deref().unwrap_or(secret_id);
    KeySecret::parse(&bytes, Some(name))
}

/// Takes what an answer holds out of it, so that it is wiped.
fn take_bytes(output: &mut GetSecretValueOutput) -> Zeroizing<Vec<u8>> {
    match (output.secret_string.take(), output.secret_binary.take()) {
        (Some(text), _) => Zeroizing::new(text.into_bytes()),
        (None, Some(bytes)) => Zeroizing::new(bytes.into_inner()),
        (None, None) => Zeroizing::default(),
    }
}

/// The text of a secret that is no key: where a database is.
pub(crate) async fn secret_text(secret_id: &str) -> Result<Zeroizing<String>, String> {
    let source = SecretsManagerSource::new(secret_id, false).await;
    let get = source.get().version_stage(StagingLabel::Current.as_str());
    let late = |_| "no answer in time".to_owned();
    let answer = tokio::time::timeout(LOAD_TIMEOUT, get.send()).await;
    match answer.map_err(late)? {
        Ok(mut answer) => {
            let bytes = take_bytes(&mut answer);
            Ok(Zeroizing::new(
                str::from_utf8(&bytes).unwrap_or_default().to_owned(),
            ))
        }
        Err(error) => Err(source.explain(&error, "AWSCURRENT").to_string()),
    }
}

fn is_not_found(error: &SdkError<GetSecretValueError>) -> bool {
    error
        .as_service_error()
        .is_some_and(GetSecretValueError::is_resource_not_found_exception)
}

/// Counts every request that is sent, retries among them.
#[derive(Debug)]
struct CallCounter(Arc<AtomicU64>);

impl Intercept for CallCounter {
    fn name(&self) -> &'static str {
        "CallCounter"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
