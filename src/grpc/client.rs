//! Connecting to a running service, for the command line and for replicas.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use zeroize::Zeroizing;

/// How long the command line waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the command line waits for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How to speak TLS with a service whose URL begins with https.
#[derive(Args, Clone, Debug, Default)]
pub struct ClientTls {
    /// The authority of the service's certificate, PEM; without it, the machine's authorities
    #[arg(long, env = "CHECKPOINT_SIGNER_SERVER_CA", value_name = "FILE")]
    server_ca: Option<PathBuf>,
    /// The certificate to show to the service, and those above it, PEM
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_CLIENT_CERTIFICATE",
        value_name = "FILE",
        requires = "client_key"
    )]
    client_certificate: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_certificate"
    )]
    client_key: Option<PathBuf>,
}

/// All running services.
#[derive(Args, Clone, Debug, Default)]
pub struct Servers {
    /// A running service, asked what it says of the keys; give each replica, several times or with commas
    #[arg(
        id = "servers",
        long = "server",
        env = "CHECKPOINT_SIGNER_SERVERS",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub urls: Vec<String>,
    /// How to speak with them.
    #[command(flatten)]
    pub tls: ClientTls,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text is no URL of a server.
    #[error(
        "server: {0:?} is not the URL of a server; expected for example http://127.0.0.1:50051, or https://..."
    )]
    Url(String),
    /// A file for TLS cannot be used.
    #[error("{flag}: {}: {problem}", path.display())]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Files for TLS are given for a URL without TLS: they would not be used.
    #[error(
        "{flag}: would not be used: {url} is spoken to without TLS; expected https://, or the URL alone"
    )]
    Unused {
        /// The first of the flags.
        flag: &'static str,
        /// Where.
        url: String,
    },
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
/// [`ConnectError`] when the URL is none, a file cannot be used, or nobody answers.
pub async fn connect(url: &str, tls: &ClientTls) -> Result<Channel, ConnectError> {
    let wrong = || ConnectError::Url(url.into());
    let mut endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong())?;
    let scheme = endpoint.uri().scheme_str().map(str::to_owned);
    if endpoint.uri().host().is_none() {
        return Err(wrong());
    }
    let failed = |error: tonic::transport::Error| ConnectError::NoAnswer {
        url: url.into(),
        reason: innermost(&error),
    };
    match scheme.as_deref() {
        Some("http") => {
            if let Some(flag) = tls.given() {
                let url = url.into();
                return Err(ConnectError::Unused { flag, url });
            }
        }
        Some("https") => endpoint = endpoint.tls_config(tls.read()?).map_err(failed)?,
        _ => return Err(wrong()),
    }
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT);
    endpoint.connect().await.map_err(failed)
}

/// The outermost message is only "transport error".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    reason.to_string()
}

impl ClientTls {
    /// The first flag that is given.
    fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--server-ca", &self.server_ca),
            ("--client-certificate", &self.client_certificate),
            ("--client-key", &self.client_key),
        ];
        let mut given = flags.into_iter().filter(|(_, path)| path.is_some());
        given.next().map(|(flag, _)| flag)
    }

    fn read(&self) -> Result<ClientTlsConfig, ConnectError> {
        let mut config = ClientTlsConfig::new();
        config = match &self.server_ca {
            Some(path) => config.ca_certificate(Certificate::from_pem(read("--server-ca", path)?)),
            None => config.with_native_roots(),
        };
        if let (Some(certificate), Some(key)) = (&self.client_certificate, &self.client_key) {
            let certificate = read("--client-certificate", certificate)?;
            let key = read("--client-key", key)?;
            config = config.identity(Identity::from_pem(certificate, key));
        }
        Ok(config)
    }
}

fn read(flag: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, ConnectError> {
    let read = std::fs::read(path).map_err(|error| ConnectError::File {
        flag,
        path: path.into(),
        problem: error.to_string(),
    })?;
    Ok(Zeroizing::new(read))
}
