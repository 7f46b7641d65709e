//! `health`: asks the standard gRPC health service, or, beside it, `/health` without TLS.

use clap::Args;
use serde_json::json;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::client::health::http_health;
use crate::client::shown;
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
    /// Ask this URL in place of the server: /health on the port of `serve --metrics`, on this machine, such as
    /// http://127.0.0.1:9464/health. For the health check of a container: no certificate is needed that could end
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_HEALTH_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    health_url: Option<String>,
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
        let (status, reason) = match &self.health_url {
            Some(url) => self.by_http(url).await?,
            None => self.by_grpc().await?,
        };
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

    /// The process is well when it answers, and signing when it says so; HTTP tells of no other service.
    async fn by_http(&self, url: &str) -> Result<(ServingStatus, String), Failure> {
        let asks_for_signing = match self.service.as_str() {
            "" => false,
            SERVICE_NAME => true,
            other => {
                return Err(Failure::Impossible(format!(
                    "--service: is {other}, of which --health-url tells nothing; expected {SERVICE_NAME}, or --server"
                )));
            }
        };
        let told = http_health(url).await;
        let told = told.map_err(|error| {
            Failure::Impossible(format!("--health-url: {}: {error}", shown(url)))
        })?;
        Ok(match asks_for_signing && !told.signing {
            false => (ServingStatus::Serving, String::new()),
            true => (ServingStatus::NotServing, told.reason.unwrap_or_default()),
        })
    }

    async fn by_grpc(&self) -> Result<(ServingStatus, String), Failure> {
        let channel = self.server.connect().await?;
        let request = HealthCheckRequest {
            service: self.service.clone(),
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
        Ok((status, reason))
    }
}
