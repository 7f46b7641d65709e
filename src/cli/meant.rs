//! Which environment is meant by a command that cannot be taken back.

use clap::Args;
use tonic::transport::Channel;

use super::server::list_keys;
use super::{Failure, ServerArg};
use crate::client;
use crate::record::environment::Environment;

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
        let status = list_keys(channel).await?.source_status;
        let source = status.unwrap_or_default().source;
        let secret = source.strip_prefix("secretsmanager:");
        let there = secret.and_then(Environment::of_secret);
        let server = client::without_user(&server.server);
        match there.zip(self.environment) {
            Some((there, meant)) if there != meant => Err(Failure::Negative(format!(
                "--server: {server} is a service of {there} (it reads its keys from {source}), and the environment is {meant}; expected a service of \
                 {meant}, or --environment {there}, if that is meant. Nothing was changed"
            ))),
            _ => Ok(format!("at {server}, which has its keys from {source}")),
        }
    }
}
