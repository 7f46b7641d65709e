//! The environment that is named, and the record that belongs to it.

use chrono::{DateTime, Utc};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::place::{RecordArg, RecordPlace, SourcePlace};
use super::{Failure, Format, FormatArg, print_json, print_line, print_lines};
use crate::clock::Clock;
use crate::record::Record;
use crate::record::environment::{Claim, Environment};
use crate::source::{DEFAULT_SECRET, KeySource};
use checkpoint::key::KeyId;
use checkpoint::keyring::Keyring;

impl ValueEnum for Environment {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

/// The secret with the keys of an environment, or of a machine that has none.
pub(super) fn secret_name(environment: Option<Environment>) -> &'static str {
    match environment {
        None => DEFAULT_SECRET,
        Some(Environment::Prod) => "amply/prod/checkpoint-signing-key",
        Some(Environment::Staging) => "amply/staging/checkpoint-signing-key",
        Some(Environment::Sandbox) => "amply/sandbox/checkpoint-signing-key",
    }
}

/// Of a command that writes into a record.
#[derive(Args)]
pub(super) struct EnvironmentArg {
    /// The environment whose record it is; a record that is bound to one takes nothing in the name of another, or of none
    #[arg(long, value_enum, env = "CHECKPOINT_SIGNER_ENVIRONMENT")]
    pub(super) environment: Option<Environment>,
}

impl EnvironmentArg {
    /// To write.
    pub(super) fn writes(&self) -> Claim {
        Claim::Writes(self.environment)
    }
}

/// ` --environment NAME`, for a command that is shown.
pub(super) fn flag(environment: Option<Environment>) -> String {
    let flag = environment.map(|environment| format!(" --environment {environment}"));
    flag.unwrap_or_default()
}

#[derive(Args)]
pub(super) struct Init {
    #[command(flatten)]
    place: RecordArg,
    /// The environment that the record will belong to, for ever; without it, that of the first key that is recorded
    #[arg(long, value_enum, env = "CHECKPOINT_SIGNER_ENVIRONMENT")]
    environment: Option<Environment>,
    #[command(flatten)]
    format: FormatArg,
}

impl Init {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (record, environment) = (self.place.record, self.environment);
        record.init(environment).await?;
        match self.format.format {
            Format::Json => print_json(&json!({
                "made": record.to_string(),
                "environment": environment.map(Environment::as_str),
            })),
            Format::Text => {
                let bound =
                    environment.map(|environment| format!(", of the environment {environment}"));
                print_lines([
                    format!(
                        "made an empty record: {record}{}",
                        bound.unwrap_or_default()
                    ),
                    format!(
                        "next: checkpoint-signer serve {}{}",
                        record.flag(),
                        flag(environment)
                    ),
                ])
            }
        }
    }
}

#[derive(Args)]
pub(super) struct Bind {
    #[command(flatten)]
    place: RecordArg,
    /// The environment that the record will belong to, for ever
    #[arg(long, value_enum, env = "CHECKPOINT_SIGNER_ENVIRONMENT")]
    environment: Environment,
    #[command(flatten)]
    format: FormatArg,
}

impl Bind {
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        self.place.record.choose().await?;
        let (place, environment) = (self.place.record, self.environment);
        // Also beside the service that runs on it.
        let record = place.open_beside(Claim::Writes(Some(environment))).await?;
        let before = record.environment().await.map_err(Failure::impossible)?;
        bind(record.as_ref(), &place, environment, Clock::system().now()).await?;
        record.close().await;
        let bound = before.is_none();
        match self.format.format {
            Format::Json => print_json(&json!({
                "record": place.to_string(), "environment": environment.as_str(), "bound_now": bound,
            })),
            Format::Text => {
                let what = if bound {
                    "belongs to"
                } else {
                    "belonged already to"
                };
                if bound {
                    print_line(&format!(
                        "services that run on it in another name, or in none, sign nothing from now on: start them again with --environment \
                         {environment}"
                    ))?;
                }
                print_lines([
                    format!("{place}: {what} the environment {environment}"),
                    format!(
                        "next: checkpoint-signer serve {}{}",
                        place.flag(),
                        flag(Some(environment))
                    ),
                ])
            }
        }
    }
}

async fn bind(
    record: &dyn Record,
    place: &RecordPlace,
    environment: Environment,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let bound = record.bind(environment, now).await;
    bound.map_err(|error| Failure::Impossible(format!("--record {place}: {error}")))
}

/// Binds a record that nobody has bound to the environment of the service that starts on it, if it knows a key of that environment.
/// One without keys is bound together with the first that is recorded in it: a service that can read none shows nothing of whose it
/// is. It is refused that a record goes to another one's service by mistake, for ever.
pub(super) async fn bind_by_serving(
    record: &dyn Record,
    place: &RecordPlace,
    source: &SourcePlace,
    named: Option<Environment>,
) -> Result<(), Failure> {
    let Some(environment) = named else {
        return Ok(());
    };
    let bare = record.as_it_is();
    let bare = bare.as_deref().unwrap_or(record);
    if bare
        .environment()
        .await
        .map_err(Failure::impossible)?
        .is_some()
    {
        return Ok(());
    }
    let recorded = bare.keyring().await.map_err(Failure::impossible)?;
    if recorded.entries().is_empty() {
        tracing::warn!(
            record = %place, %environment,
            "the record belongs to no environment yet, and has no key: the first one that is recorded in it binds it to this one, for ever"
        );
        return Ok(());
    }
    // One of its own: what a source reads at a start alone is for the service.
    let source = source.open(false).await?;
    match Evidence::look(&recorded, source.as_ref()).await {
        Evidence::SameKeys => {}
        Evidence::Nothing(problem) => {
            tracing::warn!(
                %environment, problem,
                record = %place,
                "the record belongs to no environment yet, and what it has cannot be compared now: a key that it knows binds it as soon \
                 as it can be read, and another one is not put into it; or: checkpoint-signer record bind"
            );
            return Ok(());
        }
        Evidence::OtherKeys(keys) => {
            return Err(Failure::Impossible(format!(
                "--record {place}: belongs to no environment yet, and knows none of the keys in {}: it has {}. Nothing was written: it may \
                 be another environment's. If it is that of {environment}, say so once: checkpoint-signer record bind {}{}",
                source.name(),
                shown(&keys),
                place.flag(),
                flag(named)
            )));
        }
    }
    bind(record, place, environment, Clock::system().now()).await?;
    tracing::warn!(record = %place, %environment, "the record belongs to this environment from now on, and to no other one");
    Ok(())
}

/// Keys that are named in a refusal.
const KEYS_SHOWN: usize = 5;

fn shown(keys: &[KeyId]) -> String {
    let first: Vec<&str> = keys
        .iter()
        .rev()
        .take(KEYS_SHOWN)
        .map(KeyId::as_str)
        .collect();
    let more = if keys.len() > KEYS_SHOWN { ", ..." } else { "" };
    format!("{}{more}", first.join(", "))
}

/// What the keys say of whose record it is.
enum Evidence {
    /// It has one of the source's.
    SameKeys,
    /// It has these, and none of them is the source's.
    OtherKeys(Vec<KeyId>),
    /// The source has none to compare, and why.
    Nothing(String),
}

impl Evidence {
    async fn look(recorded: &Keyring, source: &dyn KeySource) -> Self {
        let versions = match source.load().await {
            Ok(versions) => versions,
            Err(error) => return Self::Nothing(error.to_string()),
        };
        let own: Vec<_> = versions
            .iter()
            .filter_map(|v| v.secret.as_ref().ok())
            .collect();
        if own.is_empty() {
            return Self::Nothing(format!("{} has no key", source.name()));
        }
        let knows = own.iter().any(|secret| {
            let entry = recorded.get(&secret.version().key_id);
            entry.is_some_and(|entry| entry.version() == secret.version())
        });
        match knows {
            true => Self::SameKeys,
            false => {
                let entries = recorded.entries();
                Self::OtherKeys(entries.iter().map(|e| e.version().key_id.clone()).collect())
            }
        }
    }
}
