//! Every operation beside the raw RSA operation in it, so that the overhead can be read off as a ratio of two
//! figures of the same run.
//!
//! `cargo bench` measures all; `cargo bench -- 3072` one size of key.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use checkpoint::checkpoint::Checkpoint;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::{Algorithm, ValidityWindow, parse_instant};
use checkpoint::keyring::Keyring;
use checkpoint::signing::KeySecret;
use checkpoint::verdict;
use checkpoint_signer::clock::Clock;
use checkpoint_signer::grpc::access::Access;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::service::{Parts, Service};
use checkpoint_signer::signer::{KeyManager, Signer, WhenFull};
use checkpoint_signer::source::FileSource;
use checkpoint_signer::wire::proto::SignCheckpointRequest;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use pkcs1::DecodeRsaPrivateKey;
use rand::rngs::SysRng;
use rsa::signature::{RandomizedSigner, SignatureEncoding};
use sha2::Sha256;
use tempfile::TempDir;
use tonic::transport::Channel;

const EXAMPLE: &str = include_str!("../examples/checkpoint.json");
const NOW: &str = "2025-06-01";

/// The example under a new place of its ledger each time.
fn next_checkpoint() -> Checkpoint {
    static COUNT: AtomicU64 = AtomicU64::new(20_000);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let text = EXAMPLE
        .replacen("15842", &count.to_string(), 1)
        .replace("chk_2025-01-15", &format!("chk_{count}"));
    Checkpoint::from_json(text.as_bytes()).unwrap()
}

struct Bench {
    document: String,
    folder: TempDir,
    clock: Clock,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new(bits: usize) -> Self {
        let at = |text| parse_instant(text).unwrap();
        let window = ValidityWindow::new(at("2025-01-01"), at("2026-01-01")).unwrap();
        let key_id = "key-2025".parse().unwrap();
        let made = KeySecret::generate(key_id, window, Algorithm::Ps256, bits, None).unwrap();
        let (document, folder) = (made.0.to_string(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("keys.json"), &document).unwrap();
        SqliteRecord::init(&folder.path().join("record.sqlite")).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Self {
            document,
            folder,
            clock: Clock::simulated(at(NOW)),
            runtime,
        }
    }

    fn secret(&self) -> KeySecret {
        KeySecret::parse(&self.document, None).unwrap()
    }

    fn pem(&self) -> String {
        let document: serde_json::Value = serde_json::from_str(&self.document).unwrap();
        document["private_key"].as_str().unwrap().to_owned()
    }

    fn source(&self) -> Box<FileSource> {
        Box::new(FileSource::new(&self.folder.path().join("keys.json")))
    }

    fn record(&self) -> Arc<SqliteRecord> {
        let path = self.folder.path().join("record.sqlite");
        Arc::new(SqliteRecord::open(&path).unwrap())
    }

    fn signer(&self) -> Signer {
        self.runtime.block_on(async {
            let record = self.record();
            let key_manager = KeyManager::start(
                self.clock.clone(),
                self.source(),
                record.clone(),
                Arc::default(),
            );
            let key_manager = key_manager.await.unwrap();
            let log = "bench".parse().unwrap();
            let signer = Signer::start(
                &key_manager,
                record,
                log,
                Default::default(),
                Arc::default(),
            );
            // The task that has key_manager lives as long as its handle.
            std::mem::forget(key_manager);
            signer.unwrap()
        })
    }

    fn client(&self) -> (Service, SigningServiceClient<Channel>) {
        self.runtime.block_on(async {
            let service = Service::start(Parts {
                clock: self.clock.clone(),
                source: self.source(),
                record: self.record(),
                log: "test-record".parse().unwrap(),
                max_entry_jump: Default::default(),
                witnesses: Default::default(),
                grpc: ([127, 0, 0, 1], 0).into(),
                access: Access::Open,
                http: None,
                public_url: None,
                metrics: None,
            });
            let service = service.await.unwrap();
            let url = format!("http://{}", service.grpc());
            (service, SigningServiceClient::connect(url).await.unwrap())
        })
    }
}

fn operations(criterion: &mut Criterion, bits: usize) {
    let bench = Bench::new(bits);
    let key = bench.secret().into_signing_key();
    let now = bench.clock.now();
    let checkpoint = next_checkpoint();
    let signed = SignedCheckpoint {
        jws: key
            .open_at(now)
            .unwrap()
            .sign(checkpoint.payload())
            .unwrap(),
        checkpoint,
    };
    let input = signed
        .jws
        .signing_input(signed.checkpoint.payload().as_bytes());
    let input = input.as_bytes();
    let signature = signed.jws.signature();
    let public = key.version().public_key.clone();

    let mut group = criterion.benchmark_group(format!("sign-{bits}"));
    let reference = rsa::PrivateKey::from_pkcs1_pem(&bench.pem()).unwrap();
    let der = pkcs1::EncodeRsaPrivateKey::to_pkcs1_der(&reference).unwrap();
    let raw = RsaKeyPair::from_der(der.as_bytes()).unwrap();
    let (random, mut out) = (SystemRandom::new(), vec![0; raw.public_modulus_len()]);
    group.bench_function("raw aws-lc-rs", |b| {
        b.iter(|| {
            raw.sign(&RSA_PSS_SHA256, &random, black_box(input), &mut out)
                .unwrap()
        });
    });
    let reference = rsa::pss::SigningKey::<Sha256>::new(reference);
    group.bench_function("raw rsa crate", |b| {
        b.iter(|| {
            reference
                .try_sign_with_rng(&mut SysRng, black_box(input))
                .unwrap()
                .to_vec()
        });
    });
    group.bench_function("JWS, not recorded", |b| {
        b.iter(|| {
            key.open_at(now)
                .unwrap()
                .sign(black_box(signed.checkpoint.payload()))
        });
    });
    let signer = bench.signer();
    group.bench_function("signer, recorded", |b| {
        b.to_async(&bench.runtime).iter_batched(
            next_checkpoint,
            async |next| {
                signer
                    .submit(next, WhenFull::Refuse, Box::new(|_, _| {}))
                    .await
                    .outcome()
                    .await
                    .unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    let (_service, client) = bench.client();
    group.bench_function("gRPC call, recorded", |b| {
        b.to_async(&bench.runtime).iter_batched(
            || {
                (
                    client.clone(),
                    SignCheckpointRequest {
                        checkpoint: Some((&next_checkpoint()).into()),
                        ..Default::default()
                    },
                )
            },
            async |(mut client, request)| client.sign_checkpoint(request).await.unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.finish();

    let mut group = criterion.benchmark_group(format!("verify-{bits}"));
    group.bench_function("raw aws-lc-rs", |b| {
        b.iter(|| {
            public
                .verify(Algorithm::Ps256, black_box(input), signature)
                .unwrap()
        });
    });
    group.bench_function("raw rsa crate", |b| {
        b.iter(|| public.verify_independently(Algorithm::Ps256, black_box(input), signature));
    });
    let mut keyring = Keyring::default();
    keyring.insert(key.version().clone()).unwrap();
    let published = signed.published_json();
    group.bench_function("verdict from JSON", |b| {
        b.iter(|| verdict::verify_published(&keyring, black_box(published.as_bytes())));
    });
    group.finish();
}

fn all(criterion: &mut Criterion) {
    criterion.bench_function("canonicalisation: JSON to payload", |b| {
        b.iter(|| Checkpoint::from_json(black_box(EXAMPLE.as_bytes())).unwrap());
    });
    for bits in [2048, 3072, 4096] {
        operations(criterion, bits);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
