//! A service in this process, on a clock that the test moves: real gRPC, real files, real SQLite.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use checkpoint::key::{Algorithm, ValidityWindow, parse_instant};
use checkpoint::signing::KeySecret;
use checkpoint_signer::clock::Clock;
use checkpoint_signer::grpc::access::Access;
use checkpoint_signer::http::MetricsPlace;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::service::{Parts, Service, StartError};
use checkpoint_signer::source::FileSource;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::record_service_client::RecordServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::verification_service_client::VerificationServiceClient;
use checkpoint_signer::wire::proto::verify_checkpoint_request::Subject;
use checkpoint_signer::wire::proto::{
    Checkpoint, RefreshKeysRequest, SignCheckpointRequest, SignedCheckpoint, Verdict,
    VerifyCheckpointRequest,
};
use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// An instant, `2025-01-01` or `2025-01-01T00:00:00Z`.
pub fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

pub fn wire(instant: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        nanos: 0,
    }
}

/// The secret document of `key-YEAR`, valid for that calendar year. Made once in a process.
pub fn key_of(year: i32) -> String {
    key_with(
        &format!("key-{year}"),
        &format!("{year}-01-01"),
        &format!("{}-01-01", year + 1),
        0,
    )
}

/// A secret document; `variant` tells keys of the same name and window apart.
pub fn key_with(key_id: &str, from: &str, until: &str, variant: u32) -> String {
    type Made = Mutex<HashMap<String, String>>;
    static MADE: OnceLock<Made> = OnceLock::new();
    let mut made = MADE.get_or_init(Made::default).lock().unwrap();
    let window = ValidityWindow::new(at(from), at(until)).unwrap();
    let name = format!("{key_id} {window} {variant}");
    let make = || {
        let generated = KeySecret::generate(
            key_id.parse().unwrap(),
            window,
            Algorithm::Ps256,
            2048,
            None,
        );
        generated.unwrap().0.to_string()
    };
    made.entry(name).or_insert_with(make).clone()
}

/// The key file's array: documents with their staging labels.
pub fn versions(documents: &[(&str, &str)]) -> String {
    let items = documents.iter().map(|(document, stage)| {
        let mut value: serde_json::Value = serde_json::from_str(document).unwrap();
        value["version_stages"] = serde_json::json!([stage]);
        value.to_string()
    });
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// A valid checkpoint of `org_1`; fields are changed by the test.
pub fn checkpoint(id: &str, entry_count: u64, history: &str) -> Checkpoint {
    let hash: String = Sha256::digest(history)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    Checkpoint {
        checkpoint_id: id.into(),
        ledger_id: "org_1".into(),
        timestamp: Some(wire(at("2025-01-15T23:59:59Z"))),
        cumulative_hash: format!("sha256:{hash}"),
        entry_count,
        total_volume: 1000,
        ..Default::default()
    }
}

/// A service with its clients. Its folder is deleted with it.
pub struct TestService {
    pub clock: Clock,
    pub folder: TempDir,
    service: Option<Service>,
    pub signing: SigningServiceClient<Channel>,
    pub verification: VerificationServiceClient<Channel>,
    pub keys: KeyServiceClient<Channel>,
    pub record: RecordServiceClient<Channel>,
    pub channel: Channel,
}

impl TestService {
    /// At noon of 2025-06-01, with the key of 2025.
    pub async fn new() -> Self {
        Self::with(&key_of(2025), "2025-06-01T12:00:00Z").await
    }

    pub async fn with(keys: &str, start: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        SqliteRecord::init(&record_path(folder.path())).unwrap();
        write_keys(folder.path(), keys);
        Self::start(folder, Clock::simulated(at(start)))
            .await
            .unwrap()
    }

    pub async fn start(folder: TempDir, clock: Clock) -> Result<Self, StartError> {
        let service = Service::start(Parts {
            clock: clock.clone(),
            source: Box::new(FileSource::new(&folder.path().join("keys.json"))),
            record: Arc::new(SqliteRecord::open(&record_path(folder.path())).unwrap()),
            log: "test-record".parse().unwrap(),
            max_entry_jump: Default::default(),
            witnesses: Default::default(),
            grpc: ([127, 0, 0, 1], 0).into(),
            access: Access::Open,
            http: Some(([127, 0, 0, 1], 0).into()),
            public_url: Some("https://checkpoints.example.org".parse().unwrap()),
            metrics: Some(MetricsPlace::Http),
        })
        .await?;
        let url = format!("http://{}", service.grpc());
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        Ok(Self {
            clock,
            folder,
            service: Some(service),
            signing: SigningServiceClient::new(channel.clone()),
            verification: VerificationServiceClient::new(channel.clone()),
            keys: KeyServiceClient::new(channel.clone()),
            record: RecordServiceClient::new(channel.clone()),
            channel,
        })
    }

    /// Ends the service and gives what is left of it.
    pub async fn stop(self) -> (TempDir, Clock) {
        let Self {
            folder,
            clock,
            service,
            ..
        } = self;
        assert!(service.unwrap().drain().await);
        (folder, clock)
    }

    pub async fn restart(self) -> Self {
        let (folder, clock) = self.stop().await;
        Self::start(folder, clock).await.unwrap()
    }

    pub fn grpc(&self) -> String {
        format!("http://{}", self.service.as_ref().unwrap().grpc())
    }

    pub fn http(&self) -> String {
        format!("http://{}", self.service.as_ref().unwrap().http().unwrap())
    }

    pub fn record_path(&self) -> PathBuf {
        record_path(self.folder.path())
    }

    /// Replaces the key file and has it read.
    pub async fn use_keys(&mut self, keys: &str) -> Result<(), Status> {
        write_keys(self.folder.path(), keys);
        self.keys
            .refresh_keys(RefreshKeysRequest {})
            .await
            .map(|_| ())
    }

    pub async fn sign(&mut self, checkpoint: Checkpoint) -> Result<SignedCheckpoint, Status> {
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint),
            omit_content: false,
        };
        let answer = self.signing.sign_checkpoint(request).await?;
        Ok(answer.into_inner().signed_checkpoint.unwrap())
    }

    pub async fn refusal(&mut self, checkpoint: Checkpoint) -> (Code, String) {
        refusal(self.sign(checkpoint).await.unwrap_err())
    }

    pub async fn verify(&mut self, published_json: &str) -> Verdict {
        let request = VerifyCheckpointRequest {
            subject: Some(Subject::PublishedJson(published_json.into())),
        };
        let answer = self.verification.verify_checkpoint(request).await.unwrap();
        answer.into_inner().verdict.unwrap()
    }
}

/// Code and reason of a status; every refusal has a reason of the right domain.
pub fn refusal(status: Status) -> (Code, String) {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "checkpoint-signer");
    (status.code(), info.reason)
}

/// The field paths of a status's BadRequest.
pub fn fields(status: &Status) -> Vec<String> {
    let bad_request = status.get_details_bad_request().unwrap();
    bad_request
        .field_violations
        .into_iter()
        .map(|v| v.field)
        .collect()
}

fn record_path(folder: &Path) -> PathBuf {
    folder.join("record.sqlite")
}

pub fn write_keys(folder: &Path, text: &str) {
    let new = folder.join("keys.new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, folder.join("keys.json")).unwrap();
}
