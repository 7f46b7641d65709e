//! What clients were told, and whether the record has it at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use checkpoint_signer::wire::proto::record_service_client::RecordServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{
    GetRecordHeadRequest, GetSignedCheckpointRequest, ListSignedCheckpointsRequest,
    SignCheckpointRequest,
};
use tonic::Status;

use crate::backup::request;
use crate::cluster::Replica;
use crate::history::Request;
use crate::support::refusal;

/// How long anything may take to come about before a test says what it waited for.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The text that was handed out for each place, by anybody.
#[derive(Default)]
pub struct Told(BTreeMap<String, String>);

impl Told {
    /// Notes what was handed out: always the same for a place.
    pub fn note(&mut self, checkpoint_id: &str, published: String) {
        let before = self.0.insert(checkpoint_id.to_owned(), published.clone());
        if let Some(before) = before {
            assert_eq!(before, published, "a second history of {checkpoint_id}");
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What was handed out for these, one a line.
    pub fn published(&self, counts: std::ops::RangeInclusive<u64>) -> String {
        let text = |count| format!("{}\n", self.0[&format!("chk_{count}")]);
        counts.map(text).collect()
    }

    /// All that was handed out is in the record, byte for byte.
    pub async fn is_in(&self, replica: &Replica) {
        for (checkpoint_id, published) in &self.0 {
            let found = get(replica, checkpoint_id).await;
            let found =
                found.unwrap_or_else(|status| panic!("{checkpoint_id} is lost: {status:?}"));
            assert_eq!(&found, published, "a second history of {checkpoint_id}");
        }
    }

    /// Has it signed until it is, and gives how long that took.
    pub async fn sign_until_done(&mut self, replica: &Replica, entry_count: u64) -> Duration {
        let start = Instant::now();
        loop {
            let outcome = self.sign(replica, entry_count).await;
            let Err(status) = outcome else {
                return start.elapsed();
            };
            let message = status.message().to_owned();
            assert_eq!(refusal(status).1, "RECORD_STORE_UNAVAILABLE", "{message}");
            let log = replica.log();
            assert!(
                start.elapsed() < PATIENCE,
                "it never signs again: {message}\n{log}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Has one signed, and notes what was handed out.
    pub async fn sign(&mut self, replica: &Replica, entry_count: u64) -> Result<(), Status> {
        let request = request(entry_count);
        let published = sign(replica, &request).await?;
        self.note(&request.checkpoint_id, published);
        Ok(())
    }
}

pub async fn sign(replica: &Replica, request: &Request) -> Result<String, Status> {
    let mut client = SigningServiceClient::new(replica.channel());
    let begun = Instant::now();
    loop {
        let checkpoint = Some(request.checkpoint());
        let answer = client.sign_checkpoint(SignCheckpointRequest {
            checkpoint,
            ..Default::default()
        });
        match answer.await {
            // It has just begun.
            Err(status) if reads_keys(&status) => {
                assert!(begun.elapsed() < PATIENCE, "it never reads its keys");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => {
                let signed = answer?.into_inner().signed_checkpoint.unwrap();
                return Ok(signed.published_json);
            }
        }
    }
}

fn reads_keys(status: &Status) -> bool {
    let info = tonic_types::StatusExt::get_details_error_info(status);
    info.is_some_and(|info| info.reason == "KEYS_NOT_YET_READ")
}

/// One of the ledger "org".
pub async fn get(replica: &Replica, checkpoint_id: &str) -> Result<String, Status> {
    let mut client = RecordServiceClient::new(replica.channel());
    let request = GetSignedCheckpointRequest {
        ledger_id: "org".into(),
        checkpoint_id: checkpoint_id.into(),
        ..Default::default()
    };
    let answer = client.get_signed_checkpoint(request).await?;
    Ok(answer
        .into_inner()
        .signed_checkpoint
        .unwrap()
        .published_json)
}

/// How many rows the head counts.
pub async fn head(replica: &Replica) -> Result<u64, Status> {
    let mut client = RecordServiceClient::new(replica.channel());
    let answer = client.get_record_head(GetRecordHeadRequest {}).await?;
    Ok(answer.into_inner().record_head.unwrap().rows)
}

/// The published texts of all rows.
pub async fn list(replica: &Replica) -> Result<Vec<String>, Status> {
    let mut client = RecordServiceClient::new(replica.channel());
    let request = ListSignedCheckpointsRequest::default();
    let answer = client.list_signed_checkpoints(request).await?;
    let rows = answer.into_inner().signed_checkpoints.into_iter();
    Ok(rows.map(|signed| signed.published_json).collect())
}

/// Refused, since the record cannot answer for it; gives the message.
pub fn unavailable<T: std::fmt::Debug>(outcome: Result<T, Status>) -> String {
    let status = outcome.expect_err("it is refused");
    let message = status.message().to_owned();
    let expected = (
        tonic::Code::Unavailable,
        "RECORD_STORE_UNAVAILABLE".to_owned(),
    );
    assert_eq!(refusal(status), expected, "{message}");
    message
}
