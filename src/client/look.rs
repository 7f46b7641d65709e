//! What is at the other end when it is not the service that was asked for: found out by a connection of its own, on which nothing is
//! said but how HTTP/2 begins.
//!
//! A wrong scheme, port or certificate shows to gRPC's library as a connection that was ended, and the peer's reason has gone by.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::Uri;

use super::{ClientTls, read};

/// How long the other end may take for its first words.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a client begins: the preface and an empty SETTINGS frame (RFC 9113, section 3.4).
const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// What HTTP/1 answers.
const QUESTION: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The type of the frame with which a server answers that (RFC 9113, section 6.5), and where it stands.
const SETTINGS: (usize, u8) = (3, 4);

/// The content types of TLS with which a server answers one who does not speak it: alert and handshake (RFC 8446, section 5.1).
const TLS: [u8; 2] = [21, 22];

/// What was found in place of the service as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// `http://`, and TLS is spoken.
    #[error("it speaks TLS there; expected https://")]
    SpeaksTls,
    /// `https://`, and gRPC is spoken without TLS.
    #[error("it does not speak TLS there; expected http://")]
    SpeaksNoTls,
    /// The port of the page and the published keys.
    #[error(
        "HTTP is served there (the page, the published keys), and no gRPC; expected the port of gRPC, which `serve` tells at its start \
         (\"gRPC on\"), 50051 where --grpc says no other"
    )]
    IsHttp,
    /// A client without a certificate is turned away.
    #[error(
        "it asks for a client certificate, and none was given; expected --client-certificate and --client-key, of an authority in its \
         --tls-client-ca"
    )]
    WantsCertificate,
    /// The client's certificate is turned away.
    #[error(
        "it refuses the client certificate ({0}); expected one of an authority in its --tls-client-ca that has not ended and is not \
         revoked (its log says which)"
    )]
    RefusesCertificate(String),
    /// Nobody vouches for its certificate.
    #[error(
        "its certificate is not of an authority that is trusted here; expected --server-ca with the authority that issued it"
    )]
    UnknownAuthority,
    /// Its certificate has ended, or begins later.
    #[error(
        "its certificate is outside of its validity by this machine's clock ({0}); expected the service to be given a new one, which it \
         reads by itself"
    )]
    OutsideValidity(String),
    /// Its certificate is for other names.
    #[error("its certificate is for other names ({}); expected --server with a name of them", .0.join(", "))]
    OtherName(Vec<String>),
}

/// Looks what is there; none when it is gRPC as the URL says, nobody answers, or it cannot be told.
pub async fn mistake(url: &str, tls: &ClientTls) -> Option<Mistake> {
    let uri: Uri = url.parse().ok()?;
    match uri.scheme_str()? {
        "https" => over_tls(&uri, tls).await,
        _ => without_tls(&uri).await,
    }
}

async fn without_tls(uri: &Uri) -> Option<Mistake> {
    match plain_words(uri, 80).await? {
        Words::Http2 => None,
        Words::Http1 => Some(Mistake::IsHttp),
        Words::Tls => Some(Mistake::SpeaksTls),
        // Who waits for TLS may just close.
        Words::Other => handshake_is_known(uri).await.then_some(Mistake::SpeaksTls),
    }
}

/// What is said without TLS.
async fn plain_words(uri: &Uri, port: u16) -> Option<Words> {
    let words = first_words(connect(uri, port).await?, BEGINNING).await;
    if let Ok(words @ (Words::Http2 | Words::Http1 | Words::Tls)) = words {
        return Some(words);
    }
    // Who speaks HTTP/1 alone may close at that beginning.
    let question = first_words(connect(uri, port).await?, QUESTION).await;
    Some(question.unwrap_or(Words::Other))
}

async fn handshake_is_known(uri: &Uri) -> bool {
    match handshake(uri, &ClientTls::default(), 80).await {
        Some(Err(error)) => {
            error.is_some_and(|error| !matches!(error, rustls::Error::InvalidMessage(_)))
        }
        Some(Ok(_)) => true,
        None => false,
    }
}

async fn over_tls(uri: &Uri, tls: &ClientTls) -> Option<Mistake> {
    let is_with_certificate = tls.client_certificate.is_some();
    let told =
        |error: Option<rustls::Error>| error.and_then(|error| of_tls(&error, is_with_certificate));
    let stream = match handshake(uri, tls, 443).await? {
        Ok(stream) => stream,
        Err(error) => {
            if let Some(told) = told(error) {
                return Some(told);
            }
            // It did not answer as one who speaks TLS.
            return match plain_words(uri, 443).await? {
                Words::Http2 => Some(Mistake::SpeaksNoTls),
                Words::Http1 => Some(Mistake::IsHttp),
                Words::Tls | Words::Other => None,
            };
        }
    };
    match first_words(stream, BEGINNING).await {
        Ok(Words::Http1) => Some(Mistake::IsHttp),
        Ok(_) => None,
        Err(error) => told(cause(&error)),
    }
}

fn of_tls(error: &rustls::Error, is_with_certificate: bool) -> Option<Mistake> {
    use rustls::Error::{AlertReceived, InvalidCertificate};
    match error {
        InvalidCertificate(error) => of_certificate(error),
        AlertReceived(AlertDescription::NoApplicationProtocol) => Some(Mistake::IsHttp),
        AlertReceived(alert) if is_with_certificate => {
            is_about_certificate(*alert).then(|| Mistake::RefusesCertificate(format!("{alert:?}")))
        }
        AlertReceived(alert) => is_about_certificate(*alert).then_some(Mistake::WantsCertificate),
        _ => None,
    }
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::HandshakeFailure
    )
}

fn of_certificate(error: &CertificateError) -> Option<Mistake> {
    Some(match error {
        // An authority of the same name with another key did not sign it.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Mistake::UnknownAuthority
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            Mistake::OutsideValidity(error.to_string())
        }
        CertificateError::NotValidForName => Mistake::OtherName(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            Mistake::OtherName(presented.iter().map(|name| plain_name(name)).collect())
        }
        _ => return None,
    })
}

/// `DnsName("localhost")` without the library's words.
fn plain_name(name: &str) -> String {
    let inner = name.split_once("(\"").map(|(_, name)| name);
    let inner = inner.and_then(|name| name.strip_suffix("\")"));
    inner.unwrap_or(name).to_owned()
}

async fn connect(uri: &Uri, port: u16) -> Option<TcpStream> {
    let host = uri.host()?.trim_matches(['[', ']']);
    let connecting = TcpStream::connect((host, uri.port_u16().unwrap_or(port)));
    tokio::time::timeout(PATIENCE, connecting).await.ok()?.ok()
}

type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// A handshake; none when there is no connection or a file cannot be used, which is told elsewhere.
async fn handshake(
    uri: &Uri,
    tls: &ClientTls,
    port: u16,
) -> Option<Result<TlsStream, Option<rustls::Error>>> {
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).ok()?;
    let connector = TlsConnector::from(Arc::new(config(tls)?));
    let stream = connect(uri, port).await?;
    let shaking = tokio::time::timeout(PATIENCE, connector.connect(name, stream));
    Some(shaking.await.ok()?.map_err(|error| cause(&error)))
}

fn cause(error: &io::Error) -> Option<rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>().cloned()
}

/// As gRPC's library speaks with the same files.
fn config(tls: &ClientTls) -> Option<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &tls.server_ca {
        Some(path) => {
            let pem = read("--server-ca", path).ok()?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.ok()?).ok()?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(found);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().ok()?;
    let config = config.with_root_certificates(roots);
    let mut config = match (&tls.client_certificate, &tls.client_key) {
        (Some(certificate), Some(key)) => {
            let certificate = read("--client-certificate", certificate).ok()?;
            let chain = CertificateDer::pem_slice_iter(&certificate);
            let chain = chain.collect::<Result<Vec<_>, _>>().ok()?;
            let key = PrivateKeyDer::from_pem_slice(&read("--client-key", key).ok()?);
            config.with_client_auth_cert(chain, key.ok()?).ok()?
        }
        _ => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Some(config)
}

enum Words {
    Http2,
    Http1,
    Tls,
    Other,
}

/// Says something, and tells what the other end says.
async fn first_words(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    said: &[u8],
) -> io::Result<Words> {
    // It may be ended already, with its reason still to be read.
    let _ = stream.write_all(said).await;
    let _ = stream.flush().await;
    let mut words = [0; 9];
    let reading = stream.read_exact(&mut words);
    let read = tokio::time::timeout(PATIENCE, reading).await;
    match read {
        Ok(Ok(_)) => {}
        // An alert has seven bytes.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Ok(Err(error)) => return Err(error),
        Err(_) => return Ok(Words::Other),
    }
    let (at, kind) = SETTINGS;
    Ok(match words {
        _ if words.starts_with(b"HTTP/1.") => Words::Http1,
        [first, 3, ..] if TLS.contains(&first) => Words::Tls,
        [0, ..] if words.get(at) == Some(&kind) => Words::Http2,
        _ => Words::Other,
    })
}
