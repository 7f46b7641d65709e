//! To which environment a record belongs. Environments never share one: the first key of staging would take a name that production's
//! has, or the other way round, for ever.
//!
//! A record is bound when it is made (`record init`), and once: the store refuses a change. One of before has no such row; who first
//! serves it in the name of an environment binds it, if a key of that environment is on record (`cli/environment.rs`). Whoever opens a record
//! says what for (a [`Claim`]), and is refused before anything is written, the steps of the schema included.

use std::str::FromStr;

use super::RecordError;

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
