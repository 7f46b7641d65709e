//! The authorities by which clients are judged, at each handshake those that are valid then. TLS's own judgement takes an authority by
//! its name and key alone (RFC 5280, section 6.1.1 d: what a trust anchor has besides is local policy): one that ended years ago would
//! go on vouching, also for who has come by its key since.
//!
//! Attack: a certificate by an authority that has ended. Shown by `tests/access/changes.rs`
//! (`who_comes_by_an_authority_that_has_ended_is_refused`).

use std::fmt;
use std::sync::Arc;

use chrono::DateTime;
use rustls::client::VerifierBuilderError;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use crate::x509::{Certificate, Standing};

type Verifier = Arc<dyn ClientCertVerifier>;
type Build = dyn Fn(RootCertStore) -> Result<Verifier, VerifierBuilderError> + Send + Sync;

/// Judges clients by the authorities that are valid at that time.
pub(super) struct InForce {
    /// By all of them.
    all: Verifier,
    authorities: Vec<CertificateDer<'static>>,
    build: Box<Build>,
}

/// Why a certificate is refused that one of the authorities vouches for.
#[derive(Debug, thiserror::Error)]
#[error("its authority has ended, or is not valid yet")]
struct NotInForce;

impl InForce {
    /// By these authorities, with the verifier that is made of some.
    ///
    /// # Errors
    /// Where none can be made of all of them.
    pub(super) fn verifier(
        authorities: &[CertificateDer<'static>],
        build: impl Fn(RootCertStore) -> Result<Verifier, VerifierBuilderError> + Send + Sync + 'static,
    ) -> Result<Verifier, VerifierBuilderError> {
        Ok(Arc::new(Self {
            all: build(store(authorities))?,
            authorities: authorities.to_vec(),
            build: Box::new(build),
        }))
    }

    /// By those that are valid; none where all are.
    fn by_some(&self, now: UnixTime) -> Option<Result<Verifier, Error>> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let now = DateTime::from_timestamp(now, 0).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC);
        let is_valid = |der: &&CertificateDer<'_>| {
            // What cannot be read here, TLS judges alone.
            Certificate::read(der).is_none_or(|read| read.standing(now) == Standing::Valid)
        };
        let valid = self.authorities.iter().filter(is_valid).cloned();
        let valid: Vec<_> = valid.collect();
        if valid.len() == self.authorities.len() {
            return None;
        }
        if valid.is_empty() {
            return Some(Err(not_in_force()));
        }
        Some((self.build)(store(&valid)).map_err(|_| not_in_force()))
    }
}

fn not_in_force() -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotInForce))))
}

fn store(authorities: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().cloned());
    roots
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for InForce {
    fn offer_client_auth(&self) -> bool {
        self.all.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.all.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.all.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // What is wrong with the certificate itself is told first.
        let verified = self
            .all
            .verify_client_cert(end_entity, intermediates, now)?;
        let Some(some) = self.by_some(now) else {
            return Ok(verified);
        };
        let verified = some?.verify_client_cert(end_entity, intermediates, now);
        verified.map_err(|_| not_in_force())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.all
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.all
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.all.supported_verify_schemes()
    }
}
