//! The other end of a connection, and who it is at this moment.
//!
//! Attack: a connection outlives the certificate that it was opened with; TLS looks at it in the handshake alone. Shown by
//! `tests/access/changes.rs` (`a_revoked_certificate_ends_on_connections_that_are_open_and_on_new_ones`).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::names::ClientName;
use super::{Access, Authority, Caller};
use rustls::pki_types::CertificateDer;

/// How long a verified certificate is believed on an open connection: past it, its end and its revocation are looked at
/// again.
pub(super) const BELIEVED: Duration = Duration::from_secs(30);

/// One connection's other end.
pub(in crate::grpc) struct Peer {
    address: SocketAddr,
    chain: Vec<CertificateDer<'static>>,
    names: Vec<ClientName>,
    counted_as: Arc<str>,
    connection: Arc<str>,
    /// Who the peer was when it was last looked at.
    known: Mutex<Option<Known>>,
}

struct Known {
    authority: Option<[u8; 32]>,
    since: Instant,
    caller: Arc<Caller>,
}

/// Why a certificate that was good at the handshake is not any more.
#[derive(Debug, thiserror::Error)]
#[error("the client's certificate is not accepted any more: {0}")]
pub(in crate::grpc) struct CertificateRefused(rustls::Error);

impl Peer {
    /// Somebody who came without TLS.
    pub(in crate::grpc) fn open(address: SocketAddr) -> Self {
        Self::new(address, Vec::new(), Vec::new())
    }

    /// Somebody whose certificate was good at the handshake.
    pub(in crate::grpc) fn certified(
        address: SocketAddr,
        chain: Vec<CertificateDer<'static>>,
    ) -> Self {
        let first = chain.first();
        let names = first.map(ClientName::in_certificate).unwrap_or_default();
        Self::new(address, chain, names)
    }

    fn new(
        address: SocketAddr,
        chain: Vec<CertificateDer<'static>>,
        names: Vec<ClientName>,
    ) -> Self {
        let counted_as = match names.first() {
            Some(name) => name.to_string().into(),
            None => address.ip().to_string().into(),
        };
        Self {
            address,
            chain,
            names,
            counted_as,
            connection: address.to_string().into(),
            known: Mutex::default(),
        }
    }

    /// Under which name this peer's connections and calls are counted.
    pub(in crate::grpc) fn counted_as(&self) -> &Arc<str> {
        &self.counted_as
    }

    /// Under which name this connection is counted, whoever it is.
    pub(in crate::grpc) fn connection(&self) -> &Arc<str> {
        &self.connection
    }

    /// The caller, by the certificates and roles in force now.
    ///
    /// # Errors
    /// [`CertificateRefused`], when the certificate has expired or was revoked since the handshake, or its authority is
    /// not trusted any more.
    pub(in crate::grpc) fn caller(
        &self,
        access: &Access,
    ) -> Result<Arc<Caller>, CertificateRefused> {
        let authority = access.authority();
        let in_force = authority.as_deref().map(Authority::fingerprint);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref()
            && known.authority == in_force
            && known.since.elapsed() < BELIEVED
        {
            return Ok(Arc::clone(&known.caller));
        }
        let caller = Arc::new(match &authority {
            None => Caller::open(&self.address.ip().to_string()),
            Some(authority) => {
                *known = None;
                authority.verify(&self.chain).map_err(CertificateRefused)?;
                authority
                    .clients
                    .caller(&self.names, &self.address.ip().to_string())
            }
        });
        *known = Some(Known {
            authority: in_force,
            since: Instant::now(),
            caller: Arc::clone(&caller),
        });
        Ok(caller)
    }
}
