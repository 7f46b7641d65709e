//! `verify`: verdicts on published checkpoints, one or millions, offline with a keyring or by asking a service.

mod online;

use checkpoint_verify::cli::{Asked, Offline};
use clap::{ArgGroup, Args};

use super::server::ClientTlsArgs;
use super::{Failure, PROGRAM};
use crate::clock::Clock;
use online::Service;

#[derive(Args)]
#[command(group = ArgGroup::new("by").args(["keys", "server"]).required(true).multiple(true))]
pub(super) struct Verify {
    #[command(flatten)]
    offline: Offline,
    /// Ask this service: the verdicts are its word. With --keys it would not be asked, and is refused; from the environment
    /// it is left alone then
    #[arg(long, env = "CHECKPOINT_SIGNER_SERVER", value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    tls: ClientTlsArgs,
}

impl Verify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let now = Clock::system().now();
        match self.server {
            Some(url) if !self.offline.has_keys() => {
                let Asked {
                    files,
                    selection,
                    fingerprints,
                    mut report,
                    once,
                } = self.offline.begin(PROGRAM, now)?;
                let channel = self.tls.connect(&url).await?;
                let service = Service::new(channel, selection, fingerprints);
                report.trust_service(&url);
                service
                    .run((files, once), &mut |results| report.take(results))
                    .await?;
                report.finish(now)
            }
            // It blocks, and nothing else goes on.
            _ => tokio::task::block_in_place(|| self.offline.run(PROGRAM, now)),
        }
    }
}
