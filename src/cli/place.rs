//! Where keys and the record are: `file:PATH` and `sqlite:PATH`.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use crate::record::Record;
use crate::record::sqlite::{OpenError, SqliteRecord};
use crate::source::{FileSource, KeySource};

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SourcePlace {
    /// `file:PATH`
    File(PathBuf),
}

impl SourcePlace {
    pub(super) fn open(&self) -> Box<dyn KeySource> {
        match self {
            Self::File(path) => Box::new(FileSource::new(path)),
        }
    }
}

impl FromStr for SourcePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err("expected file:PATH".into()),
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
