//! Where keys come from. A source gives versions with their staging labels; what may be done with them is
//! decided elsewhere.

#[cfg(feature = "aws")]
pub(crate) mod aws;
#[cfg(feature = "aws")]
pub(crate) mod date;
mod file;
#[cfg(feature = "aws")]
mod secrets_manager;
#[cfg(feature = "aws")]
pub(crate) mod transport;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::timekeeping::SecondClock;
use checkpoint::signing::{SecretError, VersionSecret};

pub use file::FileSource;
#[cfg(feature = "aws")]
pub use secrets_manager::SecretsManagerSource;
#[cfg(feature = "aws")]
pub(crate) use secrets_manager::{parse_secret, secret_text};

/// The secret's name where no environment is named.
pub const DEFAULT_SECRET: &str = "amply/checkpoint-signing-key";

/// How a fault begins that no other content of the source would mend.
pub(crate) const CANNOT_BE_READ: &str = "the key source cannot be read";

/// Why a source cannot be read. No variant holds key material.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached or read now.
    #[error("{CANNOT_BE_READ}: {0}")]
    Unavailable(String),
    /// What it holds is refused, as a whole or a version of it.
    #[error("the key source is refused: {0}")]
    Refused(String),
}

impl From<SecretError> for SourceError {
    fn from(error: SecretError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// A source of key versions.
#[async_trait]
pub trait KeySource: Send + Sync + 'static {
    /// What the operator calls it, `file:/run/keys.json`.
    fn name(&self) -> &str;

    /// Reads all versions that it has.
    async fn load(&self) -> Result<Vec<VersionSecret>, SourceError>;

    /// Returns when it may hold something else than at the last [`KeySource::load`]; never for a source that
    /// does not tell.
    async fn changed(&self);

    /// How often to read a source that does not tell when it has changed.
    fn poll_every(&self) -> Option<TimeDelta> {
        None
    }

    /// The clock of the service that it is, as far as its answers tell.
    fn second_clock(&self) -> Option<SecondClock> {
        None
    }

    /// Calls made to a service that counts (and charges for) them.
    fn api_calls(&self) -> Option<u64> {
        None
    }
}
