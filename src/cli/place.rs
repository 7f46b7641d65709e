//! Where keys and the record are: `secretsmanager:NAME`, `file:PATH`; `sqlite:PATH`, `postgres://...`; and whom to believe besides.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;

use super::{Failure, again};
use crate::record::Record;
use crate::record::environment::{Claim, Environment};
use crate::record::postgres::DatabaseAddress;
#[cfg(feature = "postgres")]
use crate::record::postgres::PostgresRecord;
use crate::record::sqlite::SqliteRecord;
use crate::source::{FileSource, KeySource};
#[cfg(feature = "aws")]
use crate::source::{SecretsManagerSource, secret_text};
use checkpoint::key::Fingerprint;
use checkpoint::keyring::Trust;

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SourcePlace {
    /// `file:PATH`
    File(PathBuf),
    /// `secretsmanager:NAME`
    SecretsManager(String),
}

impl SourcePlace {
    /// The environment in whose name its secret stands.
    pub(super) fn environment(&self) -> Option<Environment> {
        match self {
            Self::File(_) => None,
            Self::SecretsManager(name) => Environment::of_secret(name),
        }
    }

    pub(super) async fn open(&self, read_older: bool) -> Result<Box<dyn KeySource>, Failure> {
        match self {
            Self::File(path) => Ok(Box::new(FileSource::new(path))),
            Self::SecretsManager(name) => open_secret(name, read_older).await,
        }
    }
}

#[cfg(feature = "aws")]
async fn open_secret(name: &str, read_older: bool) -> Result<Box<dyn KeySource>, Failure> {
    let source = SecretsManagerSource::new(name, read_older).await;
    Ok(Box::new(source))
}

#[cfg(not(feature = "aws"))]
async fn open_secret(name: &str, _read_older: bool) -> Result<Box<dyn KeySource>, Failure> {
    Err(Failure::Impossible(format!(
        "--source: is secretsmanager:{name}, and {WITHOUT_AWS}; expected file:PATH"
    )))
}

/// What nobody can ask of this program.
#[cfg(not(feature = "aws"))]
pub(super) const WITHOUT_AWS: &str = "this program was built without the feature aws";

#[cfg(not(feature = "aws"))]
async fn secret_text(_name: &str) -> Result<String, String> {
    Err(WITHOUT_AWS.into())
}

impl FromStr for SourcePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            #[cfg(not(feature = "aws"))]
            Some(("secretsmanager", _)) => Err(format!("{WITHOUT_AWS}; expected file:PATH")),
            #[cfg(feature = "aws")]
            Some(("secretsmanager", name)) if !name.is_empty() => {
                Ok(Self::SecretsManager(name.into()))
            }
            _ => Err("expected secretsmanager:NAME or file:PATH".into()),
        }
    }
}

#[derive(Args)]
pub(super) struct RecordArg {
    /// Which record: sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, or secretsmanager:NAME of a secret that
    /// holds such an address
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_RECORD",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    pub(super) record: RecordPlace,
}

/// Whom to believe besides the record itself.
#[derive(Args)]
pub(super) struct TrustArgs {
    /// Believe the key with this fingerprint, and those that it endorses; again for each. Keys that the record knows, and those
    /// that they endorse, need none
    #[arg(
        long,
        allow_hyphen_values = true,
        env = "CHECKPOINT_SIGNER_TRUST",
        value_name = "FINGERPRINT",
        value_delimiter = ','
    )]
    trust: Vec<Fingerprint>,
    /// Believe the file that a key which the record trusts is revoked; that cannot be taken back
    #[arg(long)]
    believe_revocations: bool,
}

impl TrustArgs {
    pub(super) fn read(&self) -> Trust {
        Trust {
            fingerprints: self.trust.clone(),
            revocations: self.believe_revocations,
        }
    }
}

/// Where the record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RecordPlace {
    /// `sqlite:PATH`
    Sqlite(PathBuf),
    /// `postgres://...`
    Postgres(Box<DatabaseAddress>),
    /// `secretsmanager:NAME`: the secret holds the address of the database.
    #[cfg_attr(
        not(feature = "aws"),
        expect(dead_code, reason = "it is refused where it is read")
    )]
    Secret(String),
    /// One host of several, and what it is shown as.
    Host(String, Box<DatabaseAddress>),
}

impl RecordPlace {
    /// Of an address with several hosts, the one that is meant: all that a command does is done there, and told of it.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(unused_assignments, reason = "there is no address")
    )]
    pub(super) async fn choose(&mut self) -> Result<(), Failure> {
        let address = match self {
            Self::Postgres(address) => (**address).clone(),
            Self::Secret(name) => database(name).await?,
            Self::Sqlite(_) | Self::Host(..) => return Ok(()),
        };
        let wrong = |problem| Failure::Impossible(format!("--record: {problem}"));
        let chosen = address.choose().await.map_err(wrong)?;
        if chosen.to_string() != address.to_string() {
            let shown = match self {
                Self::Secret(_) => format!("{self} ({chosen})"),
                _ => chosen.to_string(),
            };
            *self = Self::Host(shown, Box::new(chosen));
        }
        Ok(())
    }

    /// What is wrong when its secret stands in the name of another environment than the one that is named.
    pub(super) fn of_another(&self, named: Option<Environment>) -> Option<String> {
        let Self::Secret(name) = self else {
            return None;
        };
        let (own, named) = (Environment::of_secret(name)?, named?);
        (own != named).then(|| {
            format!(
                "is {self}, the secret of {own}, but the environment is {named}; expected one environment"
            )
        })
    }

    fn check(&self, named: Option<Environment>) -> Result<(), Failure> {
        match self.of_another(named) {
            Some(problem) => Err(Failure::Impossible(format!("--record: {problem}"))),
            None => Ok(()),
        }
    }

    /// As it is: for the operator's tools.
    pub(super) async fn open(&self, claim: Claim) -> Result<Arc<dyn Record>, Failure> {
        let record = self.serve(claim).await?;
        Ok(record.as_it_is().unwrap_or(record))
    }

    /// As a service reads it.
    pub(super) async fn serve(&self, claim: Claim) -> Result<Arc<dyn Record>, Failure> {
        self.check(claim.named())?;
        Ok(match self {
            Self::Sqlite(path) => {
                let record = SqliteRecord::open_as(path, claim);
                Arc::new(record.map_err(Failure::impossible)?)
            }
            Self::Postgres(address) | Self::Host(_, address) => {
                open_postgres(address, claim).await?
            }
            Self::Secret(name) => open_postgres(&database(name).await?, claim).await?,
        })
    }

    /// Opens it to read, or to add keys, also beside a service that runs on it.
    pub(super) async fn open_beside(&self, claim: Claim) -> Result<Arc<dyn Record>, Failure> {
        match self {
            Self::Sqlite(path) => {
                let record = SqliteRecord::open_beside_as(path, claim);
                Ok(Arc::new(record.map_err(Failure::impossible)?))
            }
            _ => self.open(claim).await,
        }
    }

    /// Whether it may stand in a command of a rollover that is shown: an address of a database may have a password, and does not.
    #[cfg(feature = "aws")]
    pub(super) fn is_repeated(&self) -> bool {
        matches!(self, Self::Sqlite(_) | Self::Secret(_))
    }

    /// Whether a variable has it.
    #[cfg(feature = "aws")]
    pub(super) fn is_in(&self, variable: &str) -> bool {
        let set = std::env::var(variable).ok();
        set.and_then(|set| set.parse().ok()).as_ref() == Some(self)
    }

    /// For a command that is shown: what was given, or the variable for it where that may have a password.
    pub(super) fn flag(&self) -> String {
        match self {
            Self::Sqlite(_) | Self::Secret(_) => {
                format!("--record {}", again::word(&self.to_string()))
            }
            Self::Postgres(_) | Self::Host(..) => {
                format!("--record {}", again::record(again::RECORD))
            }
        }
    }

    pub(super) async fn init(&self, environment: Option<Environment>) -> Result<(), Failure> {
        self.check(environment)?;
        match self {
            Self::Sqlite(path) => {
                SqliteRecord::init_in(path, environment).map_err(Failure::impossible)
            }
            Self::Postgres(address) | Self::Host(_, address) => {
                init_postgres(address, environment).await
            }
            Self::Secret(name) => init_postgres(&database(name).await?, environment).await,
        }
    }
}

#[cfg(feature = "postgres")]
async fn open_postgres(
    address: &DatabaseAddress,
    claim: Claim,
) -> Result<Arc<dyn Record>, Failure> {
    let record = PostgresRecord::open_as(address, claim).await;
    Ok(Arc::new(record.map_err(Failure::impossible)?))
}

#[cfg(not(feature = "postgres"))]
async fn open_postgres(address: &DatabaseAddress, _: Claim) -> Result<Arc<dyn Record>, Failure> {
    match *address {}
}

#[cfg(not(feature = "postgres"))]
async fn init_postgres(address: &DatabaseAddress, _: Option<Environment>) -> Result<(), Failure> {
    match *address {}
}

#[cfg(feature = "postgres")]
async fn init_postgres(
    address: &DatabaseAddress,
    environment: Option<Environment>,
) -> Result<(), Failure> {
    let made = PostgresRecord::init_in(address, environment).await;
    made.map_err(Failure::impossible)
}

/// The address that a secret holds. It has a password: no error repeats it.
async fn database(secret: &str) -> Result<DatabaseAddress, Failure> {
    let wrong = |problem: String| Failure::Impossible(format!("--record: {secret}: {problem}"));
    let text = secret_text(secret).await.map_err(wrong)?;
    text.trim().parse().map_err(wrong)
}

impl FromStr for RecordPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            #[cfg(not(feature = "aws"))]
            Some(("secretsmanager", _)) => Err(format!(
                "{WITHOUT_AWS}; expected sqlite:PATH or postgres://..."
            )),
            #[cfg(feature = "aws")]
            Some(("secretsmanager", name)) if !name.is_empty() => Ok(Self::Secret(name.into())),
            Some((scheme, _)) if scheme.starts_with("postgres") => {
                text.parse().map(Box::new).map(Self::Postgres)
            }
            _ => Err("expected sqlite:PATH, postgres://... or secretsmanager:NAME".into()),
        }
    }
}

impl std::fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(address) => address.fmt(f),
            Self::Secret(name) => write!(f, "secretsmanager:{name}"),
            Self::Host(shown, _) => f.write_str(shown),
        }
    }
}
