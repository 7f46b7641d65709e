//! `health`: asks the standard gRPC health service.

use clap::Args;
use serde_json::json;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Failure, Format, FormatArg, ServerArg, print_json, print_line};

#[derive(Args)]
pub(super) struct Health {
    #[command(flatten)]
    server: ServerArg,
    /// Which service, by its full name, for example amply.checkpoint.v1.SigningService; without it, the
    /// process as a whole. (A container that restarts because no key can sign would not help anybody.)
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_SERVICE",
        default_value = "",
        hide_default_value = true
    )]
    service: String,
    #[command(flatten)]
    format: FormatArg,
}

impl Health {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let channel = self.server.connect().await?;
        let request = HealthCheckRequest {
            service: self.service,
        };
        let answer = HealthClient::new(channel).check(request).await?;
        let status = answer.into_inner().status();
        match self.format.format {
            Format::Json => print_json(&json!({ "status": status.as_str_name() }))?,
            Format::Text => print_line(status.as_str_name())?,
        }
        match status {
            ServingStatus::Serving => Ok(()),
            _ => Err(Failure::Shown),
        }
    }
}
