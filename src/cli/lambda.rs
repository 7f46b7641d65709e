//! `lambda`: the rotation function of Secrets Manager.

use aws_config::SdkConfig;
use clap::Args;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

use super::log::LogArgs;
use super::server::ServersArgs;
use super::{Failure, print};
use crate::clock::Clock;
use crate::rollover::{Rollover, RolloverError, RotationEvent, SecretStore, StepReport};
use crate::source::transport::configuration;
use checkpoint::visible::visible;

/// What the Lambda runtime sets for every function (AWS, "Defined runtime environment variables"). Its crate
/// ends the process hard where one is missing.
const RUNTIME_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

#[derive(Args)]
pub(super) struct Lambda {
    #[command(flatten)]
    servers: ServersArgs,
    /// Have the key in force endorse the next one although no service can be asked whether it is revoked
    #[arg(long)]
    without_asking: bool,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

impl Lambda {
    pub(super) async fn run(self) -> Result<(), Failure> {
        for name in RUNTIME_VARIABLES {
            let set = std::env::var(name).is_ok_and(|value| !value.is_empty());
            if !set {
                return Err(Failure::Impossible(format!(
                    "{name}: is not set; expected to be run by AWS Lambda, which sets it"
                )));
            }
        }
        // Read once: a function is kept warm for the next step.
        let shared = configuration().await;
        let handler =
            async |event: LambdaEvent<RotationEvent>| self.handle(&shared, event.payload).await;
        lambda_runtime::run(service_fn(handler))
            .await
            .map_err(Failure::impossible)
    }

    async fn handle(&self, shared: &SdkConfig, event: RotationEvent) -> Result<Value, Diagnostic> {
        let store = SecretStore::with_config(shared, &event.secret_id);
        let rollover = Rollover::new(
            store,
            Clock::system(),
            Box::new(self.servers.named()),
            false,
        )
        .without_asking(self.without_asking);
        let outcome = rollover
            .rotate(event.step, &event.client_request_token)
            .await;
        // Standard output is the function's log.
        let shown = match &outcome {
            Ok(report) => lines(report),
            Err(error) => vec![error.to_string()],
        };
        let shown: Vec<_> = shown.iter().map(|line| visible(line)).collect();
        let token = visible(&event.client_request_token);
        let _ = print(&format!("{:?} {token}: {}\n", event.step, shown.join("\n")));
        let report = outcome.map_err(diagnostic)?;
        Ok(json!({ "done": lines(&report) }))
    }
}

fn lines(report: &StepReport) -> Vec<String> {
    let checks = report.checks.iter().map(|check| match &check.found {
        Ok(found) | Err(found) => format!("{}: {found}", check.name),
    });
    let calls = report.calls.iter().map(|call| format!("called {call}"));
    checks
        .chain(report.told.iter().cloned())
        .chain(calls)
        .collect()
}

fn diagnostic(error: RolloverError) -> Diagnostic {
    let error_type = match error {
        RolloverError::Refused(..) => "Refused",
        RolloverError::Store(_) => "SecretsManager",
        RolloverError::Partly { error, .. } => return diagnostic(*error),
        RolloverError::Key(_) | RolloverError::Ended => "KeyGeneration",
    };
    Diagnostic {
        error_type: error_type.into(),
        error_message: error.to_string(),
    }
}
