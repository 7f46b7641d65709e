//! Where keys and the record are: `secretsmanager:NAME`, `file:PATH` and `sqlite:PATH`.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use crate::record::Record;
use crate::record::sqlite::{OpenError, SqliteRecord};
use crate::source::{DEFAULT_SECRET, FileSource, KeySource, SecretsManagerSource};

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SourcePlace {
    /// `file:PATH`
    File(PathBuf),
    /// `secretsmanager:NAME`
    SecretsManager(String),
}

impl SourcePlace {
    pub(super) async fn open(&self, read_older: bool) -> Box<dyn KeySource> {
        match self {
            Self::File(path) => Box::new(FileSource::new(path)),
            Self::SecretsManager(name) => {
                Box::new(SecretsManagerSource::new(name, read_older).await)
            }
        }
    }
}

impl FromStr for SourcePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("secretsmanager", name)) if !name.is_empty() => {
                Ok(Self::SecretsManager(name.into()))
            }
            _ => Err("expected secretsmanager:NAME or file:PATH".into()),
        }
    }
}

/// The environment whose secret holds the keys: `amply/<environment>/checkpoint-signing-key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Environment {
    /// Production
    Prod,
    /// Staging
    Staging,
    /// Sandbox
    Sandbox,
}

impl Environment {
    /// The secret's name, also where no environment is named.
    pub(super) fn secret_name(environment: Option<Self>) -> &'static str {
        match environment {
            None => DEFAULT_SECRET,
            Some(Self::Prod) => "amply/prod/checkpoint-signing-key",
            Some(Self::Staging) => "amply/staging/checkpoint-signing-key",
            Some(Self::Sandbox) => "amply/sandbox/checkpoint-signing-key",
        }
    }
}

/// Where the record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RecordPlace {
    /// `sqlite:PATH`
    Sqlite(PathBuf),
}

impl RecordPlace {
    pub(super) fn open(&self) -> Result<Arc<dyn Record>, OpenError> {
        match self {
            Self::Sqlite(path) => Ok(Arc::new(SqliteRecord::open(path)?)),
        }
    }

    pub(super) fn init(&self) -> Result<(), OpenError> {
        match self {
            Self::Sqlite(path) => SqliteRecord::init(path),
        }
    }
}

impl FromStr for RecordPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err("expected sqlite:PATH".into()),
        }
    }
}

impl std::fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}
