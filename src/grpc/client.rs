//! Connecting to a running service, for the command line.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

/// How long the command line waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the command line waits for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text is no URL of a server.
    #[error(
        "server: {0:?} is not the URL of a server; expected for example http://127.0.0.1:50051"
    )]
    Url(String),
    /// Nobody answers there.
    #[error("server: {url} does not answer: {reason}")]
    NoAnswer {
        /// Where.
        url: String,
        /// What happened.
        reason: String,
    },
}

/// Connects to a service.
///
/// # Errors
/// [`ConnectError`] when the URL is none, or nobody answers.
pub async fn connect(url: &str) -> Result<Channel, ConnectError> {
    let wrong = || ConnectError::Url(url.into());
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong())?;
    if endpoint.uri().scheme().is_none() || endpoint.uri().host().is_none() {
        return Err(wrong());
    }
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT);
    endpoint.connect().await.map_err(|error| {
        // The outermost message is only "transport error".
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            reason = inner.to_string();
            source = inner.source();
        }
        ConnectError::NoAnswer {
            url: url.into(),
            reason,
        }
    })
}
