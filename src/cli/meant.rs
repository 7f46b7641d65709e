//! Which environment is meant by a command that cannot be taken back.

use clap::Args;
use tonic::transport::Channel;

use super::{Failure, ServerArg, refused};
use crate::client;
use crate::record::environment::Environment;
use crate::wire::proto::ListKeysRequest;
use crate::wire::proto::key_service_client::KeyServiceClient;

/// Of a command that has a service do what cannot be taken back.
#[derive(Args)]
pub(super) struct MeantArg {
    /// The environment that is meant: a service of another one is asked for nothing
    #[arg(long, value_enum, env = "CHECKPOINT_SIGNER_ENVIRONMENT")]
    environment: Option<Environment>,
}

impl MeantArg {
    /// Where a service has its keys from, which says whose it is. (The keys of all environments may have the same names.)
    ///
    /// # Errors
    /// It is of another environment than the one that is meant, or does not answer.
    pub(super) async fn check(
        &self,
        server: &ServerArg,
        channel: Channel,
    ) -> Result<String, Failure> {
        let listed = KeyServiceClient::new(channel)
            .list_keys(ListKeysRequest {})
            .await;
        let status = listed.map_err(refused)?.into_inner().source_status;
        let source = status.unwrap_or_default().source;
        let secret = source.strip_prefix("secretsmanager:");
        let other = secret
            .and_then(Environment::of_secret)
            .zip(self.environment);
        match other {
            Some((there, meant)) if there != meant => Err(Failure::Negative(format!(
                "--server: {} is a service of {there} (it reads its keys from {source}), and the environment is {meant}; expected a service of \
                 {meant}, or --environment {there}, if that is meant. Nothing was changed",
                client::without_user(&server.server)
            ))),
            _ => Ok(format!(
                "at {}, which has its keys from {source}",
                client::without_user(&server.server)
            )),
        }
    }
}
