//! To which environment a record belongs. Environments never share one: the first key of staging would take a name that production's
//! has, or the other way round, for ever.
//!
//! A record is bound when it is made (`record init`), and once: the store refuses a change. One of before, or that was made without
//! one, has no such row; it is bound together with the first key that is recorded in it in the name of an environment, or by who
//! serves it, if a key of that environment is on record (`cli/environment.rs`). Whoever opens a record says what for (a [`Claim`]), and is
//! refused before anything is written, the steps of the schema included. An operator may bind one meanwhile, so that each
//! transaction that writes looks again (`Claimed`).

use std::str::FromStr;

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::RecordError;
use checkpoint::key::{KeyId, KeyVersion};
use checkpoint::keyring::Keyring;

/// An environment: each has a secret of its own with its key, and a record of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Production
    Prod,
    /// Staging
    Staging,
    /// Sandbox
    Sandbox,
}

impl Environment {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Prod, Self::Staging, Self::Sandbox];

    /// Its name, as flags take it, secrets are named by it, and a record keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prod => "prod",
            Self::Staging => "staging",
            Self::Sandbox => "sandbox",
        }
    }

    /// The one in whose name a secret stands: `amply/ENVIRONMENT/...`, also as an ARN.
    pub fn of_secret(name: &str) -> Option<Self> {
        let name = match name.split_once(":secret:") {
            Some((arn, name)) if arn.starts_with("arn:") => name,
            _ => name,
        };
        let (environment, _) = name.strip_prefix("amply/")?.split_once('/')?;
        environment.parse().ok()
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected prod, staging or sandbox")]
pub struct NoEnvironment;

impl FromStr for Environment {
    type Err = NoEnvironment;

    fn from_str(text: &str) -> Result<Self, NoEnvironment> {
        let mut all = Self::ALL.into_iter();
        all.find(|environment| environment.as_str() == text)
            .ok_or(NoEnvironment)
    }
}

/// What a store's row says.
pub(super) fn of_row(text: &str) -> Result<Environment, RecordError> {
    text.parse().map_err(|expected| {
        RecordError::Damaged(format!(
            "record_environment: environment: is {text:?}; {expected}"
        ))
    })
}

/// In whose name a record is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// To read it: any will do, unless an environment is named.
    Reads(Option<Environment>),
    /// To write rows or keys: one that is bound must be of the environment that is named.
    Writes(Option<Environment>),
}

/// The record is another environment's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherEnvironment {
    /// Than the one that is named.
    #[error(
        "belongs to the environment {bound}, and this is {named} (--environment, CHECKPOINT_SIGNER_ENVIRONMENT, or the name of the secret): \
         nothing was written. Environments never share a record: expected the record of {named} (for a new service: `checkpoint-signer record init \
         --environment {named} --record PLACE`), or --environment {bound}, if that is meant"
    )]
    Named {
        /// The record's.
        bound: Environment,
        /// The other one.
        named: Environment,
    },
    /// And none is named.
    #[error(
        "belongs to the environment {bound}, and none is named here: nothing was written. Expected --environment {bound} (or \
         CHECKPOINT_SIGNER_ENVIRONMENT={bound}), if that is meant, or another record"
    )]
    NotNamed {
        /// The record's.
        bound: Environment,
    },
}

impl Claim {
    /// The environment that is named.
    pub fn named(self) -> Option<Environment> {
        let (Self::Reads(named) | Self::Writes(named)) = self;
        named
    }

    /// Whether a record may be opened so.
    ///
    /// # Errors
    /// [`OtherEnvironment`] when it is another one's.
    pub fn check(self, bound: Option<Environment>) -> Result<(), OtherEnvironment> {
        let Some(bound) = bound else { return Ok(()) };
        match self {
            Self::Reads(Some(named)) | Self::Writes(Some(named)) if named != bound => {
                Err(OtherEnvironment::Named { bound, named })
            }
            Self::Writes(None) => Err(OtherEnvironment::NotNamed { bound }),
            Self::Reads(_) | Self::Writes(_) => Ok(()),
        }
    }
}

/// A record that is open was bound to another environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the record {record} was bound to the environment {bound} after it was opened here in the name of {}: nothing is written to it any \
     more, no signature and no key. Expected one environment. If this is of {bound}, end it, and: checkpoint-signer serve --environment \
     {bound} {flag}; else end it, and start it on the record of its own environment (docs/guide/record.md, \"One environment\")",
    name_of(*.named)
)]
pub struct BoundElsewhere {
    /// Which record.
    pub record: String,
    /// The flag that names it, for a command that is shown.
    flag: String,
    /// The record's environment.
    pub bound: Environment,
    /// The one in whose name it was opened.
    pub named: Option<Environment>,
    /// How many rows were seen of it.
    pub seen: u64,
}

fn name_of(named: Option<Environment>) -> &'static str {
    named.map_or("none", Environment::as_str)
}

/// A record that belongs to no environment yet may be another one's.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the record {record} belongs to no environment yet, and has keys, but not {key_id}: it may be another environment's, and nothing was \
     written. If it is that of {named}, say so once: checkpoint-signer record bind {flag} --environment {named}"
)]
pub struct NotBound {
    record: String,
    flag: String,
    named: Environment,
    key_id: KeyId,
}

/// What a key that is recorded does to the record's environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// Nothing.
    Stays,
    /// It is this one's from now on.
    To(Environment),
}

/// In whose name a store was opened: held against what it says itself in each transaction that writes.
#[derive(Debug)]
pub(super) struct Claimed {
    record: String,
    flag: String,
    claim: Mutex<Claim>,
}

impl Claimed {
    /// Of a record, by its name, and the flag that names it.
    pub(super) fn new(record: String, flag: String, claim: Claim) -> Self {
        let claim = Mutex::new(claim);
        Self {
            record,
            flag,
            claim,
        }
    }

    /// Whether it may be written as it is bound now.
    pub(super) fn check(
        &self,
        bound: Option<Environment>,
        seen: u64,
    ) -> Result<(), Box<BoundElsewhere>> {
        let claim = *self.claim();
        let (Err(_), Some(bound)) = (claim.check(bound), bound) else {
            return Ok(());
        };
        Err(Box::new(BoundElsewhere {
            record: self.record.clone(),
            flag: self.flag.clone(),
            bound,
            named: claim.named(),
            seen,
        }))
    }

    /// Whose the record becomes with a key that is recorded while nobody has bound it: that of who records the first one, or one that
    /// it knows.
    pub(super) fn binding(
        &self,
        bound: Option<Environment>,
        recorded: &Keyring,
        version: &KeyVersion,
    ) -> Result<Binding, RecordError> {
        let (None, Claim::Writes(Some(named))) = (bound, *self.claim()) else {
            return Ok(Binding::Stays);
        };
        let known = recorded.get(&version.key_id);
        let is_known = known.is_some_and(|entry| entry.version() == version);
        match is_known || recorded.entries().is_empty() {
            true => Ok(Binding::To(named)),
            false => Err(RecordError::NotBound(Box::new(NotBound {
                record: self.record.clone(),
                flag: self.flag.clone(),
                named,
                key_id: version.key_id.clone(),
            }))),
        }
    }

    /// Who binds a record names its environment.
    pub(super) fn bound_here(&self, environment: Environment) {
        let mut claim = self.claim();
        if *claim == Claim::Writes(None) {
            *claim = Claim::Writes(Some(environment));
        }
    }

    /// Tells that a key has bound it, for ever.
    pub(super) fn tell(&self, binding: Binding, key_id: &KeyId) {
        if let Binding::To(environment) = binding {
            tracing::warn!(
                record = self.record, %environment, %key_id,
                "the record belongs to this environment from now on, and to no other one, since its key is recorded in it"
            );
        }
    }

    fn claim(&self) -> MutexGuard<'_, Claim> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_names_the_environment_of_the_record_and_who_reads_names_no_other_one() {
        use Claim::{Reads, Writes};
        let (prod, staging) = (Some(Environment::Prod), Some(Environment::Staging));
        for claim in [Reads(None), Reads(prod), Writes(None), Writes(prod)] {
            assert_eq!(claim.check(None), Ok(()), "{claim:?}");
        }
        for claim in [Reads(None), Reads(prod), Writes(prod)] {
            assert_eq!(claim.check(prod), Ok(()), "{claim:?}");
        }
        for claim in [Reads(staging), Writes(staging)] {
            let refused = claim.check(prod).unwrap_err().to_string();
            assert!(
                refused.contains("prod") && refused.contains("staging"),
                "{refused}"
            );
        }
        let refused = Writes(None).check(prod).unwrap_err().to_string();
        assert!(refused.contains("--environment prod"), "{refused}");
    }

    #[test]
    fn a_secret_is_of_the_environment_in_its_name() {
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:amply/staging/checkpoint-signing-key-AbCdEf";
        for (name, expected) in [
            ("amply/prod/checkpoint-signing-key", Some(Environment::Prod)),
            (arn, Some(Environment::Staging)),
            ("amply/checkpoint-signing-key", None),
            ("amply/prod", None),
            ("amply/production/x", None),
            ("other/prod/x", None),
        ] {
            assert_eq!(Environment::of_secret(name), expected, "{name}");
        }
    }
}
