//! `sign`: has a checkpoint signed, and prints what to publish.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, FormatArg, ServerArg, input, print_document, refused};
use crate::wire::proto::SignCheckpointRequest;
use crate::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint::checkpoint::{Checkpoint, MAX_JSON_BYTES};

#[derive(Args)]
pub(super) struct Sign {
    /// The checkpoint as JSON, without a signature; - reads standard input
    file: PathBuf,
    #[command(flatten)]
    server: ServerArg,
    /// The published JSON is printed either way
    #[command(flatten)]
    _format: FormatArg,
}

impl Sign {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let text = input::read(&self.file, MAX_JSON_BYTES)?;
        let checkpoint = Checkpoint::from_json(&text)
            .map_err(|invalid| Failure::Negative(format!("{}: {invalid}", self.file.display())))?;
        let channel = self.server.connect().await?;
        let request = SignCheckpointRequest {
            checkpoint: Some((&checkpoint).into()),
            omit_content: false,
        };
        let answer = SigningServiceClient::new(channel)
            .sign_checkpoint(request)
            .await
            .map_err(refused)?;
        let signed = answer.into_inner().signed_checkpoint.unwrap_or_default();
        print_document(&format!("{}\n", signed.published_json))
    }
}
