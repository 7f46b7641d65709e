//! `health`: asks the standard gRPC health service.

use clap::Args;
use serde_json::json;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::wire::proto::ListKeysRequest;
use crate::wire::proto::key_service_client::KeyServiceClient;
use crate::wire::served::signing_service_server::SERVICE_NAME;
use crate::wire::served::{key_service_server, record_service_server, verification_service_server};

use super::{Failure, Format, FormatArg, ServerArg, print_json, print_line, refused};

/// Whose health there is, besides that of the process.
const SERVICES: [&str; 4] = [
    SERVICE_NAME,
    verification_service_server::SERVICE_NAME,
    key_service_server::SERVICE_NAME,
    record_service_server::SERVICE_NAME,
];

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
        let asks_for_signing = request.service == SERVICE_NAME;
        let answer = HealthClient::new(channel.clone())
            .check(request)
            .await
            .map_err(|status| match (status.code(), refused(status)) {
                (Code::NotFound, Failure::Negative(told)) => {
                    Failure::Negative(format!("{told}; expected one of {}", SERVICES.join(", ")))
                }
                (_, failure) => failure,
            })?;
        let status = answer.into_inner().status();
        let mut reason = String::new();
        if asks_for_signing && status != ServingStatus::Serving {
            // Who may not ask for the keys is told no reason.
            let mut keys = KeyServiceClient::new(channel);
            if let Ok(answer) = keys.list_keys(ListKeysRequest {}).await {
                reason = answer.into_inner().signing_refused;
            }
        }
        match self.format.format {
            Format::Json => print_json(&json!({
                "status": status.as_str_name(),
                "reason": (!reason.is_empty()).then_some(&reason),
            }))?,
            Format::Text => {
                print_line(status.as_str_name())?;
                if !reason.is_empty() {
                    print_line(&reason)?;
                }
            }
        }
        match status {
            ServingStatus::Serving => Ok(()),
            _ => Err(Failure::Shown),
        }
    }
}
