//! Who may do what on gRPC: the client's certificate, the names in it, the roles that the operator gave to these
//! names, and the role that each RPC needs.
//!
//! Every call, and every item of a stream, is judged anew by the roles and the authorities in force, so that a name that was
//! taken off the file, or a certificate that has expired or was revoked, ends what it may do on connections and in streams that
//! are open, too. Nothing is
//! decided here on what a checkpoint says; the bound on a signer's ledgers is given to whoever signs.
//!
//! Attack: who was let in does what was not given to them, or goes on after it was taken away. Shown by `tests/access/every_rpc.rs`
//! (`every_rpc_lets_in_the_right_roles_alone`) and all of `tests/access/changes.rs`.

mod anchors;
mod files;
mod judge;
mod names;
mod peer;
mod revocation;
mod roles;
mod rpcs;

pub use files::{AccessFault, Authority, MinimumTls, TlsFiles, TlsTexts};
pub use roles::{Caller, Clients, Role};
pub use rpcs::{Lasts, Need, RPCS, Rpc, Runs, Takes};

pub(super) use judge::Judge;
pub(super) use peer::Peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::x509::Certificates;

/// How often the files are read again. A certificate is renewed days before it ends; a name that is taken off the roles
/// should not wait long.
const READ_EVERY: Duration = Duration::from_secs(5);

/// Who is let in.
#[derive(Clone)]
pub enum Access {
    /// Whoever can connect may do everything: for loopback, and for a network that somebody vouches for.
    Open,
    /// Clients with a certificate, by their roles.
    Certificates(watch::Receiver<Arc<Authority>>),
}

/// Why a service may not listen where it was told to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "--grpc: {0} can be reached from other machines, and nothing says who may call; expected --tls-certificate, --tls-key, \
     --tls-client-ca and --roles, or an address on loopback"
)]
pub struct OpenToAll(pub SocketAddr);

impl Access {
    /// Anybody who can connect, who must be on this machine.
    ///
    /// # Errors
    /// [`OpenToAll`], when the address is not on loopback.
    pub fn loopback(address: SocketAddr) -> Result<Self, OpenToAll> {
        match address.ip().is_loopback() {
            true => Ok(Self::Open),
            false => Err(OpenToAll(address)),
        }
    }

    /// Clients with certificates. The files are read now, and again whenever they have changed, until `shutdown`; a
    /// change that is wrong is logged, and what was in force stays.
    ///
    /// # Errors
    /// [`AccessFault`] for each file that is wrong now.
    pub async fn certificates(
        files: TlsFiles,
        shutdown: CancellationToken,
    ) -> Result<Self, Vec<AccessFault>> {
        let authority = files.read().await?;
        let (sender, receiver) = watch::channel(Arc::new(authority));
        tokio::spawn(keep_reading(files, sender, shutdown));
        Ok(Self::Certificates(receiver))
    }

    /// The certificates in force, of each file; none for [`Access::Open`].
    pub(crate) fn certificates_in_force(&self) -> Vec<Certificates> {
        let authority = self.authority();
        authority.map_or_else(Vec::new, |authority| authority.certificates().to_vec())
    }

    /// Waits until something else is in force; for ever for [`Access::Open`].
    pub(crate) async fn changed(&mut self) {
        match self {
            Self::Open => std::future::pending().await,
            Self::Certificates(authority) => {
                if authority.changed().await.is_err() {
                    // Nobody reads the files any more: the service ends.
                    std::future::pending().await
                }
            }
        }
    }

    /// What is in force now; nothing for [`Access::Open`].
    pub(super) fn authority(&self) -> Option<Arc<Authority>> {
        match self {
            Self::Open => None,
            Self::Certificates(authority) => Some(Arc::clone(&authority.borrow())),
        }
    }
}

async fn keep_reading(
    files: TlsFiles,
    sender: watch::Sender<Arc<Authority>>,
    shutdown: CancellationToken,
) {
    let mut told = Vec::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(READ_EVERY) => {}
            () = shutdown.cancelled() => return,
        }
        match files.read().await {
            Ok(new) if new.fingerprint() == sender.borrow().fingerprint() => told.clear(),
            Ok(new) => {
                tracing::info!(
                    "the certificates, authorities or roles have changed, and are in force"
                );
                told.clear();
                if sender.send(Arc::new(new)).is_err() {
                    return;
                }
            }
            Err(faults) if faults == told => {}
            Err(faults) => {
                for fault in &faults {
                    tracing::error!(%fault, "TLS goes on with what it had");
                }
                told = faults;
            }
        }
    }
}
