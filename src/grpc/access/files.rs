//! The files that TLS is made of: read together, judged together, and in force together.
//!
//! Attack: a certificate of another authority, or one that has expired or was revoked; a file that fills the memory. Shown by
//! `tests/access/every_rpc.rs` (`every_rpc_lets_in_the_right_roles_alone`, as `stranger` and `expired`), `changes.rs`
//! (`a_revocation_list_that_has_expired_is_told_of_once_and_still_revokes`) and `start.rs` (`what_is_read_is_bounded`).

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::VerifierBuilderError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{CertificateError, RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::anchors::InForce;
use super::revocation;
use super::roles::Clients;
use crate::x509::{Certificates, Purpose};
use checkpoint::fault;

/// Largest file that is read, in bytes: some hundred authorities, or a long revocation list.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The oldest TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinimumTls {
    /// TLS 1.3 (RFC 8446) alone.
    Tls13,
    /// TLS 1.2 (RFC 5246) as well, for clients that know no better.
    Tls12,
}

/// Where everything stands.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate and those above it, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM: PKCS#8, PKCS#1 or SEC 1.
    pub key: PathBuf,
    /// The authorities of clients, PEM.
    pub client_ca: PathBuf,
    /// Certificates that these authorities have revoked (RFC 5280, section 5), PEM.
    pub client_crl: Option<PathBuf>,
    /// Who may do what: see [`Clients::parse`].
    pub roles: PathBuf,
    /// The oldest TLS that is spoken.
    pub minimum: MinimumTls,
}

/// The texts of the files; none of one that is not there, or could not be read.
#[derive(Default)]
pub struct TlsTexts {
    /// Of the certificate.
    pub certificate: Option<Zeroizing<Vec<u8>>>,
    /// Of its key.
    pub key: Option<Zeroizing<Vec<u8>>>,
    /// Of the authorities of clients.
    pub client_ca: Option<Zeroizing<Vec<u8>>>,
    /// Of the revocation lists.
    pub client_crl: Option<Zeroizing<Vec<u8>>>,
    /// Of the roles.
    pub roles: Option<Zeroizing<Vec<u8>>>,
}

impl TlsTexts {
    /// Two of the same texts have the same.
    fn fingerprint(&self) -> [u8; 32] {
        let Self {
            certificate,
            key,
            client_ca,
            client_crl,
            roles,
        } = self;
        let mut fingerprint = Sha256::new();
        for text in [certificate, key, client_ca, roles, client_crl]
            .into_iter()
            .flatten()
        {
            fingerprint.update((text.len() as u64).to_be_bytes());
            fingerprint.update(text.as_slice());
        }
        fingerprint.finalize().into()
    }
}

/// What is wrong with one of the files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag}: {}: {problem}", path.display())]
pub struct AccessFault {
    flag: &'static str,
    path: PathBuf,
    problem: String,
}

/// What the files say: whom to let in, and as what.
pub struct Authority {
    /// TLS, for new connections.
    pub(in crate::grpc) config: Arc<ServerConfig>,
    /// Judges the certificate of a client. A revocation list that has expired is believed all the same: to shut everybody
    /// out at night, because nobody renewed it, is worse than not to know of the latest revocation.
    verifier: Arc<dyn ClientCertVerifier>,
    /// The same, but it believes no revocation list that has expired.
    with_fresh_lists: Arc<dyn ClientCertVerifier>,
    /// Whether an expired list was told of.
    told: AtomicBool,
    /// Who may do what.
    pub(super) clients: Clients,
    /// The server's certificate and the clients' authorities.
    certificates: Vec<Certificates>,
    fingerprint: [u8; 32],
}

impl AccessFault {
    /// The setting that names the file.
    pub fn flag(&self) -> &'static str {
        self.flag
    }

    /// What is wrong.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// The server's certificate and the clients' authorities.
    pub(crate) fn certificates(&self) -> &[Certificates] {
        &self.certificates
    }

    /// Two of the same files have the same.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Whether a certificate is good now.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn verify(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let (end_entity, intermediates) = chain
            .split_first()
            .ok_or(rustls::Error::NoCertificatesPresented)?;
        let now = UnixTime::now();
        let judge = |verifier: &Arc<dyn ClientCertVerifier>| {
            let verified = verifier.verify_client_cert(end_entity, intermediates, now);
            verified.map(drop)
        };
        match judge(&self.with_fresh_lists) {
            Err(error) if is_expired_list(&error) => {
                if !self.told.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "--tls-client-crl has expired: what was revoked since is not known; renew it");
                }
                judge(&self.verifier)
            }
            judged => judged,
        }
    }
}

impl TlsFiles {
    /// Reads and judges all of them.
    ///
    /// # Errors
    /// Everything that is wrong, a fault for each file.
    pub(super) async fn read(&self) -> Result<Authority, Vec<AccessFault>> {
        let files = self.clone();
        let read = tokio::task::spawn_blocking(move || files.read_now()).await;
        read.unwrap_or_else(|_| {
            Err(vec![self.fault(
                "--tls-certificate",
                &self.certificate,
                "cannot be read",
            )])
        })
    }

    fn read_now(&self) -> Result<Authority, Vec<AccessFault>> {
        let mut faults = Vec::new();
        let mut text = |flag, path: &Path| {
            let read = read_file(path);
            read.map_err(|problem| faults.push(self.fault(flag, path, problem)))
                .ok()
        };
        let texts = TlsTexts {
            certificate: text("--tls-certificate", &self.certificate),
            key: text("--tls-key", &self.key),
            client_ca: text("--tls-client-ca", &self.client_ca),
            roles: text("--roles", &self.roles),
            client_crl: self
                .client_crl
                .as_deref()
                .and_then(|path| text("--tls-client-crl", path)),
        };
        match self.judge(texts) {
            Ok(authority) if faults.is_empty() => Ok(authority),
            judged => {
                faults.extend(judged.err().into_iter().flatten());
                Err(faults)
            }
        }
    }

    /// Judges the texts of all of them. What is missing is no fault of its own here.
    ///
    /// # Errors
    /// Everything that is wrong, a fault for each file.
    pub fn judge(&self, texts: TlsTexts) -> Result<Authority, Vec<AccessFault>> {
        let fingerprint = texts.fingerprint();
        let TlsTexts {
            certificate,
            key,
            client_ca,
            client_crl,
            roles,
        } = texts;
        let mut faults = Vec::new();
        let mut fail =
            |flag, path: &Path, problem: String| faults.push(self.fault(flag, path, problem));
        let chain = certificate.and_then(|bytes| {
            certificates(&bytes)
                .map_err(|problem| fail("--tls-certificate", &self.certificate, problem))
                .ok()
        });
        let key = key.and_then(|bytes| {
            // The error could repeat a line of the key.
            let expected =
                "is not a private key in PEM; expected PKCS#8 (PRIVATE KEY), PKCS#1 or SEC 1";
            PrivateKeyDer::from_pem_slice(&bytes)
                .map_err(|_| fail("--tls-key", &self.key, expected.into()))
                .ok()
        });
        let known = client_ca
            .as_deref()
            .and_then(|bytes| certificates(bytes).ok());
        let authorities = client_ca.and_then(|bytes| {
            are_authorities(&bytes)
                .map_err(|problem| fail("--tls-client-ca", &self.client_ca, problem))
                .ok()
        });
        let crls = match (&self.client_crl, client_crl) {
            (Some(path), Some(bytes)) => revocation_lists(&bytes)
                .and_then(|lists| revocation::judged(lists, known.as_deref().unwrap_or_default()))
                .map_err(|problem| fail("--tls-client-crl", path, problem))
                .ok(),
            (Some(_), _) => None,
            (None, _) => Some(Vec::new()),
        };
        let clients = roles.and_then(|bytes| {
            let read = match std::str::from_utf8(&bytes) {
                Ok(text) => Clients::parse(text).map_err(|faults| fault::list(&faults)),
                Err(_) => Err("is not UTF-8; expected TOML".into()),
            };
            read.map_err(|problem| fail("--roles", &self.roles, problem))
                .ok()
        });
        let (Some(chain), Some(key), Some(()), Some(crls), Some(clients)) =
            (chain, key, authorities, crls, clients)
        else {
            return Err(faults);
        };
        let known = known.unwrap_or_default();
        let (shown, trusted) = (Purpose::Chain, Purpose::Authorities);
        let in_force = [
            Certificates::new("tls-certificate", &self.certificate, shown, &chain),
            Certificates::new("tls-client-ca", &self.client_ca, trusted, &known),
        ];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let build = |fresh_lists: bool| {
            let (crls, provider) = (crls.clone(), Arc::clone(&provider));
            let verifier = InForce::verifier(&known, move |roots| {
                let provider = Arc::clone(&provider);
                let lenient =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .with_crls(crls.clone())
                        // An authority that publishes no list for its own certificate is the ordinary case.
                        .only_check_end_entity_revocation();
                match fresh_lists {
                    true => lenient.enforce_revocation_expiration().build(),
                    false => lenient.build(),
                }
            });
            verifier.map_err(|error| {
                let (flag, path) = match (&error, &self.client_crl) {
                    (VerifierBuilderError::InvalidCrl(_), Some(path)) => ("--tls-client-crl", path),
                    _ => ("--tls-client-ca", &self.client_ca),
                };
                vec![self.fault(flag, path, error.to_string())]
            })
        };
        let with_fresh_lists = build(true)?;
        let verifier = build(false)?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.minimum.versions())
            .map(|builder| builder.with_client_cert_verifier(Arc::clone(&verifier)))
            .and_then(|builder| builder.with_single_cert(chain, key))
            .map_err(|error| {
                let problem = format!("cannot be used with the certificate: {error}; expected the key of that certificate");
                vec![self.fault("--tls-key", &self.key, problem)]
            })?;
        Ok(Authority {
            config: Arc::new(for_grpc(config)),
            verifier,
            with_fresh_lists,
            told: AtomicBool::new(false),
            clients,
            certificates: in_force.into_iter().flatten().collect(),
            fingerprint,
        })
    }

    fn fault(&self, flag: &'static str, path: &Path, problem: impl Into<String>) -> AccessFault {
        AccessFault {
            flag,
            path: path.into(),
            problem: problem.into(),
        }
    }
}

impl MinimumTls {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls13 => TLS13,
            Self::Tls12 => rustls::DEFAULT_VERSIONS,
        }
    }
}

fn is_expired_list(error: &rustls::Error) -> bool {
    use CertificateError::{ExpiredRevocationList, ExpiredRevocationListContext};
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            ExpiredRevocationList | ExpiredRevocationListContext { .. }
        )
    )
}

fn for_grpc(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would be let in by the certificate of its first handshake, whatever was revoked since.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut file = files::open_regular(path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    if length > MAX_FILE_BYTES {
        return Err(format!(
            "has {length} bytes; expected at most {MAX_FILE_BYTES}"
        ));
    }
    // With room for all from the start: a buffer that grows leaves copies behind.
    let capacity = usize::try_from(length).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.by_ref()
        .take(length)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if found.is_empty() => {
            Err("has no certificate; expected PEM (CERTIFICATE)".into())
        }
        Ok(found) => Ok(found),
        Err(error) => Err(format!("is not PEM: {error}")),
    }
}

fn are_authorities(pem: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("has a certificate that is not an authority's: {error}"))?;
    }
    Ok(())
}

fn revocation_lists(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if found.is_empty() => {
            Err("has no revocation list; expected PEM (X509 CRL)".into())
        }
        Ok(found) => Ok(found),
        Err(error) => Err(format!("is not PEM: {error}")),
    }
}
