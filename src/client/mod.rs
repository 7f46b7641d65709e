//! Connecting to a running service, for the command line and for replicas.

pub mod health;
mod look;
mod peers;
#[cfg(feature = "aws")]
mod services;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::CertificateError;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use zeroize::Zeroizing;

use crate::x509::{Certificates, Purpose};
use checkpoint::fault::innermost;

pub use look::{Mistake, mistake};
pub use peers::RemotePeer;

/// How long the command line waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the command line waits for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest file of certificates or of a key: all authorities of a machine have some 250 KiB.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// How to speak TLS with a service whose URL begins with https.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// The authority of the service's certificate, PEM; without it, the machine's authorities.
    pub server_ca: Option<PathBuf>,
    /// The certificate to show to the service, and those above it, PEM; with its key, or not at all.
    pub client_certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub client_key: Option<PathBuf>,
}

/// All running services.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    /// Where each replica is.
    pub urls: Vec<String>,
    /// How to speak with them.
    pub tls: ClientTls,
    /// Takes who is waited for, once that takes long.
    pub waiting: Option<fn(&str)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text is no URL of a server.
    #[error(
        "server: {0:?} is not the URL of a server; expected for example http://127.0.0.1:50051, or https://..., with a port \
         up to 65535 and nothing after it"
    )]
    Url(String),
    /// It has a user's name or a password: nothing here asks for one, and it would be shown with the URL.
    #[error(
        "server: {0} has a user or a password in it; expected none: who calls is told by --client-certificate"
    )]
    Credentials(String),
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
    /// What is there is not the service as it was asked for.
    #[error("server: {url}: {mistake}")]
    Mistake {
        /// Where.
        url: String,
        /// What is there.
        mistake: Mistake,
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
/// [`ConnectError`] when the URL cannot be used, a file cannot be used, or nobody answers.
pub async fn connect(url: &str, tls: &ClientTls) -> Result<Channel, ConnectError> {
    let endpoint = endpoint(url, tls)?;
    let over_tls = endpoint.uri().scheme_str() == Some("https");
    let connected = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .connect()
        .await;
    match connected {
        Ok(channel) => Ok(channel),
        Err(error) => Err(match mistake(url, tls).await {
            Some(mistake) => ConnectError::Mistake {
                url: url.into(),
                mistake,
            },
            None => no_answer(url, &error, over_tls),
        }),
    }
}

/// Why a call ended without an answer of the service.
pub(crate) async fn why_lost(url: &str, tls: &ClientTls, status: &Status) -> Option<String> {
    is_lost(status).then_some(())?;
    Some(mistake(url, tls).await?.to_string())
}

fn is_lost(status: &Status) -> bool {
    let code = matches!(
        status.code(),
        Code::Unknown | Code::Internal | Code::Cancelled | Code::Unavailable
    );
    code && status.get_details_error_info().is_none()
}

/// What can be told without connecting.
///
/// # Errors
/// [`ConnectError`] when the URL cannot be used, or a file cannot be used.
pub fn check(url: &str, tls: &ClientTls) -> Result<(), ConnectError> {
    endpoint(url, tls).map(drop)
}

/// A URL without what may be a password in it.
pub(crate) fn shown(url: &str) -> Cow<'_, str> {
    match url.rsplit_once('@') {
        Some((_, place)) => format!("...@{place}").into(),
        None => url.into(),
    }
}

/// The same as an address that can be asked.
pub(crate) fn without_user(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => url.into(),
    }
}

fn endpoint(url: &str, tls: &ClientTls) -> Result<Endpoint, ConnectError> {
    let shown = || shown(url).into_owned();
    let wrong = || ConnectError::Url(shown());
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong())?;
    let uri = endpoint.uri();
    let authority = uri.authority().ok_or_else(wrong)?;
    if authority.as_str().contains('@') {
        return Err(ConnectError::Credentials(shown()));
    }
    // The library says of a number beyond all ports that there is no port.
    let without_port = authority.as_str() == authority.host();
    let place_alone = uri.path() == "/" && uri.query().is_none();
    if !place_alone || !(without_port || authority.port_u16().is_some_and(|port| port != 0)) {
        return Err(wrong());
    }
    match endpoint.uri().scheme_str() {
        Some("http") => match tls.given() {
            Some(flag) => {
                let url = url.into();
                Err(ConnectError::Unused { flag, url })
            }
            None => Ok(endpoint),
        },
        Some("https") => endpoint
            .tls_config(tls.read()?)
            .map_err(|error| no_answer(url, &error, true)),
        _ => Err(wrong()),
    }
}

fn no_answer(url: &str, error: &tonic::transport::Error, over_tls: bool) -> ConnectError {
    ConnectError::NoAnswer {
        url: url.into(),
        reason: match advice_on_connecting(error, over_tls) {
            Some(advice) => format!("{}; {advice}", innermost(error)),
            None => innermost(error),
        },
    }
}

/// What to do about a call that ended without an answer of the service, which gives each of its refusals a reason: then gRPC's
/// library tells of the connection, and the peer's alert has gone by.
#[must_use]
pub fn advice(status: &Status) -> Option<&'static str> {
    let is_lost = matches!(
        status.code(),
        Code::Unknown | Code::Internal | Code::Cancelled
    );
    (is_lost && status.get_details_error_info().is_none()).then_some(
        "the connection was ended before the service answered: where it speaks TLS, expected https://, and where it asks for \
         certificates, --client-certificate and --client-key of an authority that it trusts (its log says what it refused)",
    )
}

/// What to do when there is no connection, where that can be told.
fn advice_on_connecting(error: &dyn std::error::Error, over_tls: bool) -> Option<&'static str> {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return advice_on_tls(found);
        }
        next = error.source();
        let Some(failed) = error.downcast_ref::<std::io::Error>() else {
            continue;
        };
        // An error of I/O gives the source of the one in it, and not that one.
        if let Some(found) = failed.get_ref().and_then(|inner| inner.downcast_ref()) {
            return advice_on_tls(found);
        }
        let is_ended = matches!(
            failed.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
        );
        if over_tls && is_ended {
            return Some("it may not speak TLS there; expected http:// then, or another port");
        }
    }
    None
}

fn advice_on_tls(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidMessage(_) => {
            Some("it does not speak TLS there; expected http://, or another port")
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Some("expected --server-ca with the authority of its certificate")
        }
        rustls::Error::AlertReceived(_) => Some(
            "it refused to speak with this client; expected --client-certificate and --client-key of an authority that it \
             trusts",
        ),
        _ => None,
    }
}

impl ClientTls {
    /// The certificates that are named, where they can be read.
    pub(crate) fn certificates(&self) -> Vec<Certificates> {
        let of = |flag: &'static str, path: &Option<PathBuf>, purpose| {
            let path = path.as_ref()?;
            let pem = files::read(path, MAX_FILE_BYTES).ok()?;
            Certificates::of_pem(flag, path, purpose, &pem)
        };
        let (shown, trusted) = (Purpose::Chain, Purpose::Authorities);
        let client = of("client-certificate", &self.client_certificate, shown);
        let server = of("server-ca", &self.server_ca, trusted);
        client.into_iter().chain(server).collect()
    }

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
    let failed = |problem: String| ConnectError::File {
        flag,
        path: path.into(),
        problem,
    };
    let read = files::read(path, MAX_FILE_BYTES).map_err(|error| failed(error.to_string()))?;
    let read = Zeroizing::new(read);
    match read.len() as u64 > MAX_FILE_BYTES {
        true => Err(failed(format!(
            "is too large; expected at most {MAX_FILE_BYTES} bytes"
        ))),
        false => Ok(read),
    }
}
