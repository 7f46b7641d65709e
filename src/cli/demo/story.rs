//! The stage of the story: a real service on a simulated clock, and its clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tonic::Status;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use zeroize::Zeroizing;

use super::super::{Failure, print, print_line, refused};
use super::{at, expect};
use crate::client::{self, ClientTls};
use crate::clock::Clock;
use crate::grpc::access::Access;
use crate::record::sqlite::SqliteRecord;
use crate::service::{Parts, Service};
use crate::source::FileSource;
use crate::wire;
use crate::wire::proto::key_service_client::KeyServiceClient;
use crate::wire::proto::signing_service_client::SigningServiceClient;
use crate::wire::proto::verification_service_client::VerificationServiceClient;
use crate::wire::proto::verify_checkpoint_request::Subject;
use crate::wire::proto::{
    Checkpoint, GetKeyRequest, KeyState, ListKeysRequest, SignCheckpointRequest, SignedCheckpoint,
    Verdict, VerifyCheckpointRequest,
};
use checkpoint::checkpoint::CumulativeHash;
use checkpoint::key::{
    Algorithm, DEFAULT_MODULUS_BITS, PrivateKeyError, ValidityWindow, instant_text,
};
use checkpoint::log::head::DEFAULT_LOG;
use checkpoint::signing::KeySecret;

const LEDGER: &str = "org_xyz789";

/// How long the health service may take to show a change. It is told at once; this is for a busy machine.
const HEALTH_PATIENCE: Duration = Duration::from_secs(10);

/// A running service and its clients.
pub(super) struct Story {
    clock: Clock,
    service: Service,
    key_file: PathBuf,
    documents: Vec<(&'static str, Zeroizing<String>)>,
    signing: SigningServiceClient<Channel>,
    verification: VerificationServiceClient<Channel>,
    pub(super) key_service: KeyServiceClient<Channel>,
    health: HealthClient<Channel>,
}

impl Story {
    /// Makes the keys of three years, and starts a service that has the first of them.
    pub(super) async fn begin(folder: &Path, start: DateTime<Utc>) -> Result<Self, Failure> {
        print_line("Generating the keys of three years (RSA, 3072 bits) ...")?;
        let years = ["2025", "2026", "2027"];
        let making = years.map(|year| tokio::task::spawn_blocking(move || make_key(year)));
        let mut documents = Vec::new();
        for (year, document) in years.into_iter().zip(making) {
            let document = document.await.map_err(Failure::impossible)?;
            documents.push((year, document.map_err(Failure::impossible)?));
        }
        let record = folder.join("record.sqlite");
        SqliteRecord::init(&record).map_err(Failure::impossible)?;
        let (clock, key_file) = (Clock::simulated(start), folder.join("keys.json"));
        write_keys(&key_file, &documents, &[("2025", "AWSCURRENT")])?;
        let service = Service::start(Parts {
            clock: clock.clone(),
            source: Box::new(FileSource::new(&key_file)),
            record: Arc::new(SqliteRecord::open(&record).map_err(Failure::impossible)?),
            log: DEFAULT_LOG.parse().map_err(Failure::impossible)?,
            max_entry_jump: Default::default(),
            witnesses: Default::default(),
            grpc: ([127, 0, 0, 1], 0).into(),
            access: Access::Open,
            http: None,
            public_url: None,
            metrics: None,
        })
        .await
        .map_err(Failure::impossible)?;
        let channel = client::connect(&format!("http://{}", service.grpc()), &ClientTls::default())
            .await
            .map_err(Failure::impossible)?;
        print_line(&format!(
            "A service runs on {}; its record is a SQLite file, its keys are in a file, and its clock is \
             moved by hand.",
            service.grpc()
        ))?;
        Ok(Self {
            clock,
            service,
            key_file,
            documents,
            signing: SigningServiceClient::new(channel.clone()),
            verification: VerificationServiceClient::new(channel.clone()),
            key_service: KeyServiceClient::new(channel.clone()),
            health: HealthClient::new(channel),
        })
    }

    pub(super) async fn end(self) -> Result<(), Failure> {
        // The clients go first, or their open connection would be waited for.
        let Self { service, .. } = self;
        expect(service.drain().await, "the service ends when it is told to")
    }

    pub(super) fn chapter(&self, title: &str) -> Result<(), Failure> {
        print(&format!("\n{title}\n"))
    }

    pub(super) fn say(&self, what: &str) -> Result<(), Failure> {
        print_line(&format!("  [{}] {what}", instant_text(self.clock.now())))
    }

    /// Moves the clock.
    pub(super) fn at(&self, instant: &str) -> Result<(), Failure> {
        self.clock.set(at(instant));
        self.say("the clock is set")
    }

    /// Gives the key file other versions.
    pub(super) fn write_keys(&self, versions: &[(&str, &str)]) -> Result<(), Failure> {
        write_keys(&self.key_file, &self.documents, versions)
    }

    pub(super) async fn try_sign(
        &mut self,
        checkpoint_id: &str,
        entry_count: u64,
        history: &str,
    ) -> Result<SignedCheckpoint, Status> {
        let hash = CumulativeHash::from(<[u8; 32]>::from(Sha256::digest(history)));
        let request = SignCheckpointRequest {
            checkpoint: Some(Checkpoint {
                checkpoint_id: checkpoint_id.into(),
                ledger_id: LEDGER.into(),
                timestamp: Some(wire::timestamp(date_of(checkpoint_id))),
                cumulative_hash: hash.to_string(),
                entry_count,
                total_volume: 284_729_340,
                ..Default::default()
            }),
            omit_content: false,
        };
        let answer = self.signing.sign_checkpoint(request).await?;
        Ok(answer.into_inner().signed_checkpoint.unwrap_or_default())
    }

    pub(super) async fn sign(
        &mut self,
        checkpoint_id: &str,
        entry_count: u64,
        history: &str,
    ) -> Result<SignedCheckpoint, Failure> {
        let signed = self
            .try_sign(checkpoint_id, entry_count, history)
            .await
            .map_err(refused)?;
        let excerpt: String = signed.signature.chars().rev().take(12).collect();
        let excerpt: String = excerpt.chars().rev().collect();
        self.say(&format!(
            "{checkpoint_id} is signed by {} (...{excerpt})",
            signed.key_id
        ))?;
        Ok(signed)
    }

    pub(super) async fn verify(&mut self, published_json: &str) -> Result<Verdict, Failure> {
        let request = VerifyCheckpointRequest {
            subject: Some(Subject::PublishedJson(published_json.into())),
        };
        let answer = self
            .verification
            .verify_checkpoint(request)
            .await
            .map_err(refused)?;
        Ok(answer.into_inner().verdict.unwrap_or_default())
    }

    pub(super) async fn state(&mut self, key_id: &str) -> Result<KeyState, Failure> {
        let request = GetKeyRequest {
            key_id: key_id.into(),
        };
        let answer = self.key_service.get_key(request).await.map_err(refused)?;
        Ok(answer.into_inner().key.unwrap_or_default().state())
    }

    /// The keyring as it is published.
    pub(super) async fn jwks(&mut self) -> Result<String, Failure> {
        let answer = self
            .key_service
            .list_keys(ListKeysRequest {})
            .await
            .map_err(refused)?;
        let keys = answer.into_inner().keys;
        let keys: Result<Vec<Value>, _> = keys
            .iter()
            .map(|key| serde_json::from_str(&key.jwk))
            .collect();
        Ok(json!({ "keys": keys.map_err(Failure::impossible)? }).to_string())
    }

    /// Whether signing is served, once that is as expected or patience ends.
    pub(super) async fn wait_for_health(&mut self, expected: bool) -> Result<bool, Failure> {
        let mut serving = !expected;
        let asking = async {
            while serving != expected {
                let request = HealthCheckRequest {
                    service: "amply.checkpoint.v1.SigningService".into(),
                };
                let answer = self.health.check(request).await?.into_inner();
                serving = answer.status() == ServingStatus::Serving;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok::<_, Status>(())
        };
        match tokio::time::timeout(HEALTH_PATIENCE, asking).await {
            Ok(asked) => asked.map_err(refused)?,
            Err(_) => return Ok(!expected),
        }
        Ok(expected)
    }
}

/// The day in the name of a checkpoint, `chk_2025-01-01`.
fn date_of(checkpoint_id: &str) -> DateTime<Utc> {
    at(checkpoint_id.get(4..14).unwrap_or_default())
}

fn make_key(year: &str) -> Result<Zeroizing<String>, PrivateKeyError> {
    let from = at(&format!("{year}-01-01"));
    let until = at(&format!("{}-01-01", year.parse().unwrap_or(0) + 1));
    let failed = || PrivateKeyError::Generation(DEFAULT_MODULUS_BITS);
    let window = ValidityWindow::new(from, until).map_err(|_| failed())?;
    let key_id = format!("key-{year}").parse().map_err(|_| failed())?;
    KeySecret::generate(
        key_id,
        window,
        Algorithm::default(),
        DEFAULT_MODULUS_BITS,
        None,
    )
    .map(|(document, _)| document)
}

/// Replaces the key file, as an operator (or a mounted secret) does: by renaming.
fn write_keys(
    key_file: &Path,
    documents: &[(&str, Zeroizing<String>)],
    versions: &[(&str, &str)],
) -> Result<(), Failure> {
    let mut text = Zeroizing::new(String::from("["));
    for (year, stage) in versions {
        for (_, document) in documents.iter().filter(|(made, _)| made == year) {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&format!("{{\"version_stages\":[\"{stage}\"],"));
            text.push_str(document.trim_start().trim_start_matches('{'));
        }
    }
    text.push(']');
    let new = key_file.with_extension("new");
    super::super::input::write_private(&new, &text)?;
    std::fs::rename(&new, key_file).map_err(Failure::impossible)
}
