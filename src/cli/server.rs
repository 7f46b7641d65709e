//! The flags that say which running service is asked, and how.

use std::path::PathBuf;

use clap::Args;
use tonic::transport::Channel;

use super::Failure;
#[cfg(feature = "aws")]
use crate::client::Servers;
use crate::client::{self, ClientTls};

/// How to speak TLS with a service whose URL begins with https.
#[derive(Args)]
pub(super) struct ClientTlsArgs {
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

impl ClientTlsArgs {
    /// The files that are named.
    pub(super) fn named(&self) -> ClientTls {
        ClientTls {
            server_ca: self.server_ca.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
        }
    }
}

/// One service.
#[derive(Args)]
pub(super) struct ServerArg {
    /// The service to ask
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_SERVER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    pub(super) server: String,
    #[command(flatten)]
    tls: ClientTlsArgs,
}

impl ServerArg {
    pub(super) async fn connect(&self) -> Result<Channel, Failure> {
        let channel = client::connect(&self.server, &self.tls.named()).await;
        channel.map_err(Failure::impossible)
    }
}

/// All running services.
#[cfg(feature = "aws")]
#[derive(Args)]
pub(super) struct ServersArgs {
    /// A running service, asked what it says of the keys; give each replica, several times or with commas
    #[arg(
        id = "servers",
        long = "server",
        env = "CHECKPOINT_SIGNER_SERVERS",
        value_name = "URL",
        value_delimiter = ','
    )]
    urls: Vec<String>,
    #[command(flatten)]
    tls: ClientTlsArgs,
}

#[cfg(feature = "aws")]
impl ServersArgs {
    /// The services that are named.
    pub(super) fn named(&self) -> Servers {
        Servers {
            urls: self.urls.clone(),
            tls: self.tls.named(),
        }
    }
}
