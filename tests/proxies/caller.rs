//! Clients: a certificate, an address, and what they ask for.

use std::path::Path;
use std::time::Duration;

use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::sign_checkpoints_response::Outcome;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{
    Checkpoint, RefreshKeysRequest, SignCheckpointRequest, SignCheckpointsRequest, WatchKeysRequest,
};
use tokio_stream::StreamExt as _;
use tonic::Status;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::authority::{Identity, read};

#[derive(Clone)]
pub struct Caller {
    channel: Channel,
}

/// A checkpoint, of a ledger that signs its first one.
pub fn checkpoint(ledger: &str) -> Checkpoint {
    Checkpoint {
        ledger_id: ledger.into(),
        ..crate::support::checkpoint("chk_1", 1, ledger)
    }
}

impl Caller {
    pub fn new(folder: &Path, who: &str, port: u16) -> Self {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read(&folder.join("ca.crt"))))
            .identity(Identity::in_folder(folder, who).pem());
        let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).unwrap();
        let endpoint = endpoint.connect_timeout(Duration::from_secs(20));
        let channel = endpoint.tls_config(tls).unwrap().connect_lazy();
        Self { channel }
    }

    /// A call of its own.
    pub async fn signs(&self, checkpoint: Checkpoint) -> Result<String, Status> {
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint),
            omit_content: false,
        };
        let mut client = SigningServiceClient::new(self.channel.clone());
        let answer = client.sign_checkpoint(request).await?.into_inner();
        Ok(answer.signed_checkpoint.unwrap().published_json)
    }

    /// So many on one stream, with a note of so many bytes each and with so much time between; how many were signed.
    pub async fn streams(
        &self,
        name: &str,
        count: usize,
        bytes: usize,
        pause: Duration,
    ) -> Result<usize, Status> {
        let name = name.to_owned();
        let items = tokio_stream::iter(0..count).then(move |number| {
            let mut checkpoint = checkpoint(&format!("{name}_{number}"));
            let note = prost_types::value::Kind::StringValue("x".repeat(bytes));
            let note = prost_types::Value { kind: Some(note) };
            let further = prost_types::Struct {
                fields: [("note".to_owned(), note)].into(),
            };
            checkpoint.additional_members = Some(further);
            async move {
                if number > 0 {
                    tokio::time::sleep(pause).await;
                }
                SignCheckpointsRequest {
                    request_id: number.to_string(),
                    checkpoint: Some(checkpoint),
                    ..Default::default()
                }
            }
        });
        let client = SigningServiceClient::new(self.channel.clone());
        let mut client = client.max_decoding_message_size(8 * 1024 * 1024);
        let mut answers = client.sign_checkpoints(items).await?.into_inner();
        let mut signed = 0;
        while let Some(answer) = answers.next().await {
            match answer?.outcome {
                Some(Outcome::SignedCheckpoint(_)) => signed += 1,
                other => panic!("{other:?}"),
            }
        }
        Ok(signed)
    }

    /// Watches the keys, which do not change, for so long; an error is an end before.
    pub async fn watches(&self, patience: Duration) -> Result<(), Status> {
        let mut client = KeyServiceClient::new(self.channel.clone());
        let watching = async {
            let mut answers = client
                .watch_keys(WatchKeysRequest::default())
                .await?
                .into_inner();
            while let Some(answer) = answers.next().await {
                answer?;
            }
            Err(Status::unavailable("the stream is over"))
        };
        match tokio::time::timeout(patience, watching).await {
            Ok(ended) => ended,
            Err(_) => Ok(()),
        }
    }

    /// What only an operator may.
    pub async fn has_the_keys_read(&self) -> Result<(), Status> {
        let mut client = KeyServiceClient::new(self.channel.clone());
        client.refresh_keys(RefreshKeysRequest::default()).await?;
        Ok(())
    }
}
