//! The flags of `serve` that say who may call gRPC.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::grpc::access::{Access, MinimumTls, TlsFiles};

/// All files, or none.
#[derive(Args)]
pub(super) struct TlsArgs {
    /// The certificate of gRPC and those above it, PEM. All files of TLS are read again when they change
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_TLS_CERTIFICATE",
        value_name = "FILE",
        requires_all = ["tls_key", "tls_client_ca", "roles"],
        conflicts_with = "dev"
    )]
    tls_certificate: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_TLS_KEY",
        value_name = "FILE",
        requires = "tls_certificate"
    )]
    tls_key: Option<PathBuf>,
    /// The authorities whose clients are let in, PEM
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_certificate"
    )]
    tls_client_ca: Option<PathBuf>,
    /// Certificates of clients that their authorities have revoked: a revocation list (X509 CRL) of each authority, PEM
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_TLS_CLIENT_CRL",
        value_name = "FILE",
        requires = "tls_certificate"
    )]
    tls_client_crl: Option<PathBuf>,
    /// Who may do what, TOML: the roles of the names in client certificates
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_ROLES",
        value_name = "FILE",
        requires = "tls_certificate"
    )]
    roles: Option<PathBuf>,
    /// The oldest TLS to speak
    #[arg(
        long,
        value_enum,
        env = "CHECKPOINT_SIGNER_TLS_MINIMUM",
        default_value = "1.3",
        value_name = "VERSION",
        requires = "tls_certificate"
    )]
    tls_minimum: Minimum,
    /// Serve gRPC without TLS beyond loopback: whoever reaches the address can sign and revoke. For a network
    /// where something else lets in the right ones only, such as a service mesh
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_ALLOW_ANYONE_WITHOUT_TLS",
        conflicts_with = "tls_certificate"
    )]
    allow_anyone_without_tls: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Minimum {
    /// TLS 1.3 (RFC 8446) alone.
    #[value(name = "1.3")]
    Tls13,
    /// TLS 1.2 (RFC 5246) as well, for clients that know no better.
    #[value(name = "1.2")]
    Tls12,
}

impl TlsArgs {
    /// Whether TLS is spoken.
    pub(super) fn is_given(&self) -> bool {
        self.tls_certificate.is_some()
    }

    /// Who is let in at this address. Files are read again until `shutdown`.
    pub(super) async fn access(
        self,
        address: SocketAddr,
        shutdown: CancellationToken,
    ) -> Result<Access, Failure> {
        let (Some(certificate), Some(key), Some(client_ca), Some(roles)) = (
            self.tls_certificate,
            self.tls_key,
            self.tls_client_ca,
            self.roles,
        ) else {
            if self.allow_anyone_without_tls {
                tracing::warn!(%address, "gRPC without TLS: whoever reaches the address can sign and revoke");
                return Ok(Access::Open);
            }
            return Access::loopback(address).map_err(Failure::impossible);
        };
        let files = TlsFiles {
            certificate,
            key,
            client_ca,
            client_crl: self.tls_client_crl,
            roles,
            minimum: match self.tls_minimum {
                Minimum::Tls13 => MinimumTls::Tls13,
                Minimum::Tls12 => MinimumTls::Tls12,
            },
        };
        Access::certificates(files, shutdown)
            .await
            .map_err(|faults| Failure::Faults(faults.iter().map(ToString::to_string).collect()))
    }
}
